"""A caller's Messages request: never edited, with what we derive from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from semcache.errors import InvalidRequest
from semcache.stopwatch import UNTIMED, Stopwatch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]  # shape (dims,), unit length

Json = dict[str, Any]
Headers = tuple[tuple[str, str], ...]

DEFAULT_VERSION = "2026-10-21"
AUTO_MODEL = "auto"


class Mode(Enum):
    """How far the cache may go, from nothing to everything."""

    OFF = "off"
    SHADOW = "shadow"
    EXACT = "exact"
    SEMANTIC = "semantic"

    def tightened_by(self, other: Mode) -> Mode:
        """The stricter of the two: a caller may tighten what the operator allows, never loosen it."""
        return min(self, other, key=list(Mode).index)


@dataclass(frozen=True)
class Caller:
    """Who asks: the namespace, and the partition of it that this credential may see."""

    namespace: str = "default"
    partition: str = ""  # HMAC of the credential, or a fixed word where the namespace is shared
    credential: str = ""  # HMAC of the credential, always: provenance, never part of an answer
    label: str = ""  # the operator's name for a service key


@dataclass(frozen=True)
class Wish:
    """Which strategies the caller wants: only these, or all but these. He can only switch off."""

    only: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    def allows(self, strategy: str) -> bool:
        return strategy not in self.without and (self.only is None or strategy in self.only)


@dataclass(frozen=True)
class Directives:
    """What the caller asks of the cache, read from headers or arguments (RFC 9111 §5.2.1)."""

    mode: Mode = Mode.SEMANTIC
    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age_seconds: float | None = None
    tags: tuple[str, ...] = ()
    task: str = ""  # what kind of work this is, where the caller says so
    strategies: Wish = Wish()
    check: Callable[[str], bool] | None = field(default=None, compare=False)  # whether an answer's text will do


class Siblings(Protocol):
    """The requests of a batch, as far as they begin alike."""

    def count(self, body: Json, kind: str) -> int:
        """Requests that share the beginning of this kind with it, itself among them."""
        ...


@dataclass(frozen=True)
class Request:
    """One Messages request as the caller sent it.

    `raw` are the caller's own bytes and is dropped as soon as a strategy changes the body, so what
    nobody touched goes upstream byte for byte. `shaped_by` names the strategies that changed it.
    """

    body: Json = field(repr=False)
    caller: Caller = Caller()
    directives: Directives = Directives()
    headers: Headers = field(default=(), repr=False)  # those to forward, credential too; names in lower case
    query: str = ""
    raw: bytes | None = field(default=None, repr=False, compare=False)
    shaped_by: tuple[str, ...] = ()
    cuts: tuple[tuple[str, int], ...] = field(default=(), compare=False)  # strategy, tokens left out: see `cutting`
    vector: Vector | None = field(
        default=None, repr=False, compare=False
    )  # of the last user text, where it was looked up
    siblings: Siblings | None = field(default=None, repr=False, compare=False)  # the batch that it is one of
    stopwatch: Stopwatch = field(default=UNTIMED, repr=False, compare=False)

    @classmethod
    def parse(cls, raw: bytes, **known: Any) -> Request:
        """Read a body; raises `InvalidRequest` where it is not a JSON object."""
        return cls(body=parse_object(raw), raw=raw, **known)

    @property
    def model(self) -> str:
        model = self.body.get("model")
        return model if isinstance(model, str) else ""

    @property
    def stream(self) -> bool:
        return self.body.get("stream") is True

    @property
    def max_tokens(self) -> int | None:
        limit = self.body.get("max_tokens")
        return limit if isinstance(limit, int) and not isinstance(limit, bool) else None

    @cached_property
    def messages(self) -> list[Json]:
        """The turns; an empty list where the body does not hold a list of objects."""
        messages = self.body.get("messages")
        if isinstance(messages, list) and all(isinstance(turn, dict) for turn in messages):
            return messages
        return []

    @property
    def cut_tokens(self) -> int:
        """How many tokens of the caller's prompt strategies left out, as far as they can tell."""
        return sum(tokens for _, tokens in self.cuts)

    def header(self, name: str) -> str | None:
        """The forwarded header of this (lower-case) name."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def version(self) -> str:
        return self.header("anthropic-version") or DEFAULT_VERSION

    @property
    def betas(self) -> tuple[str, ...]:
        """Beta names, sorted: their order means nothing."""
        named = (value for key, value in self.headers if key == "anthropic-beta")
        return tuple(sorted({beta.strip() for value in named for beta in value.split(",")} - {""}))

    def content(self) -> bytes:
        """The bytes to send: the caller's own while nothing has changed them."""
        if self.raw is not None:
            return self.raw
        return encode_json(self.body)

    def reshaped(self, strategy: str, changes: Mapping[str, Any]) -> Request:
        """A new request with these body fields, signed by the strategy that wanted them."""
        return replace(self, body={**self.body, **changes}, raw=None, shaped_by=(*self.shaped_by, strategy))

    def cutting(self, strategy: str, tokens: int) -> Request:
        """The same request with so many tokens booked as left out by a strategy: estimated, of what the caller sent."""
        return replace(self, cuts=(*self.cuts, (strategy, tokens))) if tokens > 0 else self

    def signed(self, strategy: str, *, instead_of: str) -> Request:
        """The same request with one strategy named in another's place among those that shaped it."""
        names = tuple(name for name in self.shaped_by if name != instead_of)
        return replace(self, shaped_by=(*names, strategy))


def parse_object(raw: bytes) -> Json:
    """A JSON object from bytes; the error says where the bytes go wrong, never what they hold."""
    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"body: not valid UTF-8 at byte {error.start}; send JSON encoded as UTF-8") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"body: not valid JSON at line {error.lineno} column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise InvalidRequest("body: JSON is nested too deeply; send fewer levels") from None
    if not isinstance(value, dict):
        raise InvalidRequest(f"body: expected a JSON object, got {_name_of(value)}")
    return value


def encode_json(value: Any) -> bytes:
    """Compact JSON in UTF-8; escapes only where a lone surrogate leaves no other way."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def _refuse_constant(constant: str) -> NoReturn:
    raise InvalidRequest(f"body: {constant} is not JSON; send a number or null")


def _name_of(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), "another type")
