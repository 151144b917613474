"""The words that count, measure and date, read from quantities.toml, and numbers composed of them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any, NamedTuple


class Spelled(NamedTuple):
    """A number in words, and the place behind it."""

    value: int
    end: int
    is_ordinal: bool


@dataclass(frozen=True)
class QuantityWords:
    """Single words by what they are, folded."""

    values: Mapping[str, int]
    scales: Mapping[str, int]
    suffixes: Mapping[str, int]  # "k" in "5k"
    ordinals: Mapping[str, int]
    fractions: Mapping[str, str]
    romans: Mapping[str, int]
    roman_leads: frozenset[str]  # words after which a roman numeral is one: "chapter"
    implied: Mapping[str, tuple[str, str]]  # "daily" may match "24 hours"
    decisive: frozenset[str]  # never left out: "twice"
    numbered: frozenset[str]  # what "second" counts: "edition"
    stop_before_one: frozenset[str]
    idioms: Mapping[str, tuple[tuple[str, ...], ...]]  # by first word
    units: Mapping[str, str]  # every spelling
    standalone: frozenset[str]  # spellings that are units wherever they stand
    attached: Mapping[str, str]  # units only where they touch the number
    currencies: frozenset[str]
    rates: Mapping[str, str]
    sizes: Mapping[str, tuple[str, Decimal]]  # unit to its dimension and how many of the smallest it holds
    alike: Mapping[str, frozenset[str]]  # units that a vague one may mean
    months: Mapping[str, int]
    ambiguous_months: frozenset[str]
    stop: frozenset[str]
    starts: frozenset[str]  # words with which something to be read may begin

    @classmethod
    def read(cls, stop: frozenset[str]) -> QuantityWords:
        """Those that ship with the package."""
        data = tomllib.loads(files("semcache.decision").joinpath("quantities.toml").read_text("utf-8"))
        numbers, units, dates = data["numbers"], data["units"], data["dates"]
        idioms: dict[str, list[tuple[str, ...]]] = {}
        for idiom in numbers["words"]["idioms"]:
            idioms.setdefault(idiom.split()[0], []).append(tuple(idiom.split()))
        named = [numbers[kind] for kind in ("values", "scales", "ordinals", "romans", "implied")]
        return cls(
            values=numbers["values"],
            scales=numbers["scales"],
            suffixes=numbers["suffixes"],
            ordinals=numbers["ordinals"],
            fractions=numbers["fractions"],
            romans=numbers["romans"],
            roman_leads=frozenset(numbers["roman_leads"]),
            implied={word: (value, unit) for word, (value, unit) in numbers["implied"].items()},
            decisive=frozenset(numbers["words"]["decisive"]),
            numbered=frozenset(numbers["words"]["numbered"]),
            stop_before_one=frozenset(numbers["words"]["stop_before_one"]),
            idioms={first: tuple(listed) for first, listed in idioms.items()},
            units=_by_spelling(units["standalone"], units["after_number"]),
            standalone=frozenset(_by_spelling(units["standalone"])),
            attached=_by_spelling(units["attached"]),
            currencies=frozenset(spelling for name in units["currencies"] for spelling in units["standalone"][name]),
            rates=units["rates"],
            sizes=_sizes(units["sizes"]),
            alike={name: frozenset(listed) for name, listed in units["alike"].items()},
            months=dates["months"],
            ambiguous_months=frozenset(dates["ambiguous_months"]),
            stop=stop,
            starts=frozenset(["a", "an", "per", "half", "quarter", "noon", "midnight"]).union(
                *named, dates["months"], idioms
            ),
        )

    def is_span(self, unit: str) -> bool:
        """Whether a unit is one of time: people ask for hours and mean days."""
        return unit == "night" or self.sizes.get(unit, ("",))[0] in ("time", "calendar")

    def idiom_at(self, atoms: Sequence[str], index: int) -> int:
        """How many words of an idiom stand here whose numbers count nothing; 0 for none."""
        listed = self.idioms.get(atoms[index], ())
        fitting = [len(idiom) for idiom in listed if tuple(atoms[index : index + len(idiom)]) == idiom]
        return max(fitting, default=0)

    def spelled(self, atoms: Sequence[str], index: int) -> Spelled | None:
        """The longest number in words that begins here."""
        total, current, place = 0, -1, index
        while place < len(atoms):
            atom = atoms[place]
            if (scale := self.scales.get(atom)) is not None:
                total, current = _scaled(total, current, scale)
            elif current >= 0 and atom in self.decisive:
                break
            elif (value := self.values.get(atom, self.ordinals.get(atom))) is not None and _joins(current, value):
                current = _joined(current, value)
                if atom in self.ordinals:
                    return Spelled(total + current, place + 1, is_ordinal=True)
            elif not (atom == "and" and place > index and self._goes_on(atoms, place)):
                break
            place += 1
        return Spelled(total + max(current, 0), place, is_ordinal=False) if place > index else None

    def _goes_on(self, atoms: Sequence[str], place: int) -> bool:
        """Whether an "and" joins parts of one number: "two hundred and five"."""
        following = atoms[place + 1] if place + 1 < len(atoms) else ""
        return atoms[place - 1] in self.scales and following in self.values and following not in self.decisive


def _scaled(total: int, current: int, scale: int) -> tuple[int, int]:
    if scale < 1000:  # a hundred, a dozen
        return total, (current if current > 0 else 1) * scale
    return min(total + (current if current > 0 else 1) * scale, 10**30), 0


def _joins(current: int, value: int) -> bool:
    """Whether a number may follow in the same one: "twenty" "one", "hundred" "twelve", "nineteen" "sixty"."""
    if current < 1:
        return True
    tens = current % 100
    return (tens == 0 and value < 100) or (tens >= 20 and tens % 10 == 0 and 0 < value < 10) or _is_year(current, value)


def _joined(current: int, value: int) -> int:
    return current * 100 + value if _is_year(current, value) else max(current, 0) + value


def _is_year(current: int, value: int) -> bool:
    return current in (19, 20) and 10 <= value < 100


def _by_spelling(*tables: Mapping[str, Sequence[str]]) -> dict[str, str]:
    return {spelling: name for table in tables for name, spellings in table.items() for spelling in spellings}


def _sizes(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, Decimal]]:
    return {
        unit: (dimension, Decimal(str(size))) for dimension, table in tables.items() for unit, size in table.items()
    }
