"""Leaves out paragraphs of long reference text that the question is not about; what is left out is marked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from semcache.pricing import Model, estimate_tokens
from semcache.request import Json, Request
from semcache.strategies.compression.relevance import relevance_of
from semcache.strategies.compression.turns import is_prose

STRATEGY = "trimming"
_WEIGHTS = {"bm25": 1.0, "overlap": 0.5}
_LONGEST_QUESTION = 1_500  # characters: what is longer is no question
_MOST_PARAGRAPHS = 2_000
_NUMBER_OR_ID = re.compile(r"\b(?=\w*\d)[\w#./-]*\w\b|\b[A-Z]{2,}\b|\"[^\"\n]{2,80}\"")
_DIGIT = re.compile(r"\d")
_NOT_PROSE = re.compile(r"^\s{4,}\S|```|^\s*[\[{<|]|[{};]\s*$", re.MULTILINE)


@dataclass(frozen=True)
class _Text:
    """The reference text and the question of a turn: two blocks, or two parts of one."""

    paragraphs: list[str]
    question: str
    block: int | None  # that holds the reference text; None: the content is one bare text


def trimmed(request: Request, model: Model) -> Request | None:
    """The request with less reference text in its last turn; None where there is nothing that may be left out.

    Only paragraphs of prose go, never the first or the last, nor one that instructs, asks, or holds a number, an id
    or a quoted word of the question; where the question asks for a number, an id or a time, none that holds any. A
    block that the caller marked for the prompt cache stays whole.
    """
    if not request.messages or request.messages[-1].get("role") != "user":
        return None
    content = request.messages[-1].get("content")
    found = _read(content)
    if found is None or _about_all(found.question):
        return None
    kept = _kept(found)
    if len(kept) == len(found.paragraphs):
        return None
    text = _written(found.paragraphs, kept)
    saved = estimate_tokens("\n\n".join(found.paragraphs)) - estimate_tokens(text)
    if saved <= 0:
        return None
    turn = {**request.messages[-1], "content": _with_text(content, found, text)}
    changed = request.reshaped(STRATEGY, {"messages": [*request.messages[:-1], turn]})
    return changed.cutting(STRATEGY, int(saved * model.tokenizer_factor))


def _read(content: Any) -> _Text | None:
    """None where reference text and question cannot be told apart, or there is too little of it."""
    if isinstance(content, str):
        *paragraphs, question = _paragraphs(content)
        found = _Text(paragraphs, question, None)
    elif isinstance(content, list) and len(content) >= 2 and all(is_prose(block) for block in content):
        longest = max(range(len(content) - 1), key=lambda place: len(content[place]["text"]))
        if any("cache_control" in block for block in content[longest:]):
            return None
        question = "\n\n".join(block["text"] for place, block in enumerate(content) if place != longest)
        found = _Text(_paragraphs(content[longest]["text"]), question, longest)
    else:
        return None
    is_long = estimate_tokens("\n\n".join(found.paragraphs)) >= _rules().least_tokens
    is_fit = 2 < len(found.paragraphs) <= _MOST_PARAGRAPHS and 0 < len(found.question.strip()) <= _LONGEST_QUESTION
    return found if is_long and is_fit else None


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n[ \t]*\n+", text)


def _kept(found: _Text) -> frozenset[int]:
    """The paragraphs that must stay, and the most relevant others as far as the budget goes."""
    paragraphs = found.paragraphs
    wanted = _Wanted.by(found.question)
    bound = {place for place, text in enumerate(paragraphs) if _must_stay(text, wanted)}
    bound |= {0, len(paragraphs) - 1}
    sizes = [estimate_tokens(text) for text in paragraphs]
    room = _rules().keep_share * sum(sizes) - sum(sizes[place] for place in bound)
    scores = relevance_of(paragraphs, [found.question], embed=None, weights=_WEIGHTS)
    kept = set(bound)
    for place in sorted(range(len(paragraphs)), key=lambda place: (-scores[place], place)):
        if place not in kept and sizes[place] <= room:
            kept.add(place)
            room -= sizes[place]
    return frozenset(kept)


@dataclass(frozen=True)
class _Wanted:
    """What a question names, and whether it asks for a number, an id or a time."""

    named: frozenset[str]
    numbers: bool

    @classmethod
    def by(cls, question: str) -> _Wanted:
        named = frozenset(found.strip('"').casefold() for found in _NUMBER_OR_ID.findall(question))
        return cls(named, any(each.search(question) for each in _rules().asks_for_numbers))


def _must_stay(text: str, wanted: _Wanted) -> bool:
    if wanted.numbers and _DIGIT.search(text):
        return True
    is_named = any(name in text.casefold() for name in wanted.named)
    told = " ".join(text.split())
    is_told = len(told) < _LONGEST_QUESTION and any(each.search(told) for each in _rules().instructions)
    return is_named or is_told or _NOT_PROSE.search(text) is not None


def _written(paragraphs: Sequence[str], kept: frozenset[int]) -> str:
    written: list[str] = []
    left_out = 0
    for place, text in enumerate(paragraphs):
        if place not in kept:
            left_out += 1
            continue
        if left_out:
            written.append(_marker(left_out))
            left_out = 0
        written.append(text)
    return "\n\n".join(written)


def _marker(count: int) -> str:
    return _rules().marker_one if count == 1 else _rules().marker_more.format(count=count)


def _with_text(content: Any, found: _Text, text: str) -> Any:
    if found.block is None:
        return f"{text}\n\n{found.question}"
    blocks: list[Json] = list(content)
    blocks[found.block] = {**blocks[found.block], "text": text}
    return blocks


def _about_all(question: str) -> bool:
    return any(each.search(question) for each in _rules().about_all)


@dataclass(frozen=True)
class _Rules:
    least_tokens: int
    keep_share: float
    marker_one: str
    marker_more: str
    instructions: tuple[re.Pattern[str], ...]
    asks_for_numbers: tuple[re.Pattern[str], ...]
    about_all: tuple[re.Pattern[str], ...]


@cache
def _rules() -> _Rules:
    data = tomllib.loads(files("semcache.strategies.token_budget").joinpath("trimming.toml").read_text("utf-8"))
    return _Rules(
        int(data["least_tokens"]),
        float(data["keep_share"]),
        data["marker_one"],
        data["marker_more"],
        *(
            tuple(re.compile(pattern, re.IGNORECASE) for pattern in data[name])
            for name in ("instructions", "asks_for_numbers", "about_all")
        ),
    )
