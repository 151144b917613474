"""Leaves out what says nothing: repeated blank lines, spaces at line ends, paragraphs that the system prompt repeats.

Each text is tidied by itself (of the system prompt: with what stands before it), so a turn comes out the same in every
later request, and a prefix that was sent tidied stays warm. One that Claude holds as it came stays as it is until he
holds it no more (prompt_forms.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any

from semcache.canonical import BILLING_PREFIX
from semcache.pricing import PriceBook, estimate_tokens
from semcache.request import Json, Request
from semcache.strategies.compression.turns import unmarked
from semcache.strategies.consent import Consent
from semcache.strategies.untouchable import untouchable_lines

STRATEGY = "tidying"
LEAST_DUPLICATE = 200  # characters: what is repeated and shorter may be repeated on purpose
_LONGEST = 400_000  # characters of one text
_LONGEST_HEADING = 80
_UNTIDY = re.compile(r" (?:\n|\Z)|\n *\n *\n")
_HEADING_END = (".", "!", "?", ",", ";")
_TEXT_FIELDS = frozenset({"type", "text", "cache_control"})
# Who speaks of white space means it.
_SPOKEN_OF = re.compile(
    r"(?i)\b(?:white ?spaces?|(?:blank|empty) lines?|(?:trailing|extra|double) spaces?|line ?breaks?|new ?lines?"
    r"|indent(?:ation|ed)?|line by line|character by character|diff)\b"
)


class Tidying:
    """Pure: the same request comes out the same, and a tidy one as it came."""

    def __init__(self, consent: Consent, prices: PriceBook) -> None:
        self._consent = consent
        self._prices = prices

    def tidied(self, request: Request) -> Request:
        """The request without what says nothing; the same one where there is no such thing or it is not allowed."""
        if not self._consent.allows(request, STRATEGY):
            return request
        return self.always_tidied(request)

    def always_tidied(self, request: Request) -> Request:
        """The same for a conversation that was begun so."""
        changes = _changes(request.body)
        if not changes:
            return request
        saved = sum(_size(request.body.get(name)) - _size(value) for name, value in changes.items())
        model = self._prices.model(request.model)
        tokens = int(saved * (model.tokenizer_factor if model is not None else Decimal(1)))
        return request.reshaped(STRATEGY, changes).cutting(STRATEGY, tokens)


def tidy(text: str) -> str:
    """One text, without regard to what is said elsewhere."""
    if _is_fine(text):
        return text
    lines = text.split("\n")
    kinds = untouchable_lines(lines)
    written: list[str] = []
    place = 0
    for blank, group in groupby(range(len(lines)), key=lambda at: kinds[at] is None and not lines[at].strip(" ")):
        run = list(group)
        if not blank:
            written += [lines[at] if kinds[at] is not None else _trimmed(lines[at]) for at in run]
        else:
            beside = [kinds[at] for at in (place - 1, place + len(run)) if 0 <= at < len(lines)]
            most = len(run) if "code" in beside else 2 if place + len(run) == len(lines) else 1
            written += [""] * min(len(run), most)
        place += len(run)
    return "\n".join(written)


@dataclass
class Told:
    """What a system prompt has said so far."""

    paragraphs: set[tuple[str, str]] = field(default_factory=set)  # with the heading that they stand under
    blocks: set[str] = field(default_factory=set)

    def without_repeats(self, text: str) -> str:
        """A tidy text without paragraphs that were said before, word for word and under the same heading."""
        lines = text.split("\n")
        kinds = untouchable_lines(lines)
        dropped: set[int] = set()
        heading = before = ""
        for start, end in _paragraphs(lines):
            paragraph = "\n".join(lines[start:end])
            under = paragraph if _is_heading(lines[start:end]) else heading
            is_plain = all(kind is None for kind in kinds[start:end])
            if is_plain and len(paragraph) > LEAST_DUPLICATE and not before.rstrip().endswith(":"):
                if (under, paragraph) in self.paragraphs:
                    dropped |= set(range(start, _next_start(lines, end)))
                    continue
                self.paragraphs.add((under, paragraph))
            heading, before = under, paragraph
        return "\n".join(line for at, line in enumerate(lines) if at not in dropped) if dropped else text


def _changes(body: Json) -> Json:
    """The fields that come out otherwise."""
    changes: Json = {}
    system = body.get("system")
    tidied = _tidy_system(system)
    if tidied != system:
        changes["system"] = tidied
    messages = body.get("messages")
    if isinstance(messages, list):
        turns = [_tidy_turn(turn) for turn in messages]
        if turns != messages:
            changes["messages"] = turns
    return changes


def _tidy_system(system: Any) -> Any:
    told = Told()
    if isinstance(system, str):
        return _unless_empty(told.without_repeats(tidy(system)), system)
    if not isinstance(system, list):
        return system
    written = []
    for block in system:
        if not _is_text(block) or block["text"].startswith(BILLING_PREFIX):
            written.append(block)
            continue
        text = tidy(block["text"])
        is_repeated = len(text) > LEAST_DUPLICATE and text in told.blocks and "cache_control" not in block
        if is_repeated and all(kind is None for kind in untouchable_lines(text.split("\n"))):
            continue
        told.blocks.add(text)
        written.append({**block, "text": _unless_empty(told.without_repeats(text), text)})
    return written


def _tidy_turn(turn: Any) -> Any:
    """What the user says; tool results, documents, and all that the assistant has said stay as they are."""
    if not isinstance(turn, dict) or turn.get("role") not in ("user", "system"):
        return turn
    content = turn.get("content")
    if isinstance(content, str):
        return {**turn, "content": _spoken(content)}
    if not isinstance(content, list):
        return turn
    blocks = [{**block, "text": _spoken(block["text"])} if _is_text(block) else block for block in content]
    return {**turn, "content": blocks}


def _spoken(text: str) -> str:
    return text if _is_fine(text) or _SPOKEN_OF.search(text) else _unless_empty(tidy(text), text)


def _is_fine(text: str) -> bool:
    """Whether there is nothing to do, or nothing that we would dare."""
    return "\r" in text or len(text) > _LONGEST or not text.strip() or _UNTIDY.search(text) is None


def _is_text(block: Any) -> bool:
    is_text = isinstance(block, dict) and block.get("type") == "text" and isinstance(block.get("text"), str)
    return is_text and _TEXT_FIELDS.issuperset(block)


def _trimmed(line: str) -> str:
    """Two spaces at the end of a line are a line break in Markdown, and more are no more."""
    bare = line.rstrip(" ")
    return f"{bare}  " if len(line) - len(bare) >= 2 else bare


def _paragraphs(lines: list[str]) -> list[tuple[int, int]]:
    found, place = [], 0
    for is_blank, group in groupby(lines, key=lambda line: not line.strip()):
        end = place + len(list(group))
        if not is_blank:
            found.append((place, end))
        place = end
    return found


def _next_start(lines: list[str], end: int) -> int:
    """Behind the blank lines that follow."""
    while end < len(lines) and not lines[end].strip():
        end += 1
    return end


def _is_heading(lines: list[str]) -> bool:
    first = lines[0].strip()
    return first.startswith("#") or (
        len(lines) == 1 and len(first) <= _LONGEST_HEADING and not first.endswith(_HEADING_END)
    )


def _unless_empty(text: str, otherwise: str) -> str:
    return text if text.strip() else otherwise


def _size(value: Any) -> int:
    """Tokens of the texts of a system prompt, or of turns, by the older tokenizer."""
    if isinstance(value, str):
        return estimate_tokens(value)
    items = unmarked(value) if isinstance(value, list) else []
    return sum(
        _size(item.get("text") if "text" in item else item.get("content")) for item in items if isinstance(item, dict)
    )
