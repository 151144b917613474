"""Steps within one scope: its entries, exemplars, vectors and generation lie in one slot, so a script covers them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from semcache.entry import Entry, Exemplar
from semcache.stores.redis.link import Call, Link, Word
from semcache.stores.redis.scripts import scope_script
from semcache.stores.redis.spelling import Place, Space, read_entry, read_exemplars

Clock = Callable[[], float]


@dataclass(frozen=True)
class Found:
    """An entry as it was read; `answer` is another for another message."""

    is_live: bool
    entry: Entry
    exemplars: list[Exemplar]
    stored_exemplars: list[tuple[int, bytes]]
    revision: str
    answer: str


class Scopes:
    """Runs the scripts of scopes, by the server's clock unless there is another."""

    def __init__(self, link: Link, space: Space, clock: Clock | None) -> None:
        self.link = link
        self.space = space
        self._clock = clock

    @property
    def has_server_clock(self) -> bool:
        return self._clock is None

    @property
    def now(self) -> str:
        """For scripts; empty: the server's clock."""
        return "" if self._clock is None else repr(float(self._clock()))

    def time(self) -> float:
        """The store's time."""
        if self._clock is not None:
            return self._clock()
        return int(self.run("peek", "clock", "")[0]) / 1e6

    def run(self, name: str, scope: str, *words: Word) -> Any:
        script, slot, given = self.call(name, scope, *words)
        return self.link.run(script, slot, *given)

    def call(self, name: str, scope: str, *words: Word) -> Call:
        slot = f"{{{self.link.prefix}:s:{scope}}}"
        return (scope_script(name), slot, (int(self.link.server.has_vectors), self.now, *words))

    def read_all(
        self, places: Sequence[Place], *, with_bodies: bool = True, with_exemplars: bool = False
    ) -> list[Found | None]:
        """Entries, expired ones too; None for what is gone. Without bodies their texts are empty."""
        calls = [
            self.call("read", each.scope, each.key, each.id, int(with_bodies), int(with_exemplars)) for each in places
        ]
        return [self._found(stored) for stored in self.link.run_all(calls)]

    def read(self, place: Place, *, with_exemplars: bool = False) -> Found | None:
        return self.read_all([place], with_exemplars=with_exemplars)[0]

    def _found(self, stored: Sequence[Any]) -> Found | None:
        if not stored:
            return None
        is_live, fields, exemplars, revision, answer = stored
        if not fields[2]:
            fields = [fields[0], b"", b"{}", *fields[3:]]
        entry = read_entry(fields)
        pairs = sorted(zip((int(each) for each in exemplars[::2]), exemplars[1::2], strict=True))
        read = read_exemplars(entry.id, exemplars, self.space)
        return Found(bool(is_live), entry, read, pairs, revision.decode(), answer.decode())
