"""Which entries there are, across all scopes: by id, age, namespace, tag, credential, expiry and worth.

A cluster keeps scopes on different shards, and no step covers two of them. So whoever stores an entry first announces
it here, then writes it in its scope, then records it here; whoever removes one first removes it from its scope, then
drops it here. Dying between two of these steps leaves at worst a row without its entry, never an entry without a row:
every reader looks at the entry itself, and clears away what is not there. A row carries the revision of the entry it
tells of, so that of two writers the later one's row stands, whichever arrives first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from semcache.stores.limits import Limits
from semcache.stores.redis.link import Call, Link, Word
from semcache.stores.redis.scripts import catalogue_script
from semcache.stores.redis.spelling import Place, spelled
from semcache.stores.store import StoreStats

PORTION = 200
PENDING_SECONDS = 600.0  # longer than any write takes, and than clocks differ
IDLE_SECONDS = 30 * 86_400


@dataclass(frozen=True)
class Row:
    """What the catalogue says of an entry. `number` orders entries by when they were first stored."""

    place: Place
    namespace: str
    exemplars: tuple[str, ...]
    revision: int
    is_pending: bool
    hits: int = 0
    number: str = ""
    score: str = ""  # in the index that it was found in; its time of creation, where it was found by id

    @classmethod
    def read(cls, stored: bytes, number: bytes = b"", score: bytes = b"") -> Row:
        told = json.loads(stored)
        place = Place(told["s"], told["k"], told["i"])
        exemplars = tuple(told["x"])
        at = score.decode() or told["c"]
        return cls(place, told["n"], exemplars, int(told["r"]), bool(told["p"]), told["h"], number.decode(), at)


class Catalogue:
    """Names in it are spelled; times come as the store's clock gives them, empty for the server's."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._slot = f"{{{link.prefix}:catalogue}}"

    # writing

    def announce(self, row: str, *, exemplars: int) -> tuple[int, Row | None]:
        """The first of so many new exemplar ids; or the row of another entry that has this id."""
        first, other = self._run("announce", row, exemplars)
        return first, Row.read(other) if other else None

    def reserve(self, entry_id: str, count: int) -> int:
        """The first of so many new exemplar ids, for an entry that is here."""
        return int(self._run("reserve", entry_id, count))

    def record(self, row: str) -> tuple[int, int]:
        """How many entries and bytes are held now."""
        entries, held_bytes = self._run("record", row)
        return entries, held_bytes

    def record_all(self, rows: Sequence[str]) -> None:
        self._link.run_all([self.recording(row) for row in rows])

    def recording(self, row: str) -> Call:
        return (catalogue_script("record"), self._slot, (row,))

    def drop(self, gone: Iterable[tuple[str, int]]) -> None:
        """Forget entries by id, where nothing newer than this revision is known of them."""
        words = [word for pair in gone for word in pair]
        for start in range(0, len(words), 2 * PORTION):
            self._run("drop", *words[start : start + 2 * PORTION])

    # reading

    def locate(self, ids: Sequence[str]) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for start in range(0, len(ids), PORTION):
            some = ids[start : start + PORTION]
            told = self._run("locate", *some)
            numbered = zip(some, told[::2], told[1::2], strict=True)
            found |= {entry_id: Row.read(row, number) for entry_id, number, row in numbered if row}
        return found

    def release(self, exemplar_id: int) -> None:
        """Forget an exemplar id that came to nothing."""
        self._link.send("HDEL", f"{self._slot}:exemplars", exemplar_id)

    def owners(self, exemplar_ids: Sequence[int]) -> dict[int, Place]:
        """Where these exemplars lie."""
        if not exemplar_ids:
            return {}
        stored = self._link.send("HMGET", f"{self._slot}:exemplars", *exemplar_ids)
        pairs = zip(exemplar_ids, stored, strict=True)
        return {exemplar_id: Place(*place.decode().split(":")) for exemplar_id, place in pairs if place}

    def walk(self, index: str, *, is_down: bool, after: tuple[str, str] = ("", "")) -> Iterator[list[Row]]:
        """Portions of an index, from behind a score and number on."""
        while True:
            found = self._run("walk", index, "down" if is_down else "up", *after, PORTION)
            rows = [
                Row.read(found[at + 2], found[at], found[at + 1]) for at in range(0, len(found), 3) if found[at + 2]
            ]
            if rows:
                yield rows
            if len(found) < 3 * PORTION:
                return
            after = (found[-2].decode(), found[-3].decode())

    def due(self, now: str, *, limit: int) -> list[Row]:
        """Entries past their time, the longest first."""
        return [Row.read(row) for row in self._run("due", now, limit) if row]

    def victims(self, now: str, limits: Limits, *, spared: str) -> list[Row]:
        """What has to go, expired entries first, then what is worth least."""
        bounds = ["" if bound is None else bound for bound in (limits.max_entries, limits.max_bytes)]
        return [Row.read(row) for row in self._run("victims", now, *bounds, spared)]

    def stats(self, now: str) -> StoreStats:
        return StoreStats(*self._run("stats", now))

    def written_since(self, credential: str, since: float, now: str) -> int:
        return int(self._run("written", now, spelled(credential), repr(float(since))))

    def foreign(self, space: str) -> int:
        return int(self._run("foreign", space))

    # scopes

    def register(self, namespace: str, scope: str) -> None:
        """Make a scope known before its generation is read, or anything is stored in it."""
        self._run("register", spelled(namespace), scope)

    def registered(self, namespaces: Sequence[str] = ()) -> list[str]:
        """The scopes of these namespaces, or of all."""
        return [scope.decode() for scope in self._run("registered", *namespaces)]

    def forget_idle(self) -> None:
        self._run("unregister", IDLE_SECONDS)

    def _run(self, name: str, *words: Word) -> Any:
        return self._link.run(catalogue_script(name), self._slot, *words)
