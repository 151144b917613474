"""Seams: up to where texts that begin alike are the same in many requests, and vary behind."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

from semcache.canonical import digest
from semcache.journal import Journalled, operation
from semcache.request import Request
from semcache.strategies.breakpoints.parting import Parting, Text, safe_cut, texts_of
from semcache.strategies.prompt_names import name_before_thinking, name_of_prompt

DOCUMENT = "prompt-seams"
LEAST_BEFORE = 1_500  # characters: less is below every model's minimum
_LONGEST = 200_000  # looking for a place to part takes 0.2 s at this length
_ALIKE = 200  # characters at the beginning by which texts are taken for one family
_LATEST_OF_A_FAMILY, _MOST_CHARACTERS = 3, 8_000_000
_SEAMS_OF_A_FAMILY, _MOST_FAMILIES, _MOST_BEGUN = 4, 2_000, 20_000
_MOST_PARTINGS = 2  # of one request: each is priced
_NOT_WORTH_MOVING = 0.1  # of what stands before: a seam that moves pays a write


@dataclass(frozen=True, slots=True)
class _Seam:
    offset: int
    before: str  # digest of the text before it
    times: int = 1  # that two texts were found to part here


class Seams(Journalled):
    """Keeps the latest texts in memory only; of a seam a digest and a number are kept. Thread-safe and bounded."""

    def __init__(self) -> None:
        self._latest: OrderedDict[str, list[str]] = OrderedDict()
        self._characters = 0
        self._families: OrderedDict[str, tuple[_Seam, ...]] = OrderedDict()
        self._begun: OrderedDict[str, Parting] = OrderedDict()
        self._lock = Lock()

    def partings(self, request: Request) -> tuple[Parting, ...]:
        """Where this request's texts may be parted, those that were found oftenest first."""
        found = []
        for each in texts_of(request.body):
            if len(each.text) > LEAST_BEFORE:
                seams = self._matching(_family(request, each), each.text)
                found += [(seam.times, Parting(*each[:3], seam.offset)) for seam in seams]
        found.sort(key=lambda pair: -pair[0])
        return tuple(parting for _, parting in found[:_MOST_PARTINGS])

    def note(self, request: Request) -> None:
        """Compare the texts with the latest that begin alike."""
        for each in texts_of(request.body):
            if LEAST_BEFORE < len(each.text) <= _LONGEST:
                self._compare(_family(request, each), each.text)

    def note_begun(self, request: Request, parting: Parting) -> None:
        """An answer with thinking came to this request, parted so: it is bound to that, and so is what follows."""
        self._note_begun(name_before_thinking(request) or name_of_prompt(request), parting)

    def is_bound(self, request: Request) -> tuple[bool, Parting | None]:
        """Whether thinking is sent back, which binds the prompt to how it was sent; and where it was parted then."""
        name = name_before_thinking(request)
        with self._lock:
            return name is not None, self._begun.get(name) if name is not None else None

    @property
    def is_empty(self) -> bool:
        return not self._families and not self._begun

    def to_bytes(self) -> bytes:
        with self._lock:
            families = [[name, [list(_row(each)) for each in seams]] for name, seams in self._families.items()]
            begun = [[name, p.section, p.outer, p.inner, p.offset] for name, p in self._begun.items()]
        return json.dumps([families, begun]).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        families, begun = json.loads(content)
        read = OrderedDict(
            (str(name), tuple(_Seam(int(offset), str(before), int(times)) for offset, before, times in seams))
            for name, seams in families
        )
        bound = OrderedDict((str(name), _parting(row)) for name, *row in begun)
        with self._lock:
            self._families, self._begun = read, bound

    def _compare(self, family: str, text: str) -> None:
        before = self._replaced(family, text)
        if text in before:
            return
        known = self._matching(family, text)
        for other in before:
            alike = _common(other, text)
            near = (seam.offset for seam in known if 0 <= alike - seam.offset <= _NOT_WORTH_MOVING * alike)
            at = next(near, None)
            if at is None and alike >= LEAST_BEFORE:
                at = safe_cut(text, alike)
            if at is not None and at >= LEAST_BEFORE and text[at:].strip():
                self._note_seam(family, at, _digest(text, at))

    def _matching(self, family: str, text: str) -> list[_Seam]:
        with self._lock:
            seams = self._families.get(family, ())
        return [
            seam
            for seam in seams
            if seam.offset <= len(text) and _digest(text, seam.offset) == seam.before and text[seam.offset :].strip()
        ]

    def _replaced(self, family: str, text: str) -> list[str]:
        """The latest texts of the family, of which this is one from now on."""
        with self._lock:
            before = self._latest.pop(family, [])
            now = [text, *(each for each in before if each != text)][:_LATEST_OF_A_FAMILY]
            self._latest[family] = now
            self._characters += _size(now) - _size(before)
            while self._characters > _MOST_CHARACTERS:
                self._characters -= _size(self._latest.popitem(last=False)[1])
        return before

    @operation
    def _note_seam(self, family: str, offset: int, before: str) -> None:
        with self._lock:
            seams = self._families.pop(family, ())
            same = next((seam for seam in seams if (seam.offset, seam.before) == (offset, before)), None)
            others = [seam for seam in seams if seam is not same]
            if len(others) == _SEAMS_OF_A_FAMILY:
                others.remove(min(others, key=lambda seam: seam.times))
            now = _Seam(offset, before) if same is None else replace(same, times=same.times + 1)
            self._families[family] = (*others, now)
            if len(self._families) > _MOST_FAMILIES:
                self._families.popitem(last=False)

    @operation
    def _note_begun(self, name: str, parting: Parting) -> None:
        with self._lock:
            self._begun[name] = parting
            self._begun.move_to_end(name)
            if len(self._begun) > _MOST_BEGUN:
                self._begun.popitem(last=False)


def _family(request: Request, text: Text) -> str:
    caller = request.caller.namespace, request.caller.credential
    return digest([*caller, text.section, text.text[:_ALIKE]])[:20]


def _digest(text: str, offset: int) -> str:
    return digest(text[:offset])[:20]


def _size(texts: Sequence[str]) -> int:
    return sum(map(len, texts))


def _common(one: str, other: str) -> int:
    """Characters at the beginning that two texts have in common."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _row(seam: _Seam) -> tuple[int, str, int]:
    return seam.offset, seam.before, seam.times


def _parting(row: Sequence[Any]) -> Parting:
    section, outer, inner, offset = row
    return Parting(str(section), int(outer), None if inner is None else int(inner), int(offset))
