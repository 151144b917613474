"""The numbers of a text, in whichever spelling: "two dozen", "5km", "half an hour"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from semcache.decision.lexicon import plain_number
from semcache.decision.lexicon_quantities import QuantityWords
from semcache.decision.slots_times import Level, Quantity, TimeReader
from semcache.decision.words import stem

_POSSESSIVES = ("my", "our", "your", "his", "her", "their", "its")
_DETERMINERS = frozenset(("the", "these", "those", "both", "of", "with", *_POSSESSIVES))
_ORDINAL_LEADS = frozenset(("the", "this", "that", "every", "each", "on", *_POSSESSIVES))
_MOST_DESCRIPTIVE = 12  # "my two tablets" may leave out how many they are, "my 40 tablets" hardly


class QuantityReader:
    """Walks over the atoms of a text: folded words, chunks with digits, and symbols; "" where a sentence breaks."""

    def __init__(self, atoms: Sequence[str], words: QuantityWords) -> None:
        self._atoms = atoms
        self._words = words
        self.times = TimeReader(atoms, words)
        self._read = self.times.read
        self._ordinals: set[str] = set()
        self._forms: dict[str, Callable[[int], int]] = {
            **dict.fromkeys(("noon", "midnight"), self._named_hour),
            **dict.fromkeys(("half", "quarter"), self._part),
            **dict.fromkeys(("a", "an", "per"), self._article),
        }

    def at(self, index: int) -> str:
        """The atom of this place; empty outside the text."""
        return self._atoms[index] if 0 <= index < len(self._atoms) else ""

    def word(self, index: int) -> int:
        """Read what begins with a word here; returns the place behind it, or the same place if nothing does."""
        atom = self._atoms[index]
        if (idiom := self._words.idiom_at(self._atoms, index)) > 0:
            return index + idiom
        if atom in self._words.implied:
            value, unit = self._words.implied[atom]
            self._read.found.append(Quantity(value, unit, level=Level.MUTE if unit else Level.SINGLE))
            return index + 1
        if atom in self._words.months:
            return self.times.month(index)
        form = self._forms.get(atom, self._roman if atom in self._words.romans else self._spelled)
        return form(index)

    def number(self, value: str, after: int, *, begin: int, unit: str = "", level: Level = Level.REQUIRED) -> int:
        """Book a number whose unit, if any, stands at `after`; returns the place behind both."""
        unit, after = self._rated(unit, after) if unit else self.unit_at(after)
        if unit and self.at(after) == "and" and self.at(after + 1) == "a" and self.at(after + 2) == "half":
            value, after, level = _plus_half(value), after + 3, Level.REQUIRED
        if not unit and self.at(begin - 1) in self._words.currencies:
            unit = self._words.units[self.at(begin - 1)]
        if self.at(begin - 1) in ("minus", "negative") and not self.at(begin - 2)[:1].isdigit():
            value = f"-{value}"
        bound = self.at(after)
        bound = stem(bound) if bound.isalpha() and bound not in self._words.stop else ""
        self._read.found.append(Quantity(value, unit, bound, self.at(begin - 1), level))
        return after

    def unit_at(self, index: int) -> tuple[str, int]:
        """The unit that begins here, and the place behind it: "square metres", "degrees Celsius", "km per hour"."""
        units, atom = self._words.units, self.at(index)
        if atom in ("square", "cubic", "sq") and self.at(index + 1) in units:
            return f"{atom[:2]}-{units[self.at(index + 1)]}", index + 2
        unit = units.get(atom, "")
        if not unit:
            return "", index
        if unit == "degree" and units.get(self.at(index + 1)) in ("celsius", "fahrenheit"):
            return units[self.at(index + 1)], index + 2
        return self._rated(unit, index + 1)

    def _rated(self, unit: str, index: int) -> tuple[str, int]:
        if self.at(index) in ("per", "an", "a") and (rate := self._words.units.get(self.at(index + 1))):
            return self._words.rates.get(f"{unit}/{rate}", f"{unit}/{rate}"), index + 2
        return unit, index

    def ordinal(self, value: str, *, begin: int, after: int, level: Level = Level.REQUIRED) -> int:
        """Book a place in an order; naming the same place again says nothing new."""
        level = Level.MUTE if value in self._ordinals else level
        self._ordinals.add(value)
        return self.number(value, after, begin=begin, level=level)

    def _named_hour(self, index: int) -> int:
        self.times.time(0, 0, "") if self.at(index) == "midnight" else self.times.time(12, 0, "pm")
        return index + 1

    def _roman(self, index: int) -> int:
        if self.at(index - 1) not in self._words.roman_leads:
            return index
        return self.number(str(self._words.romans[self._atoms[index]]), index + 1, begin=index)

    def _part(self, index: int) -> int:
        """Say "half past two", "quarter to four", "half an hour", "half-gram", "a quarter of an hour"."""
        part = self._atoms[index]
        following = self.at(index + 1)
        if following in ("past", "to") and (hour := self._hour(index + 2)) is not None:
            minute = 30 if part == "half" else 15
            before_hour = following == "to"
            self.times.time(
                (hour - 1) % 24 if before_hour else hour,
                60 - minute if before_hour else minute,
                self.times.half_near(index + 2),
            )
            return index + 3
        places = [index + 1, index + 2, index + 3] if following in ("a", "an", "of", "the") else [index + 1]
        for place in places:
            if part == "half" and (scale := self._words.scales.get(self.at(place))):
                return self.number(plain_number(Decimal(scale) / 2), place + 1, begin=index)
            unit, after = self.unit_at(place)
            if unit:
                return self.number("0.5" if part == "half" else "0.25", after, begin=index, unit=unit)
        level = Level.REQUIRED if part == "half" and following in ("a", "an") else Level.SINGLE
        return self.number("0.5" if part == "half" else "0.25", index + 1, begin=index, level=level)

    def _hour(self, index: int) -> int | None:
        atom = self.at(index)
        if atom.isdecimal() and len(atom) <= 2:
            return int(atom)
        value = 1 if atom == "one" else self._words.values.get(atom, 0)
        return value if 1 <= value <= 12 else None

    def _article(self, index: int) -> int:
        """Read "a couple", "a dozen", "a third"; and "a cup" may match "1 cup"."""
        following = self.at(index + 1)
        if following in self._words.fractions and self.at(index + 2) == "of":
            return self.number(self._words.fractions[following], index + 2, begin=index)
        if following == "couple":
            after = index + 3 if self.at(index + 2) == "of" else index + 2
            return self.number("2", after, begin=index, level=Level.DESCRIPTIVE)
        if following in self._words.scales or following in self._words.values:
            return index
        unit, _ = self.unit_at(index + 1)
        if unit:
            self.number("1", index + 1, begin=index, level=Level.MUTE)
        return index

    def _spelled(self, index: int) -> int:
        """A number in words, from "two" to "three hundred and twenty-fourth"."""
        spelled = self._words.spelled(self._atoms, index)
        if spelled is None:
            return index
        if spelled.is_ordinal:
            return self._spelled_ordinal(index, spelled.value, spelled.end)
        value = plain_number(Decimal(spelled.value))
        if self.at(spelled.end) == "o'clock" or (spelled.value <= 12 and self.times.is_hour(spelled.end - 1)):
            self.times.time(spelled.value, 0, self.times.half_near(index))
            return spelled.end + (self.at(spelled.end) == "o'clock")
        if self.at(spelled.end) == "past" and (hour := self._hour(spelled.end + 1)) is not None and spelled.value < 60:
            self.times.time(hour, spelled.value, self.times.half_near(index))
            return spelled.end + 2
        if self.at(spelled.end) in self._words.fractions and spelled.value < 10:
            return self._fraction(index, spelled.value, spelled.end)
        end, value = self._and_a_half(spelled.end, value)
        return self.number(value, end, begin=index, level=self._level(index, end, spelled.value))

    def _and_a_half(self, index: int, value: str) -> tuple[int, str]:
        if self.at(index) == "and" and self.at(index + 1) == "a" and self.at(index + 2) == "half":
            return index + 3, _plus_half(value)
        if self.at(index) == "point" and (decimals := self._decimals(index + 1)):
            return index + 1 + len(decimals), f"{value}.{decimals}"
        return index, value

    def _decimals(self, index: int) -> str:
        digits = ""
        while 0 <= (digit := self._words.values.get(self.at(index + len(digits)), -1)) <= 9:
            digits += str(digit)
        return digits

    def _fraction(self, index: int, count: int, end: int) -> int:
        share = Decimal(self._words.fractions[self.at(end)]) * count
        level = Level.DESCRIPTIVE if self.at(end) == "half" else Level.REQUIRED
        after = end + 1
        while self.at(after) in ("of", "a", "an"):
            after += 1
        return self.number(plain_number(share.quantize(Decimal("0.001"))), after, begin=index, level=level)

    def _spelled_ordinal(self, index: int, value: int, end: int) -> int:
        if self.at(index) == "second" and not self._is_place(index):
            return index
        level = Level.MUTE if value == 1 else Level.REQUIRED
        return self.ordinal(str(value), begin=index, after=end, level=level)

    def _is_place(self, index: int) -> bool:
        """Whether "second" is the one after the first, not a sixtieth of a minute."""
        before, following = self.at(index - 1), self.at(index + 1)
        if following in self._words.numbered:
            return True
        return before in _ORDINAL_LEADS and following not in self._words.stop and (bool(following) or before == "the")

    def _level(self, index: int, end: int, value: int) -> Level:
        before, following = self.at(index - 1), self.at(end)
        if self._atoms[index] in self._words.decisive:
            return Level.REQUIRED
        if value == 1 and end == index + 1:
            counts = following.isalpha() and following not in self._words.stop
            return Level.SINGLE if counts and before not in self._words.stop_before_one else Level.MUTE
        return Level.DESCRIPTIVE if value <= _MOST_DESCRIPTIVE and before in _DETERMINERS else Level.REQUIRED


def _plus_half(value: str) -> str:
    return plain_number(Decimal(value) + Decimal("0.5"))
