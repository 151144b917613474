"""Signed thinking blocks: made for one conversation on one model, and refused where its prefix has changed."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from semcache.pricing import Model, Preserved
from semcache.request import Json
from semcache.upstream.simulator.blocks import blocks_of, canonical, plain

_KEY = b"semcache simulator"
_SIZE = 16
DROP_BETA = "thinking-binding-controls-2026-08-01"


@dataclass(frozen=True)
class Readers:
    """Who reads a conversation: the model, the account, and how strict Claude is with it."""

    model: Model
    account: bytes
    is_old_account: bool = False
    drops_mismatches: bool = False  # asked for with `thinking.block_binding`

    @property
    def are_bound(self) -> bool:
        """Whether a changed prefix is refused."""
        kind = self.model.preserved_thinking
        return kind is Preserved.ALWAYS or (kind is Preserved.NEW_ACCOUNTS and not self.is_old_account)


class _Seal(NamedTuple):
    model: bytes
    account: bytes
    prefix: bytes


@dataclass(frozen=True)
class Unreadable:
    """A thinking block that Claude does not read: refused with `problem`, or silently dropped."""

    turn: int
    place: int
    problem: str | None


def signature_for(body: Json, readers: Readers) -> str:
    """The signature of a thinking block that answers this body."""
    *_, prefix = _prefixes(body)
    return _sealed(_Seal(_short(readers.model.id.encode()), readers.account, prefix))


def unreadable_thinking(body: Json, readers: Readers) -> list[Unreadable]:
    """The thinking blocks sent back that do not belong where they stand."""
    found = []
    for turn, (message, prefix) in enumerate(zip(body["messages"], _prefixes(body), strict=False)):
        if message["role"] != "assistant":
            continue
        expected = _Seal(_short(readers.model.id.encode()), readers.account, prefix)
        for place, block in enumerate(blocks_of(message["content"])):
            if block.get("type") == "thinking":
                found += _judged(turn, place, block["signature"], expected, readers)
    return found


def without(body: Json, dropped: list[Unreadable]) -> Json:
    """The body without these blocks, as the model reads it."""
    gone = {(each.turn, each.place) for each in dropped}
    if not gone:
        return body
    messages = []
    for turn, message in enumerate(body["messages"]):
        blocks = enumerate(blocks_of(message["content"]))
        messages.append({**message, "content": [block for place, block in blocks if (turn, place) not in gone]})
    return {**body, "messages": messages}


def _judged(turn: int, place: int, signature: str, expected: _Seal, readers: Readers) -> list[Unreadable]:
    problem = f"messages.{turn}.content.{place}: Invalid `signature` in `thinking` block"
    seal = _opened(signature)
    if seal is None:
        return [Unreadable(turn, place, problem)]
    if seal.model != expected.model:
        return [Unreadable(turn, place, None)]
    if not readers.are_bound or seal == expected:
        return []
    if readers.drops_mismatches:
        return [Unreadable(turn, place, None)]
    bound = "The block is bound to a different conversation. Send it back with everything before it unchanged."
    return [Unreadable(turn, place, f"{problem}. {bound}")]


def _prefixes(body: Json) -> Iterator[bytes]:
    """The digest of all that stands before each turn, and before the answer; marks do not count."""
    digest = hashlib.blake2b(canonical([plain(blocks_of(body.get("system"))), plain(body.get("tools") or [])]))
    for message in body["messages"]:
        yield digest.digest()[:_SIZE]
        digest.update(canonical([message["role"], plain(blocks_of(message["content"]))]))
    yield digest.digest()[:_SIZE]


def _sealed(seal: _Seal) -> str:
    content = b"".join(seal)
    return base64.b64encode(content + _mac(content)).decode("ascii")


def _opened(signature: str) -> _Seal | None:
    try:
        raw = base64.b64decode(signature, validate=True)
    except ValueError:
        return None
    content, mac = raw[: 3 * _SIZE], raw[3 * _SIZE :]
    if len(content) != 3 * _SIZE or mac != _mac(content):
        return None
    return _Seal(content[:_SIZE], content[_SIZE : 2 * _SIZE], content[2 * _SIZE :])


def _mac(content: bytes) -> bytes:
    return hashlib.blake2b(content, key=_KEY, digest_size=_SIZE).digest()


def _short(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_SIZE).digest()


def drops_mismatches(body: Json, betas: frozenset[str]) -> bool:
    """Whether the caller asked to have foreign thinking blocks dropped instead of refused."""
    binding = (body.get("thinking") or {}).get("block_binding") or {}
    return DROP_BETA in betas and binding.get("prefix_mismatch_behavior") == "drop_block"


def account_of(credential: str) -> bytes:
    """A digest that stands for the credential: account, organisation and workspace are one here."""
    return _short(credential.encode())
