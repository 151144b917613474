"""The clock times and dates of a text, in whichever spelling: "3pm", "15:00", "May 3rd '24"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from semcache.decision.lexicon_quantities import QuantityWords

_HALVES = {
    **dict.fromkeys(("am", "a.m", "morning"), "am"),
    **dict.fromkeys(("pm", "p.m", "afternoon", "evening", "tonight"), "pm"),
}
_HALF_REACH = 4  # words between an hour and "in the afternoon"
_CLOCK = re.compile(r"(\d{1,2})(?:([:h.])(\d{2}))?(?::\d{2})?(am|pm|a\.m|p\.m)?")
_PIVOT_YEAR = 50  # '69 is 1969, '24 is 2024
_BEFORE_MONTH = frozenset(("in", "since", "until", "next", "last", "by", "during"))


class Level(IntEnum):
    """What it says when the other text has no such number."""

    MUTE = 0  # nothing: "one of", "a cup", "first"
    SINGLE = 1  # "one ticket": something only beside another number that is left over
    DESCRIPTIVE = 2  # "my two tablets": something only beside any other number
    REQUIRED = 3


class Quantity(NamedTuple):
    """One number of a text."""

    value: str
    unit: str = ""
    bound: str = ""  # stem of the word that it counts
    before: str = ""
    level: Level = Level.REQUIRED


class Time(NamedTuple):
    """A time of day. `half` is empty where a text does not tell morning from afternoon."""

    minute: int  # within twelve hours
    half: str = ""


@dataclass(slots=True)
class Quantities:
    """What the text counts, measures and dates, in the order found."""

    found: list[Quantity] = field(default_factory=list)
    times: list[Time] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)  # "month-5", "day-3", "year-2024"


class TimeReader:
    """Reads times and dates from the atoms of a text into `read`."""

    def __init__(self, atoms: Sequence[str], words: QuantityWords) -> None:
        self._atoms = atoms
        self._words = words
        self.read = Quantities()

    def at(self, index: int) -> str:
        """The atom of this place; empty outside the text."""
        return self._atoms[index] if 0 <= index < len(self._atoms) else ""

    def clock(self, index: int) -> int:
        """A time in digits, "15:00" or "3pm" or "3 pm" or "3 o'clock"; returns the same place if this is none."""
        match = _CLOCK.fullmatch(self._atoms[index])
        if match is None or int(match.group(1)) > 24 or int(match.group(3) or 0) > 59:
            return index
        half, after, following = match.group(4) or "", index + 1, self.at(index + 1)
        if following in ("am", "pm", "a.m", "p.m"):
            half, after = following, index + 2
        elif following == "o'clock":
            after = index + 2
        elif not (half or match.group(2) in (":", "h") or self.is_hour(index)):
            return index
        self.time(int(match.group(1)), int(match.group(3) or 0), _HALVES.get(half, "") or self.half_near(index))
        return after

    def calendar(self, year: str, month: str, day: str) -> None:
        """Book a whole date, each part as a number and as a part of a date."""
        known = int(year) if len(year) > 2 else _full_year(int(year))
        self.read.dates += [f"month-{int(month)}", f"day-{int(day)}", f"year-{known}"]
        self.read.found += [Quantity(str(int(day))), Quantity(str(known))]

    def time(self, hour: int, minute: int, half: str) -> None:
        """Book a time of day once."""
        if hour in (0, 24):
            half = "am"
        elif hour > 12:
            half = "pm"
        time = Time((hour % 12) * 60 + minute, half)
        if time not in self.read.times:
            self.read.times.append(time)

    def month(self, index: int) -> int:
        """A month with the day and the year beside it."""
        atom, before, after = self._atoms[index], self.at(index - 1), self.at(index + 1)
        beside = (before, after)
        if atom in self._words.ambiguous_months and not any(
            near[:1].isdigit() or near in _BEFORE_MONTH for near in beside
        ):
            return index
        self.read.dates.append(f"month-{self._words.months[atom]}")
        self._day_before(index)
        after_day = self._day_after(index + 1)
        year = self.at(after_day).lstrip("'")
        if year.isdecimal() and len(year) in (2, 4) and (after_day > index + 1 or self._has_day(index)):
            return self._year(year, after_day)
        return after_day

    def _day_before(self, index: int) -> None:
        """The number read just before the month is its day."""
        if self._has_day(index):
            self.read.dates.append(f"day-{self.read.found[-1].value}")

    def _has_day(self, index: int) -> bool:
        place = index - 2 if self.at(index - 1) == "of" else index - 1
        spelled = self.at(place) in self._words.ordinals
        return bool(self.read.found) and (spelled or self.at(place)[:1].isdigit()) and _is_day(self.read.found[-1])

    def _day_after(self, index: int) -> int:
        place = index + 1 if self.at(index) == "the" else index
        digits = self.at(place)
        digits = digits[:-2] if digits[-2:] in ("st", "nd", "rd", "th") else digits
        if digits.isdecimal() and len(digits) <= 2 and 1 <= int(digits) <= 31:
            self.read.dates.append(f"day-{int(digits)}")
            self.read.found.append(Quantity(str(int(digits))))
            return place + 1
        return index

    def _year(self, year: str, index: int) -> int:
        known = int(year) if len(year) == 4 else _full_year(int(year))
        self.read.dates.append(f"year-{known}")
        self.read.found.append(Quantity(str(known)))
        return index + 1

    def is_hour(self, index: int) -> bool:
        """Whether "in the morning" or its like follows a bare number."""
        if self.at(index + 1) not in ("in", "this", "tomorrow", "at"):
            return False
        return any(self.at(place) in _HALVES for place in range(index + 2, index + 4))

    def half_near(self, index: int) -> str:
        """Morning or afternoon, where the words around a time tell it."""
        near = range(index - _HALF_REACH, index + _HALF_REACH + 1)
        return next((_HALVES[self.at(place)] for place in near if self.at(place) in _HALVES), "")


def _full_year(short: int) -> int:
    return short + (1900 if short > _PIVOT_YEAR else 2000)


def _is_day(quantity: Quantity) -> bool:
    return quantity.value.isdecimal() and len(quantity.value) <= 2 and 1 <= int(quantity.value) <= 31
