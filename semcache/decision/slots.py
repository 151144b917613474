"""The values a text names: numbers with their units, ids, dates, versions, quoted strings, code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from semcache.decision.lexicon import Lexicon, plain_number
from semcache.decision.words import Words

_LONGEST_CHUNK = 200  # a longer run without a space is code, whatever it holds
_MOST_SCALES = 2  # "hundred thousand"
_EDGES = ".,;:!?()[]{}<>\"'\u201c\u201d\u2018\u2019«»…*"
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")
_WITH_UNIT = re.compile(r"([-+]?\d[\d,]*(?:\.\d+)?)-?([^\W\d_]+|%|°[cf]?)")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_VERSION = re.compile(r"v?(\d+(?:\.\d+){2,}|(?<=v)\d+(?:\.\d+)*)(?:-?(?:alpha|beta|rc)[\d.]*)?")
_ISO_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_SLASH_DATE = re.compile(r"(\d{1,2})[/.](\d{1,2})[/.](\d{2}|\d{4})")
_CLOCK = re.compile(r"(\d{1,2})(?::(\d{2}))?(?::\d{2})?(am|pm)?")
_RANGE = re.compile(r"(\d[\d.,]*)[-\u2013/](\d[\d.,]*)(%?)")
_SUM = re.compile(r"[(]*\d[\d.,]*[)]*(?:[-+*/^\u00d7÷=<>]+[(]*\d[\d.,]*[)]*)+")
_CAMEL = re.compile(r"[a-z]{2,}[A-Z][A-Za-z]+")
_COMPOUND = re.compile(r"(\d+)-[^\W\d_]+")
_QUOTED = re.compile(r"\"([^\"]{1,500})\"|“([^”]{1,500})”|«([^»]{1,500})»|(?:(?<=\s)|^)'([^']{1,500})'(?=[\s.,;:!?]|$)")
_BACKTICKED = re.compile(r"`([^`]{1,2000})`")
_CURRENCY = "$£€¥₹"


@dataclass(slots=True)
class Slots:
    """Values in the order found. `measures` are numbers with the unit that stands beside them."""

    numbers: list[str] = field(default_factory=list)
    measures: list[tuple[str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)


def slots_of(text: str, words: Words, lexicon: Lexicon) -> Slots:
    """Read the values of a text that is already `normal`. Linear in its length."""
    slots = Slots()
    chunks = text.split()
    for index, chunk in enumerate(chunks):
        if not chunk.isalpha():
            following = chunks[index + 1].strip(_EDGES).casefold() if index + 1 < len(chunks) else ""
            _read_chunk(chunk, following, slots, lexicon)
    _read_number_words(words, slots, lexicon)
    _read_months(words, slots, lexicon)
    if any(mark in text for mark in "\"'“«"):
        found = (next(filter(None, match.groups()), "") for match in _QUOTED.finditer(text.replace('""', '"')))
        slots.quoted.extend(_spaced(quotation) for quotation in found)
    if "`" in text:
        slots.code.extend(_spaced(match.group(1)) for match in _BACKTICKED.finditer(text))
    return slots


def _spaced(text: str) -> str:
    return " ".join(text.casefold().split()).strip(_EDGES)


def _read_chunk(chunk: str, following: str, slots: Slots, lexicon: Lexicon) -> None:
    if len(chunk) > _LONGEST_CHUNK:
        slots.code.append(chunk.casefold())
        return
    core = chunk.strip(_EDGES)
    if not core:
        return
    if _is_code(core, chunk):
        slots.code.append(core.casefold())
    elif any(character.isdigit() for character in core):
        _read_digits(core.casefold(), following, slots, lexicon)


def _is_code(core: str, chunk: str) -> bool:
    """URLs, e-mail addresses, paths, flags, calls and names written as programs write them."""
    if "://" in core or (core.startswith(("www.", "--", "~/", "./", "/", "\\")) and len(core) > 2):
        return True
    if "@" in core or (core.count("/") >= 2 and "." in core and not core[0].isdigit()) or "\\" in core:
        return True
    if "_" in core or "::" in core or "->" in core or "()" in chunk:
        return True
    dotted = core.partition(".")
    if dotted[0] and dotted[2] and not core[0].isdigit() and dotted[2][0].islower() and len(core) > 4:
        return True
    return (core.endswith(("++", "#")) and len(core) > 1) or _CAMEL.fullmatch(core) is not None


def _read_digits(core: str, following: str, slots: Slots, lexicon: Lexicon) -> None:
    for read in (_as_money, _as_number, _as_date, _as_measure, _as_version, _as_range, _as_sum):
        if read(core, following, slots, lexicon):
            return
    if match := _COMPOUND.fullmatch(core):
        slots.numbers.append(match.group(1))
        return
    bare = core.lstrip("#").replace("-", "")
    if bare.isdigit():
        slots.numbers.append(bare)
    else:
        slots.ids.append(bare)


def _as_money(core: str, following: str, slots: Slots, lexicon: Lexicon) -> bool:
    if core[0] not in _CURRENCY and core[-1] not in _CURRENCY:
        return False
    unit = lexicon.units[core[0] if core[0] in _CURRENCY else core[-1]]
    scale = lexicon.number_scales.get(following, 1)
    rest = core.strip(_CURRENCY)
    match = _WITH_UNIT.fullmatch(rest)
    if match is not None and (factor := _factor(match.group(2), lexicon)) is not None:
        rest, scale = match.group(1), factor
    return _NUMBER.fullmatch(rest) is not None and _number(rest, slots, unit=unit, scale=scale)


def _as_number(core: str, following: str, slots: Slots, lexicon: Lexicon) -> bool:
    bare = core.lstrip("#")
    if _NUMBER.fullmatch(bare) is None:
        return False
    if following in ("am", "pm"):
        slots.dates.append(_clock(int(bare.split(".")[0].strip("+-,").replace(",", "") or 0), 0, following))
        return True
    scale = lexicon.number_scales.get(following, 1)
    return _number(bare, slots, unit=lexicon.units.get(following, ""), scale=scale)


def _as_date(core: str, following: str, slots: Slots, lexicon: Lexicon) -> bool:
    if match := _ORDINAL.fullmatch(core):
        slots.numbers.append(plain_number(Decimal(match.group(1))))
        return True
    if match := _ISO_DATE.fullmatch(core):
        slots.dates.append(_calendar(*(int(part) for part in match.groups())))
        return True
    if match := _SLASH_DATE.fullmatch(core):
        first, second, year = (int(part) for part in match.groups())
        known = _calendar(year, second, first) if first > 12 >= second else ""
        known = known or (_calendar(year, first, second) if second > 12 >= first else "")
        slots.dates.append(known or core)
        return True
    match = _CLOCK.fullmatch(core)
    if match is None or not (match.group(2) or match.group(3)):
        return False
    slots.dates.append(_clock(int(match.group(1)), int(match.group(2) or 0), match.group(3) or following))
    return True


def _as_measure(core: str, following: str, slots: Slots, lexicon: Lexicon) -> bool:
    match = _WITH_UNIT.fullmatch(core)
    if match is None:
        return False
    number, suffix = match.groups()
    if suffix in lexicon.units:
        return _number(number, slots, unit=lexicon.units[suffix])
    factor = _factor(suffix, lexicon)
    return factor is not None and _number(number, slots, unit=lexicon.units.get(following, ""), scale=factor)


def _as_version(core: str, following: str, slots: Slots, lexicon: Lexicon) -> bool:
    match = _VERSION.fullmatch(core)
    if match is not None:
        slots.versions.append(core.lstrip("v"))
    return match is not None


def _as_range(core: str, following: str, slots: Slots, lexicon: Lexicon) -> bool:
    """Two numbers that rise, as in "3-5 days"; others are a subtraction."""
    match = _RANGE.fullmatch(core)
    if match is None:
        return False
    low, high, percent = (part.rstrip(".,") for part in match.groups())
    if not (_NUMBER.fullmatch(low) and _NUMBER.fullmatch(high)) or _value(low) > _value(high):
        return False
    unit = lexicon.units.get(percent or following, "")
    return _number(low, slots, unit=unit) and _number(high, slots, unit=unit)


def _as_sum(core: str, following: str, slots: Slots, lexicon: Lexicon) -> bool:
    if _SUM.fullmatch(core) is None:
        return False
    slots.code.append(core)
    return True


def _factor(suffix: str, lexicon: Lexicon) -> int | None:
    return lexicon.number_suffixes.get(suffix) or lexicon.number_scales.get(suffix)


def _number(digits: str, slots: Slots, *, unit: str = "", scale: int = 1) -> bool:
    number = digits.replace(",", "").lstrip("+")
    if scale != 1:
        number = plain_number(Decimal(number) * scale)
    elif number.endswith("0") and set(number.rpartition(".")[2]) == {"0"} and "." in number:
        number = number.partition(".")[0]  # 5.00 is 5, but 3.10 is not 3.1: it may be a version
    slots.numbers.append(number)
    if unit:
        slots.measures.append((number, unit))
    return True


def _value(digits: str) -> Decimal:
    return Decimal(digits.replace(",", ""))


def _calendar(year: int, month: int, day: int) -> str:
    try:
        return date(year + 2000 if year < 100 else year, month, day).isoformat()
    except ValueError:
        return f"{year}/{month}/{day}"


def _clock(hour: int, minute: int, half: str) -> str:
    if half == "pm" and hour < 12:
        hour += 12
    return f"{0 if half == 'am' and hour == 12 else hour}:{minute:02}"


def _read_number_words(words: Words, slots: Slots, lexicon: Lexicon) -> None:
    """Numbers written as words: "twenty five", "two hundred", "a third" (only after an article)."""
    for _, end, value in _spelled(words.folded, lexicon):
        number = plain_number(Decimal(value))
        slots.numbers.append(number)
        following = words.folded[end] if end < len(words.folded) else ""
        if following in lexicon.units:
            slots.measures.append((number, lexicon.units[following]))
    for before, word in zip(words.folded, words.folded[1:], strict=False):
        if word in lexicon.ordinals and before in ("the", "my", "a"):
            slots.numbers.append(lexicon.ordinals[word])


def _spelled(folded: tuple[str, ...], lexicon: Lexicon) -> Iterator[tuple[int, int, int]]:
    index = 0
    while index < len(folded):
        start, value = index, 0
        while index < len(folded) and folded[index] in lexicon.number_values:
            value += lexicon.number_values[folded[index]]
            index += 1
        led_by_digits = start > 0 and folded[start - 1].isdigit()
        last = min(index + _MOST_SCALES, len(folded))
        while index < last and folded[index] in lexicon.number_scales and not (led_by_digits and not value):
            value = max(value, 1) * lexicon.number_scales[folded[index]]
            index += 1
        if value:
            yield start, index, value
        index += index == start


def _read_months(words: Words, slots: Slots, lexicon: Lexicon) -> None:
    for index, word in enumerate(words.folded):
        month = lexicon.months.get(word)
        if month is not None and (word not in lexicon.ambiguous_months or _dated(words.folded, index)):
            slots.dates.append(f"month-{month}")


def _dated(folded: tuple[str, ...], index: int) -> bool:
    beside = folded[max(index - 1, 0) : index] + folded[index + 1 : index + 2]
    return any(word[0].isdigit() or word in ("in", "since", "until", "next", "last") for word in beside)
