"""Asks for shorter answers, where that is allowed, and measures on a control share what it saves."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import Any

from semcache.canonical import digest, last_user_text
from semcache.journal import Journalled, operation
from semcache.request import Json, Request
from semcache.strategies.compression.turns import blocks_of, unmarked

STRATEGY = "conciseness"
CONTROL_SHARE = 0.1
_LEAST_EACH = 20  # answers on either side before a saving is spoken of
_MOST_KINDS = 500
_Z = 1.96


@dataclass
class _Side:
    """Sums over answers: how many, their tokens, and the squares of these."""

    answers: int = 0
    tokens: float = 0.0
    squares: float = 0.0

    def note(self, tokens: int) -> None:
        self.answers += 1
        self.tokens += tokens
        self.squares += tokens * tokens

    @property
    def mean(self) -> float:
        return self.tokens / self.answers if self.answers else 0.0

    @property
    def error(self) -> float:
        """Of the mean: its standard deviation."""
        variance = max(0.0, self.squares / self.answers - self.mean**2)
        return math.sqrt(variance / self.answers)


@dataclass(frozen=True)
class Measured:
    """Output tokens with and without the hint. `share` saved, with its 95 % interval; None: too few answers yet."""

    kind: str
    hinted: int
    control: int
    mean_hinted: float
    mean_control: float
    share: float | None = None
    interval: tuple[float, float] | None = None


@dataclass
class Brevity(Journalled):
    """Counts by kind of request. Thread-safe, a few dozen bytes a kind."""

    control_share: float = CONTROL_SHARE
    _kinds: OrderedDict[str, tuple[_Side, _Side]] = field(default_factory=OrderedDict)
    _lock: Any = field(default_factory=Lock, repr=False)

    @operation
    def note(self, kind: str, output_tokens: int, *, was_hinted: bool) -> None:
        """A complete answer came to a request that the hint was open to."""
        with self._lock:
            sides = self._kinds.setdefault(kind, (_Side(), _Side()))
            sides[0 if was_hinted else 1].note(output_tokens)
            if len(self._kinds) > _MOST_KINDS:
                self._kinds.popitem(last=False)

    def measured(self) -> list[Measured]:
        """Every kind, with what the hint saves as far as the control share shows it."""
        with self._lock:
            return [_compared(kind, *sides) for kind, sides in self._kinds.items()]

    def proven_share(self, kind: str) -> float:
        """What the hint saves of the output at least, with 97.5 % confidence; 0 until that is more than nothing."""
        with self._lock:
            sides = self._kinds.get(kind)
            interval = None if sides is None else _compared(kind, *sides).interval
        return 0.0 if interval is None else min(0.9, max(0.0, interval[0]))

    def to_bytes(self) -> bytes:
        with self._lock:
            return json.dumps({kind: [vars(side) for side in sides] for kind, sides in self._kinds.items()}).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError`, `KeyError` for what `to_bytes` did not write."""
        known = OrderedDict(
            (str(kind), (_Side(**hinted), _Side(**control))) for kind, (hinted, control) in json.loads(content).items()
        )
        with self._lock:
            self._kinds = known

    def is_control(self, request: Request) -> bool:
        """By the first user turn: a conversation stays on its side, and so does a retry."""
        opening = next((turn.get("content") for turn in request.messages if turn.get("role") == "user"), None)
        drawn = int(digest([STRATEGY, unmarked(blocks_of(opening))])[:8], 16)
        return drawn < self.control_share * 2**32


def may_be_hinted(request: Request) -> bool:
    """Whether it is a request in prose that does not say itself how long its answer should be."""
    config = request.body.get("output_config")
    wants_form = isinstance(config, dict) and config.get("format") is not None
    if wants_form or request.body.get("tools") or request.body.get("tool_choice"):
        return False
    return not _speaks_of_length(last_user_text(request)[-4_000:])


def hinted(request: Request) -> Request:
    """With the hint as the last block of the first user turn.

    There it stands behind all that others share, system prompt and document, and at the same place in every later
    request of the conversation: what is cached stays so.
    """
    turns = request.messages
    place = next((place for place, turn in enumerate(turns) if turn.get("role") == "user"), None)
    if place is None:
        return request
    said: Json = {"type": "text", "text": _lexicon().hint}
    opening = {**turns[place], "content": [*blocks_of(turns[place].get("content")), said]}
    return request.reshaped(STRATEGY, {"messages": [*turns[:place], opening, *turns[place + 1 :]]})


@dataclass(frozen=True)
class _Lexicon:
    hint: str
    lengths: tuple[re.Pattern[str], ...]


@cache
def _lexicon() -> _Lexicon:
    data = tomllib.loads(files("semcache.strategies.token_budget").joinpath("brevity.toml").read_text("utf-8"))
    patterns = (re.compile(pattern, re.IGNORECASE) for pattern in data["lengths_spoken_of"])
    return _Lexicon(data["hint"], tuple(patterns))


def _speaks_of_length(text: str) -> bool:
    return any(pattern.search(text) for pattern in _lexicon().lengths)


def _compared(kind: str, hinted: _Side, control: _Side) -> Measured:
    """The ratio of two means; its interval by the delta method (Casella and Berger, 5.5.4)."""
    known = Measured(kind, hinted.answers, control.answers, hinted.mean, control.mean)
    if min(hinted.answers, control.answers) < _LEAST_EACH or control.mean <= 0:
        return known
    ratio = hinted.mean / control.mean
    spread = _Z * math.hypot(hinted.error, ratio * control.error) / control.mean
    return Measured(
        kind, hinted.answers, control.answers, hinted.mean, control.mean, 1 - ratio,
        (1 - ratio - spread, 1 - ratio + spread),
    )  # fmt: skip
