"""What comes of compressing a request: a shorter one with all that restores it, or none and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from semcache.request import Request


class Memory(Protocol):
    """Keeps what was frozen, by digest. What is lost is worked out again from the conversation."""

    def get(self, digest: str) -> str | None: ...

    def put(self, digest: str, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Stretch:
    """`count` messages from `start` stand for the original ones that `recover` holds under `digest`."""

    start: int
    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class Sizes:
    """In tokens of the model, estimated. "Now" counts against what this conversation was sent as so far."""

    cut_tokens: int  # by all that is compressed
    cut_now_tokens: int  # by what is compressed for the first time
    rewritten_tokens: int  # sent behind the first new cut: what a warm cache would have held


@dataclass(frozen=True)
class Compression:
    """`recover` maps the digests of stretches, and the short hashes in stubs, to original text."""

    request: Request = field(repr=False)
    recover: Mapping[str, str] = field(repr=False)
    stretches: tuple[Stretch, ...]
    sizes: Sizes
    blocks: int
    frozen_messages: int  # of the request, from the first: they will be sent like this from now on
    masked_results: int
    records: Mapping[str, str] = field(repr=False)  # what a memory is to keep if this is sent

    def remember(self, memory: Memory) -> None:
        """To be called when the request is sent: from then on the conversation stays as it is now."""
        for digest, text in self.records.items():
            memory.put(digest, text)


@dataclass(frozen=True)
class NotCompressed:
    """`request` is what to send: the caller's own, or that without thinking that no longer fits it.

    `reason` holds nothing of the prompt.
    """

    request: Request = field(repr=False)
    reason: str
    records: Mapping[str, str] = field(default_factory=dict, repr=False)

    def remember(self, memory: Memory) -> None:
        """To be called when the request is sent."""
        for digest, text in self.records.items():
            memory.put(digest, text)
