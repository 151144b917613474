"""Storing, labelling, merging and removing, in the order that `catalogue` explains."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from semcache.entry import Embedding, Entry, Exemplar, Label
from semcache.errors import Overtaken, StoreError, StoreUnavailable
from semcache.request import encode_json
from semcache.stores.redis.catalogue import PENDING_SECONDS, Catalogue, Row
from semcache.stores.redis.leases import RedisLeases
from semcache.stores.redis.scopes import Found, Scopes
from semcache.stores.redis.servings import Kept, Servings
from semcache.stores.redis.spelling import (
    Place,
    moment,
    pending_row,
    place_of,
    read_entry,
    rekeyed,
    row_of,
    spelled,
    unspelled,
    write_exemplar,
    write_head,
)
from semcache.stores.store import Guard
from semcache.stores.stored import StoredMessage, encoded
from semcache.stores.worth import first_heat, heat_of

_ATTEMPTS = 20  # where another writes the same entry at the same time
_GRACE_SECONDS = 3600.0  # Redis itself forgets so long after the end what nobody has removed until then


@dataclass(frozen=True)
class Stored:
    """An entry as stored; `is_revised` where it replaced another message. Then what the store holds in all."""

    entry: Entry
    is_revised: bool
    entries: int
    held_bytes: int


class Writing:
    """Changes scopes and catalogue together."""

    def __init__(self, scopes: Scopes, catalogue: Catalogue, servings: Servings, leases: RedisLeases) -> None:
        self._scopes = scopes
        self._catalogue = catalogue
        self._servings = servings
        self._leases = leases

    # storing

    def put(self, entry: Entry, exemplars: Sequence[Exemplar], guard: Guard) -> Stored:
        draft, answer = _Draft(entry, encoded(entry.question), encode_json(entry.message.body)), secrets.token_hex(8)
        for _ in range(_ATTEMPTS):
            kept, before = self._announced(draft, exemplars, guard)
            if kept is None:
                continue
            if guard.lease is not None:
                self._leases.hold(guard.lease, answer)
            if (stored := self._written(kept, before, exemplars, guard)) is not None:
                if guard.lease is not None:
                    self._leases.release(guard.lease)
                return stored
        raise StoreUnavailable("put: others keep writing this entry; it is not stored")

    def _announced(self, draft: _Draft, exemplars: Sequence[Exemplar], guard: Guard) -> tuple[_Draft | None, str]:
        """The entry under the id it is to have, and the id that stands there now; None: look again."""
        place = place_of(draft.entry)
        micros, standing, generation = self._scopes.run("peek", place.scope, place.key)
        _uphold(guard, generation.decode())
        before = standing.decode()
        entry = replace(draft.entry, id=unspelled(before)) if before else draft.entry
        if before and before != place.id and place.id in self._catalogue.locate([place.id]):
            raise StoreError(f"put: the id {draft.entry.id} belongs to another entry")
        heat = first_heat(entry.created_at, hits=entry.hits, last_hit_at=entry.last_hit_at)
        row = pending_row(entry, draft.held_bytes, heat, int(micros))
        first, other = self._catalogue.announce(row, exemplars=len(exemplars))
        if other is None:
            return replace(draft, entry=entry, first_exemplar=first), before
        if self._scopes.read_all([other.place], with_bodies=False)[0] is not None:
            raise StoreError(f"put: the id {draft.entry.id} belongs to another entry")
        self._catalogue.drop([(other.place.id, other.revision)])
        return None, before

    def _written(self, draft: _Draft, before: str, exemplars: Sequence[Exemplar], guard: Guard) -> Stored | None:
        entry, place = draft.entry, place_of(draft.entry)
        blobs = [
            word
            for number, each in enumerate(exemplars, start=draft.first_exemplar)
            for word in (number, write_exemplar(each, self._scopes.space))
        ]
        outcome, *told = self._scopes.run(
            "put", place.scope, place.key, "" if guard.generation is None else guard.generation, before, place.id,
            write_head(entry, draft.held_bytes), draft.question, draft.message, moment(entry.expires_at),
            self._dies_at(entry), repr(first_heat(entry.created_at, hits=entry.hits, last_hit_at=entry.last_hit_at)),
            repr(heat_of(1, at=entry.created_at)), entry.hits,
            "" if entry.last_hit_at is None else repr(entry.last_hit_at), *blobs,
        )  # fmt: skip
        if outcome == b"overtaken":
            raise _overtaken()
        if outcome == b"moved":
            return None
        hits, last_hit_at, is_revised, summary = told
        if is_revised:
            self._servings.forget([place.id])
        entries, held_bytes = self._catalogue.record(row_of(summary))
        written = replace(
            entry, message=StoredMessage.of(draft.message), hits=int(hits),
            last_hit_at=float(last_hit_at) if last_hit_at else None,
        )  # fmt: skip
        return Stored(written, bool(is_revised), entries, held_bytes)

    def _dies_at(self, entry: Entry) -> str:
        """In milliseconds; empty: never, or not by a clock that Redis has."""
        if entry.expires_at is None or not self._scopes.has_server_clock:
            return ""
        return str(int((entry.expires_at + _GRACE_SECONDS) * 1000))

    # exemplars

    def add_exemplar(self, exemplar: Exemplar) -> Exemplar | None:
        name = spelled(exemplar.entry_id)
        row = self._catalogue.locate([name]).get(name)
        if row is None:
            return None
        exemplar_id = self._catalogue.reserve(name, 1)
        blob = write_exemplar(exemplar, self._scopes.space)
        summary = self._scopes.run("add", row.place.scope, row.place.key, name, exemplar_id, blob)
        if not summary:
            self._catalogue.release(exemplar_id)
            return None
        self._catalogue.record(row_of(summary))
        bare = Embedding(exemplar.embedding.vector, exemplar.embedding.windows)
        return replace(exemplar, embedding=bare, id=exemplar_id)

    def remove_exemplars(self, ids: Iterable[int]) -> int:
        owned: dict[Place, list[int]] = {}
        for exemplar_id, place in self._catalogue.owners(sorted(set(ids))).items():
            owned.setdefault(place, []).append(exemplar_id)
        calls = [self._scopes.call("detach", place.scope, place.key, *some) for place, some in owned.items()]
        results = self._scopes.link.run_all(calls)
        self._catalogue.record_all([row_of(summary) for _, summary in results if summary])
        return sum(removed for removed, _ in results)

    # merging

    def merge(self, duplicate_id: str, into_id: str) -> Entry | None:
        for _ in range(_ATTEMPTS):
            names = [spelled(duplicate_id), spelled(into_id)]
            rows = self._catalogue.locate(names)
            if len(rows) < 2 or rows[names[0]].place.scope != rows[names[1]].place.scope:
                return None
            duplicate = self._scopes.read(rows[names[0]].place, with_exemplars=True)
            if duplicate is None:
                return None
            outcome, *told = self._merged(duplicate, rows[names[0]].place, rows[names[1]].place)
            if outcome == b"none":
                return None
            if outcome == b"merged":
                return self._settled(duplicate_id, into_id, told)
        raise StoreUnavailable("merge: others keep changing these entries; they are left as they are")

    def _merged(self, duplicate: Found, gone: Place, into: Place) -> list[Any]:
        """As new exemplars: an exemplar's id stands for one entry for ever."""
        moving = []
        for each, (_, blob) in zip(duplicate.exemplars, duplicate.stored_exemplars, strict=True):
            if each.label is Label.POSITIVE:
                is_bare_question = not each.key and each.text == duplicate.entry.question
                moving.append(rekeyed(blob, duplicate.entry.key) if is_bare_question else blob)
        first = self._catalogue.reserve(into.id, len(moving)) if moving else 0
        words = [word for number, blob in enumerate(moving, start=first) for word in (number, blob)]
        found: list[Any] = self._scopes.run(
            "merge", gone.scope, gone.key, gone.id, duplicate.revision, into.key, into.id, *words
        )
        return found

    def _settled(self, duplicate_id: str, into_id: str, told: Sequence[Any]) -> Entry:
        revision, fields, summary = told
        self._catalogue.record(row_of(summary))
        kept = self._servings.of(duplicate_id)
        answer = summary[5].decode()
        self._servings.write([Kept(replace(each.serving, entry_id=into_id), answer) for each in kept])
        self._servings.forget([spelled(duplicate_id)])
        self._catalogue.drop([(spelled(duplicate_id), int(revision))])
        return read_entry(fields)

    # removing

    def remove(self, rows: Sequence[Row], *, only_expired: bool = False) -> tuple[int, int]:
        """Remove entries with all that belongs to them: how many went, and how many of these were live."""
        calls = [
            self._scopes.call(
                "remove", each.place.scope, each.place.key, each.place.id, int(only_expired), *each.exemplars
            )
            for each in rows
        ]
        results = list(zip(rows, self._scopes.link.run_all(calls), strict=True))
        removed = [row for row, (outcome, _, _) in results if outcome == b"removed"]
        gone = [row for row, (outcome, _, _) in results if outcome == b"gone" and not is_under_way(row)]
        went = {row.place.id for row in (*removed, *gone)}
        self._servings.forget(went)
        self._catalogue.drop((row.place.id, int(revision)) for row, (_, revision, _) in results if row.place.id in went)
        return len(removed), sum(was_live for _, (outcome, _, was_live) in results if outcome == b"removed")


@dataclass(frozen=True)
class _Draft:
    """An entry on its way in, with its texts as they are stored."""

    entry: Entry
    question: bytes
    message: bytes
    first_exemplar: int = 0

    @property
    def held_bytes(self) -> int:
        return len(self.question) + len(self.message)


def is_under_way(row: Row) -> bool:
    """Whether somebody may still be writing the entry that this row announces."""
    return row.is_pending and row.revision > (time.time() - PENDING_SECONDS) * 1e6


def _uphold(guard: Guard, generation: str) -> None:
    if guard.generation is not None and str(guard.generation) != generation:
        raise _overtaken()


def _overtaken() -> Overtaken:
    return Overtaken("put: answers of this namespace were removed after this one was asked for")
