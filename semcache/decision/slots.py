"""The values a text names: numbers with their units, times, dates, ids, versions, quoted strings, code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from semcache.decision.lexicon import Lexicon, plain_number
from semcache.decision.lexicon_quantities import QuantityWords
from semcache.decision.slots_quantities import QuantityReader
from semcache.decision.slots_times import Quantities, Quantity, Time

_LONGEST_CHUNK = 200  # a longer run without a space is code, whatever it holds
_LONGEST_SHORT_UNIT = 4  # "km/h"
_EDGES = ".,;:!?()[]{}<>\"'\u201c\u201d\u2018\u2019«»…*"
_BREAKS = frozenset(".;:!?)")
_WORD = re.compile(r"o'clock|[^\W\d_]+")
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
_WITH_UNIT = re.compile(r"([-+]?\d[\d,]*(?:\.\d+)?)-?([^\W\d_]+|%|°[cf]?|\")(?:-olds?)?")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)(?:-([^\W\d_]+))?")
_VERSION = re.compile(r"v?(\d+(?:\.\d+){2,}|(?<=v)\d+(?:\.\d+)*)(?:-?(?:alpha|beta|rc)[\d.]*)?")
_ISO_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_SLASH_DATE = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{2}|\d{4})")
_RANGE = re.compile(r"(\d[\d.,]*)[-\u2013/](\d[\d.,]*)(%?)")
_FRACTION = re.compile(r"([1-9])/([2-9]|10)")
_SUM = re.compile(r"[(]*\d[\d.,]*[)]*(?:[-+*/^\u00d7÷=<>]+[(]*\d[\d.,]*[)]*)+")
_CAMEL = re.compile(r"[a-z]{2,}[A-Z][A-Za-z]+")
_COMPOUND = re.compile(r"(\d+)-([^\W\d_]+)")
_QUARTER = re.compile(r"q([1-4])")
_SHORT_YEAR = re.compile(r"'(\d\d)")
_PER = re.compile(r"([$£€¥₹]?\d[\d.,]*[^\W\d_]{0,3})/([^\W\d_]+)")
_AFFIXED = re.compile(
    r"(?=.*[^\d])(?:[~<>=≈≤≥]+|((?:no|nr|art|sec|ch|p|pp|vol|fig)\.|rs\.?|inr|usd|eur|gbp|cad|aud|chf))?(\d[\d.,]*)(?:'s|\+)?"
)  # "~5", "18+", "no.5", "usd20", "1990's"
_QUOTED = re.compile(r"\"([^\"]{1,500})\"|“([^”]{1,500})”|«([^»]{1,500})»|(?:(?<=\s)|^)'([^']{1,500})'(?=[\s.,;:!?]|$)")
_BACKTICKED = re.compile(r"`([^`]{1,2000})`")
_MONEY = {"m": 1_000_000, "b": 1_000_000_000}
_CURRENCY = "$£€¥₹"
_VERSION_NAMES = frozenset(["v", "ver", "version", "versions", "release"])


@dataclass(slots=True)
class Slots:
    """Values in the order found."""

    quantities: list[Quantity] = field(default_factory=list)
    times: list[Time] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)

    @property
    def numbers(self) -> list[str]:
        """The bare numbers that the text means to say."""
        return [quantity.value for quantity in self.quantities if quantity.level]


def slots_of(text: str, lexicon: Lexicon) -> Slots:
    """Read the values of a text that is already `normal`. Linear in its length."""
    slots = Slots()
    atoms = list(_atoms(text, slots))
    read = _SlotReader(atoms, slots, lexicon.quantities).read()
    slots.quantities, slots.times, slots.dates = read.found, read.times, read.dates
    if any(mark in text for mark in "\"'“«"):
        found = (next(filter(None, match.groups()), "") for match in _QUOTED.finditer(text.replace('""', '"')))
        slots.quoted.extend(_spaced(quotation) for quotation in found)
    if "`" in text:
        slots.code.extend(_spaced(match.group(1)) for match in _BACKTICKED.finditer(text))
    return slots


def _spaced(text: str) -> str:
    return " ".join(text.casefold().split()).strip(_EDGES)


def _atoms(text: str, slots: Slots) -> Iterator[str]:
    """Folded words, chunks with digits whole, symbols; "" after a chunk that ends a sentence. Code goes to `slots`."""
    for chunk in text.split():
        if chunk.isalpha():
            yield chunk.casefold()
            continue
        core = chunk.strip(_EDGES) if len(chunk) <= _LONGEST_CHUNK else chunk
        if len(chunk) > _LONGEST_CHUNK or (core and _is_code(core, chunk)):
            slots.code.append(core.casefold())
        elif core:
            yield from _parts(core.casefold(), chunk)
        if chunk[-1] in _BREAKS:
            yield ""


def _parts(core: str, chunk: str) -> Iterator[str]:
    if not any(character.isdigit() for character in core):
        left, slash, right = core.partition("/")
        if slash and len(left) <= _LONGEST_SHORT_UNIT and left.isalpha() and right.isalpha():
            yield from (left, "per", right)
        else:
            yield from _WORD.findall(core) or [core]
    elif match := _PER.fullmatch(core):
        yield from (match.group(1), "per", match.group(2))
    elif _SHORT_YEAR.match(chunk.replace("\u2018", "'")) and len(core) == 2:
        yield f"'{core}"
    elif match := _AFFIXED.fullmatch(core):
        yield from (part.rstrip(".") for part in match.groups() if part)
    elif chunk[:1] == "-" and core[:1].isdigit():
        yield f"-{core}"
    else:
        yield core


def _is_code(core: str, chunk: str) -> bool:
    """URLs, e-mail addresses, paths, flags, calls and names written as programs write them."""
    if "://" in core or (core.startswith(("www.", "--", "~/", "./", "/", "\\")) and len(core) > 2):
        return True
    if "@" in core or (core.count("/") >= 2 and "." in core and not core[0].isdigit()) or "\\" in core:
        return True
    if "_" in core or "::" in core or "->" in core[1:-1] or "()" in chunk:
        return True
    dotted = core.partition(".")
    if dotted[0] and dotted[2] and not core[0].isdigit() and dotted[2][0].islower() and len(core) > 4:
        return True
    return (core.endswith(("++", "#")) and len(core) > 1) or _CAMEL.fullmatch(core) is not None


class _SlotReader:
    """Reads atoms with digits itself, and leaves those in words to a `QuantityReader`."""

    def __init__(self, atoms: list[str], slots: Slots, words: QuantityWords) -> None:
        self._atoms = atoms
        self._slots = slots
        self._words = words
        self._reader = QuantityReader(atoms, words)
        self._forms = (self._as_money, self._as_number, self._as_date, self._as_measure, self._as_version,
                       self._as_range, self._as_part)  # fmt: skip

    def read(self) -> Quantities:
        index, starts = 0, self._words.starts
        while index < len(self._atoms):
            atom = self._atoms[index]
            if atom in starts and (after := self._reader.word(index)) > index:
                index = after
            elif atom.isalpha() or not any(character.isdigit() for character in atom):
                index += 1
            else:
                index = self._digits(atom, index)
        return self._reader.times.read

    def _digits(self, atom: str, index: int) -> int:
        for form in self._forms:
            if (after := form(atom, index)) > index:
                return after
        bare = atom.lstrip("#").replace("-", "")
        if bare.isdigit():
            return self._reader.number(bare, index + 1, begin=index)
        self._slots.ids.append(bare)
        return index + 1

    def _as_money(self, atom: str, index: int) -> int:
        rest = atom.removeprefix("us").removeprefix("-")
        if rest[:1] not in _CURRENCY and rest[-1:] not in _CURRENCY:
            return index
        unit = self._words.units[rest[0] if rest[0] in _CURRENCY else rest[-1]]
        rest = rest.strip(_CURRENCY)
        scale, after = self._scale(index + 1)
        match = _WITH_UNIT.fullmatch(rest)
        if match is not None and (factor := _MONEY.get(match.group(2)) or self._factor(match.group(2))):
            rest, scale = match.group(1), factor
        if _NUMBER.fullmatch(rest) is None:
            return index
        return self._reader.number(_value(rest, scale), after, begin=index, unit=unit)

    def _as_number(self, atom: str, index: int) -> int:
        bare = atom.lstrip("#")
        if _NUMBER.fullmatch(bare) is None:
            return index
        if (after := self._reader.times.clock(index)) > index:
            return after
        before = self._atoms[index - 1] if index else ""
        if before in _VERSION_NAMES:
            self._slots.versions.append(bare)
        scale, after = self._scale(index + 1)
        value = _value(bare, scale)
        if (match := _FRACTION.fullmatch(self._reader.at(index + 1))) and bare.isdecimal():
            value, after = plain_number(Decimal(bare) + Decimal(match.group(1)) / Decimal(match.group(2))), index + 2
        return self._reader.number(value, after, begin=index)

    def _as_date(self, atom: str, index: int) -> int:
        if match := _SHORT_YEAR.fullmatch(atom):
            return self._reader.number(f"20{match.group(1)}" if match.group(1) < "50" else f"19{match.group(1)}",
                                       index + 1, begin=index)  # fmt: skip
        if match := _ORDINAL.fullmatch(atom):
            return self._reader.ordinal(plain_number(Decimal(match.group(1))), begin=index, after=index + 1)
        if match := _ISO_DATE.fullmatch(atom):
            self._reader.times.calendar(*match.groups())
            return index + 1
        if match := _SLASH_DATE.fullmatch(atom):
            self._slash_date(atom, *match.groups())
            return index + 1
        return self._reader.times.clock(index)

    def _slash_date(self, atom: str, first: str, second: str, year: str) -> None:
        """A date whose order of day and month shows; else its digits are all we know."""
        if int(first) > 12 >= int(second):
            first, second = second, first
        elif not int(second) > 12 >= int(first):
            self._reader.times.read.dates.append(atom)
            self._reader.times.read.found.append(Quantity(atom))
            return
        self._reader.times.calendar(year, first, second)

    def _as_measure(self, atom: str, index: int) -> int:
        match = _WITH_UNIT.fullmatch(atom)
        if match is None:
            return index
        number, suffix = match.groups()
        unit = self._words.attached.get(suffix) or self._words.units.get(suffix)
        if unit:
            return self._reader.number(_value(number, 1), index + 1, begin=index, unit=unit)
        factor = self._factor(suffix)
        if factor is None:
            return index
        return self._reader.number(_value(number, factor), index + 1, begin=index)

    def _as_version(self, atom: str, index: int) -> int:
        if _VERSION.fullmatch(atom) is None:
            return index
        bare = atom.lstrip("v")
        self._slots.versions.append(bare)
        return self._reader.number(bare, index + 1, begin=index)

    def _as_range(self, atom: str, index: int) -> int:
        """A fraction, or two numbers that rise, as in "3-5 days"; others are a subtraction."""
        if (match := _FRACTION.fullmatch(atom)) and match.group(1) < match.group(2):
            share = (Decimal(match.group(1)) / Decimal(match.group(2))).quantize(Decimal("0.001"))
            return self._reader.number(plain_number(share), index + 1, begin=index)
        match = _RANGE.fullmatch(atom)
        if match is None:
            return index
        low, high, percent = (part.rstrip(".,") for part in match.groups())
        if not (_NUMBER.fullmatch(low) and _NUMBER.fullmatch(high)) or _plain(low) > _plain(high):
            return index
        unit, _ = ("percent", 0) if percent else self._reader.unit_at(index + 1)
        self._reader.number(_value(low, 1), index + 1, begin=index, unit=unit)
        return self._reader.number(_value(high, 1), index + 1, begin=index, unit=unit)

    def _as_part(self, atom: str, index: int) -> int:
        """A sum, a quarter of a year, or what a number is joined to: "3-bedroom"."""
        if _SUM.fullmatch(atom):
            self._slots.code.append(atom)
            return index + 1
        if match := _QUARTER.fullmatch(atom):
            return self._reader.number(match.group(1), index + 1, begin=index)
        if match := _COMPOUND.fullmatch(atom):
            return self._reader.number(match.group(1), index + 1, begin=index)
        return index

    def _scale(self, index: int) -> tuple[int, int]:
        factor = self._words.scales.get(self._atoms[index]) if index < len(self._atoms) else None
        return (1, index) if factor is None else (factor, index + 1)

    def _factor(self, suffix: str) -> int | None:
        return self._words.suffixes.get(suffix) or self._words.scales.get(suffix)


def _value(digits: str, scale: int) -> str:
    number = digits.replace(",", "").lstrip("+")
    if scale != 1:
        return plain_number(Decimal(number) * scale)
    if "." in number and set(number.rpartition(".")[2]) == {"0"}:
        return number.partition(".")[0]  # 5.00 is 5, but 3.10 is not 3.1: it may be a version
    return number


def _plain(digits: str) -> Decimal:
    return Decimal(digits.replace(",", ""))
