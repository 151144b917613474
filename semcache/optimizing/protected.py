"""What a shorter version of a prompt must still hold to the letter: placeholders, names, numbers, addresses, code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from semcache.strategies.compression.facts import identifiers_in

_PLACEHOLDER = re.compile(
    r"\{\{.{1,80}?\}\}|\$\{[^{}\n]{1,80}\}|(?<![{\w])\{[A-Za-z_][\w.:-]{0,60}\}|%\(\w+\)[sd]|%[sd]\b"
    r"|\[\[.{1,80}?\]\]|\[[A-Z][A-Z0-9_ ]{2,40}\]"
)
_TAG = re.compile(r"</?([A-Za-z][\w:.-]*)(?:\s[^<>]*)?/?>")
_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"')\]]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_QUOTED = re.compile(r"\"([^\"\n]{2,200})\"|\u201c([^\u201d\n]{2,200})\u201d")
_FENCED = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n(.*?)^[ \t]*\1", re.MULTILINE | re.DOTALL)
_ID = re.compile(r"\b(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])[A-Z0-9]+(?:-[A-Z0-9]+)*\b")
_LIST_NUMBER = re.compile(r"^[ \t]*(?:step )?\(?\d{1,2}[.):](?=\s)", re.MULTILINE | re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.-])\d+(?:[.,]\d+)*")
_UP_TO_TWELVE = "zero one two three four five six seven eight nine ten eleven twelve"
_WORDS = {word: str(number) for number, word in enumerate(_UP_TO_TWELVE.split(" "))} | {
    "fifteen": "15",
    "twenty": "20",
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "hundred": "100",
}
_WORD = re.compile(rf"\b(?:{'|'.join(_WORDS)})\b", re.IGNORECASE)


def missing_in(version: str, original: str, *, names: Iterable[str] = ()) -> Mapping[str, tuple[str, ...]]:
    """What the version lacks, by kind; `names` are those of tools, which count where the original speaks of them."""
    spoken = [name for name in names if _holds(original, name)]
    wanted = {**_literals(original), "tool": spoken}
    lacking = {kind: tuple(each for each in found if not _holds(version, each)) for kind, found in wanted.items()}
    lacking["number"] = tuple(sorted(numbers_in(original, spelled=False) - numbers_in(version)))
    lacking["code"] = tuple(code for code in _code(original) if code not in flat(version))
    return {kind: found for kind, found in lacking.items() if found}


def numbers_in(text: str, *, spelled: bool = True) -> frozenset[str]:
    """Without those of list items; `spelled`: as words too."""
    plain = _LIST_NUMBER.sub(" ", text)
    found = {_plain_number(each) for each in _NUMBER.findall(plain)}
    if spelled:
        found |= {_WORDS[each.casefold()] for each in _WORD.findall(plain)}
    return frozenset(found)


def _literals(text: str) -> dict[str, list[str]]:
    quoted = [first or second for first, second in _QUOTED.findall(text)]
    return {
        "placeholder": _once(_PLACEHOLDER.findall(text)),
        "tag": _once(match.group() for match in _TAG.finditer(text) if not match.group().startswith("</")),
        "address": _once(each.rstrip(".,;:!?") for each in _URL.findall(text)),
        "quotation": _once(each.strip().rstrip(".,") for each in quoted),
        "identifier": sorted(identifiers_in(text)),
        "id": _once(_ID.findall(text)),
    }


def _code(text: str) -> list[str]:
    return _once(flat(match[2]) for match in _FENCED.finditer(text) if match[2].strip())


def _holds(text: str, literal: str) -> bool:
    return flat(literal) in flat(text)


def flat(text: str) -> str:
    """On one line, with one space between words."""
    return " ".join(text.split())


def _plain_number(number: str) -> str:
    return re.sub(r",(?=\d{3})", "", number)


def _once(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))
