"""A message: Claude's response object, with the bytes and headers it came in."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property

from semcache.errors import UpstreamTorn
from semcache.request import Headers, Json, encode_json

THINKING_TYPES = frozenset({"thinking", "redacted_thinking"})


@dataclass(frozen=True)
class Usage:
    """Token counts of one call by price category, and the terms it was served under."""

    input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_read_tokens: int = 0
    output_tokens: int = 0
    is_batch: bool = False
    is_fast: bool = False
    is_us: bool = False  # inference kept in the United States

    @classmethod
    def of(cls, usage: Json) -> Usage:
        """Read Claude's `usage` object; absent and null counts are 0, absent terms the standard ones."""
        written = _count(usage, "cache_creation_input_tokens")
        split = usage.get("cache_creation")
        one_hour = min(_count(split, "ephemeral_1h_input_tokens"), written) if isinstance(split, dict) else 0
        return cls(
            input_tokens=_count(usage, "input_tokens"),
            cache_write_5m_tokens=written - one_hour,
            cache_write_1h_tokens=one_hour,
            cache_read_tokens=_count(usage, "cache_read_input_tokens"),
            output_tokens=_count(usage, "output_tokens"),
            is_batch=usage.get("service_tier") == "batch",
            is_fast=usage.get("speed") == "fast",
            is_us=usage.get("inference_geo") == "us",
        )

    def recounted(self, factor: Decimal) -> Usage:
        """The same texts as another model's tokenizer would count them."""

        def count(tokens: int) -> int:
            return round(tokens * factor)

        return replace(
            self,
            input_tokens=count(self.input_tokens),
            cache_write_5m_tokens=count(self.cache_write_5m_tokens),
            cache_write_1h_tokens=count(self.cache_write_1h_tokens),
            cache_read_tokens=count(self.cache_read_tokens),
            output_tokens=count(self.output_tokens),
        )

    @property
    def prompt_tokens(self) -> int:
        """All input, cached or not: what long-prompt price steps look at."""
        written = self.cache_write_5m_tokens + self.cache_write_1h_tokens
        return self.input_tokens + written + self.cache_read_tokens


@dataclass(frozen=True)
class Message:
    """Claude's response object. `raw` and `headers` are kept so that a miss goes back byte for byte."""

    body: Json
    raw: bytes | None = field(default=None, repr=False, compare=False)
    headers: Headers = field(default=(), repr=False, compare=False)
    coalesced: bool = field(default=False, compare=False)  # another identical request paid for it
    faithful: bool = field(default=True, compare=False)  # False: a stream held parts we do not understand
    asked_in: tuple[int, ...] = field(default=(), compare=False)  # generations, where it was asked for after its lookup

    @classmethod
    def parse(cls, raw: bytes, headers: Headers = ()) -> Message:
        """Read a JSON response body; raises `UpstreamTorn` where it is not a whole object."""
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError):
            raise UpstreamTorn("upstream sent a body that is not JSON") from None
        if not isinstance(body, dict):
            raise UpstreamTorn("upstream sent a body that is not an object")
        return cls(body=body, raw=raw, headers=headers)

    @property
    def model(self) -> str:
        model = self.body.get("model")
        return model if isinstance(model, str) else ""

    @property
    def blocks(self) -> list[Json]:
        content = self.body.get("content")
        return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []

    @property
    def text(self) -> str:
        """The text blocks, joined."""
        return "".join(str(block.get("text", "")) for block in self.blocks if block.get("type") == "text")

    @property
    def stop_reason(self) -> str | None:
        return self.body.get("stop_reason")

    @cached_property
    def usage(self) -> Usage:
        usage = self.body.get("usage")
        return Usage.of(usage) if isinstance(usage, dict) else Usage()

    def with_id(self, message_id: str) -> Message:
        """The same message under another id: every replay gets a fresh one."""
        return replace(self, body={**self.body, "id": message_id}, raw=None)

    def without_thinking(self) -> Message:
        """Without thinking blocks, whose signatures hold only in the conversation they were made in."""
        kept = [block for block in self.blocks if block.get("type") not in THINKING_TYPES]
        return replace(self, body={**self.body, "content": kept}, raw=None)

    def content(self) -> bytes:
        """The bytes to send back: Claude's own where there are any."""
        return self.raw if self.raw is not None else encode_json(self.body)


def text_message(text: str, *, model: str, message_id: str, usage: Json) -> Message:
    """A message in Claude's shape that says `text`: how a FAQ answer is served."""
    return Message(
        body={
            "id": message_id,
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": usage,
        }
    )


def _count(counts: Json, name: str) -> int:
    value = counts.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def block_types(blocks: Iterable[Json]) -> frozenset[str]:
    """The types that occur among these content blocks."""
    return frozenset(str(block.get("type")) for block in blocks)


def new_message_id() -> str:
    """A fresh message id in Claude's form: unique, which is all it has to be."""
    return f"msg_{random.getrandbits(96):024x}"
