"""Servings in Redis: each under a key of its own, listed by entry and by age.

The lists are written first and cleared last, so that nothing is kept that no list names. A serving carries the revision
of the answer that it was served from: it counts for as long as its entry is live and has that answer.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from semcache.stores.redis.link import Link, Word
from semcache.stores.redis.scripts import script
from semcache.stores.redis.spelling import spelled, unspelled
from semcache.stores.store import Serving
from semcache.stores.stored import encoded

_BUCKETS = 16  # of the list by age, so that a cluster shares it out
_PORTION = 500


@dataclass(frozen=True)
class Kept:
    """A serving with the answer that it was served from."""

    serving: Serving
    answer: str


class Servings:
    """What was given to whom. Ids in arguments named `names` are spelled."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def write(self, kept: Sequence[Kept]) -> None:
        """One of the same id is replaced."""
        lists: list[Sequence[Word]] = []
        for each in kept:
            name, at = spelled(each.serving.id), repr(float(each.serving.at))
            lists.append(("ZADD", self._of_age(name), at, name))
            lists.append(("ZADD", self._of_entry(spelled(each.serving.entry_id)), at, name))
        self._link.send_all(lists)
        self._link.send_all([("SET", self._key(spelled(each.serving.id)), _written(each)) for each in kept])

    def read(self, ids: Sequence[str]) -> list[Kept]:
        """Those that there are, by spelled id."""
        stored = self._link.send_all([("GET", self._key(name)) for name in ids])
        return [_read(name, text) for name, text in zip(ids, stored, strict=True) if text]

    def find(self, serving_id: str) -> Kept | None:
        return next(iter(self.read([spelled(serving_id)])), None)

    def newest(self, entry_id: str, *, limit: int) -> list[Kept]:
        """Of an entry, newest first, ties by id."""
        key = self._of_entry(spelled(entry_id))
        newest = self._link.send("ZREVRANGE", key, 0, limit - 1, "WITHSCORES") if limit > 0 else []
        if not newest:
            return []
        ids = self._link.send("ZREVRANGEBYSCORE", key, "+inf", newest[-1])  # ties of the last of them included
        kept = [each for each in self.read([name.decode() for name in ids]) if each.serving.entry_id == entry_id]
        return sorted(kept, key=lambda each: (-each.serving.at, each.serving.id))[:limit]

    def of(self, entry_id: str) -> list[Kept]:
        """All of an entry."""
        names = self._link.send("ZRANGE", self._of_entry(spelled(entry_id)), 0, -1)
        return [each for each in self.read([name.decode() for name in names]) if each.serving.entry_id == entry_id]

    def forget(self, entry_ids: Iterable[str]) -> None:
        """All of these entries, by spelled id."""
        keys = [(entry_id, self._of_entry(entry_id)) for entry_id in entry_ids]
        listed = self._link.send_all([("ZRANGE", key, 0, -1) for _, key in keys])
        for (entry_id, key), names in zip(keys, listed, strict=True):
            if names:
                self._withdraw([name.decode() for name in names], owner=entry_id)
                self._link.send("DEL", key)

    def remove(self, entry_id: str, ids: Sequence[str]) -> None:
        """Some of an entry."""
        names = [spelled(each) for each in ids]
        self._withdraw(names, owner=spelled(entry_id))
        self._link.send_all([("ZREM", self._of_entry(spelled(entry_id)), name) for name in names])

    def prune(self, before: float) -> int:
        """Remove those older than this; the number removed."""
        bound = "" if before == math.inf else repr(float(before))
        removed = 0
        for bucket in range(_BUCKETS):
            upper = "+inf" if not bound else f"({bound}"
            names = self._link.send("ZRANGEBYSCORE", self._age_key(bucket), "-inf", upper)
            for start in range(0, len(names), _PORTION):
                some = [name.decode() for name in names[start : start + _PORTION]]
                removed += self._withdraw(some, older_than=bound)
        return removed

    def _withdraw(self, names: Sequence[str], *, owner: str = "", older_than: str = "") -> int:
        remover = script("withdraw")
        results = self._link.run_all([(remover, self._key(name), (owner, older_than)) for name in names])
        gone = [(name, told[1].decode()) for name, told in zip(names, results, strict=True) if told[0]]
        self._link.send_all([("ZREM", self._of_age(name), name) for name, _ in gone])
        self._link.send_all([("ZREM", self._of_entry(entry_id), name) for name, entry_id in gone])
        return len(gone)

    def _key(self, name: str) -> str:
        return f"{{{self._link.prefix}:serving:{name}}}"

    def _of_entry(self, entry_id: str) -> str:
        return f"{{{self._link.prefix}:served:{entry_id}}}"

    def _of_age(self, name: str) -> str:
        return self._age_key(zlib.crc32(name.encode()) % _BUCKETS)

    def _age_key(self, bucket: int) -> str:
        return f"{{{self._link.prefix}:servings:{bucket}}}"


def _written(kept: Kept) -> bytes:
    serving = kept.serving
    head = f"{spelled(serving.entry_id)} {float(serving.at)!r} {kept.answer} {spelled(serving.kind)} "
    return head.encode() + encoded(json.dumps(serving.question))


def _read(name: str, stored: bytes) -> Kept:
    entry_id, at, answer, kind, question = stored.decode().split(" ", 4)
    return Kept(Serving(unspelled(name), unspelled(entry_id), json.loads(question), float(at), unspelled(kind)), answer)
