"""The brute-force store: everything in dictionaries, gone at exit. What every other store is compared with."""

from __future__ import annotations

import secrets as random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from threading import RLock

import numpy as np

from semcache.entry import Candidate, Embedding, Entry, Exemplar, Kind, Scope
from semcache.errors import StoreError
from semcache.request import encode_json
from semcache.stores.limits import Limits
from semcache.stores.paging import Position, check_page_size
from semcache.stores.similarity import check_embeddings, closest_first, cosines, unit, units
from semcache.stores.store import LedgerRow, LedgerSum, Page, Selection, StoreStats
from semcache.stores.worth import combined, first_heat, heat_of, worth_of


@dataclass
class _Held:
    """An entry and what belongs to it."""

    number: int
    entry: Entry
    held_bytes: int
    heat: float
    exemplars: list[Exemplar] = field(default_factory=list)

    @property
    def worth(self) -> float:
        return worth_of(self.heat, cost_usd=self.entry.cost_usd, held_bytes=self.held_bytes)


class MemoryStore:
    """Keeps to `semcache.stores.store.Store` by comparing with everything, under one lock."""

    def __init__(
        self, *, clock: Callable[[], float] = time.time, limits: Limits | None = None, dims: int | None = None
    ) -> None:
        self._clock = clock
        self._limits = limits if limits is not None else Limits()
        self._dims = dims
        self._lock = RLock()
        self._held: dict[str, _Held] = {}
        self._ids: dict[tuple[Scope, str], str] = {}
        self._held_bytes = 0
        self._entry_numbers, self._exemplar_ids = count(1), count(1)
        self._secrets: dict[str, bytes] = {}
        self._ledger: list[LedgerRow] = []

    # the path of a request

    def get_exact(self, scope: Scope, key: str) -> Entry | None:
        with self._lock:
            return self.get(self._ids.get((scope, key), ""))

    def nearest(self, scope: Scope, embedding: Embedding, *, k: int = 16) -> list[Candidate]:
        check_embeddings([embedding], self._dims)
        with self._lock:
            pairs = [(held.entry, exemplar) for held in self._live(scope) for exemplar in held.exemplars]
        if not pairs:
            return []
        rows = units(np.stack([exemplar.embedding.vector for _, exemplar in pairs]))
        similarities = cosines(unit(embedding.vector), rows)
        order = closest_first(np.array([exemplar.id for _, exemplar in pairs]), similarities)
        nearest = [(*pairs[place], float(similarities[place])) for place in order[: max(0, k)]]
        return [Candidate(entry, exemplar, similarity) for entry, exemplar, similarity in nearest]

    def has_exemplars(self, scope: Scope) -> bool:
        with self._lock:
            return any(held.exemplars for held in self._live(scope))

    def put(self, entry: Entry, exemplars: Sequence[Exemplar] = ()) -> Entry:
        check_embeddings([exemplar.embedding for exemplar in exemplars], self._dims)
        held_bytes = _bytes_of(entry)
        if self._limits.refuses(held_bytes):
            raise StoreError(f"put: an entry of {held_bytes} bytes is larger than the whole store may be")
        with self._lock:
            number = next(self._entry_numbers)
            heat = first_heat(entry.created_at, hits=entry.hits, last_hit_at=entry.last_hit_at)
            held = _Held(number, entry, held_bytes, heat)
            if old := self._replaced(entry):
                kept = replace(entry, id=old.entry.id, hits=old.entry.hits, last_hit_at=old.entry.last_hit_at)
                self._remove([old])
                held = _Held(old.number, kept, held_bytes, combined(old.heat, heat_of(1, at=entry.created_at)))
            held.exemplars = [self._numbered(exemplar, held.entry.id) for exemplar in exemplars]
            self._held[held.entry.id] = held
            self._ids[entry.scope, entry.key] = held.entry.id
            self._held_bytes += held_bytes
            self._evict(spared=held)
            return held.entry

    def add_exemplar(self, exemplar: Exemplar) -> Exemplar | None:
        check_embeddings([exemplar.embedding], self._dims)
        with self._lock:
            if self.get(exemplar.entry_id) is None:
                return None
            added = self._numbered(exemplar, exemplar.entry_id)
            self._held[exemplar.entry_id].exemplars.append(added)
            return added

    def record_hit(self, entry_id: str) -> None:
        with self._lock:
            if held := self._held.get(entry_id):
                now = self._clock()
                held.entry = replace(held.entry, hits=held.entry.hits + 1, last_hit_at=now)
                held.heat = combined(held.heat, heat_of(1, at=now))

    # administration

    def get(self, entry_id: str) -> Entry | None:
        with self._lock:
            held = self._held.get(entry_id)
            return held.entry if held is not None and not self._is_expired(held) else None

    def exemplars(self, entry_id: str) -> list[Exemplar]:
        with self._lock:
            return list(self._held[entry_id].exemplars) if self.get(entry_id) is not None else []

    def page(self, selection: Selection, *, limit: int = 100, cursor: str | None = None) -> Page:
        check_page_size(limit)
        before = Position.decode(cursor)
        with self._lock:
            placed = [(Position(held.entry.created_at, held.number), held.entry) for held in self._live()]
        placed = [(position, entry) for position, entry in placed if _matches(entry, selection)]
        placed = sorted(
            (pair for pair in placed if before is None or pair[0] < before), key=lambda pair: pair[0], reverse=True
        )
        more = placed[limit - 1][0].encode() if len(placed) > limit else None
        return Page(tuple(entry for _, entry in placed[:limit]), more)

    def delete(self, selection: Selection, *, dry_run: bool = False) -> int:
        with self._lock:
            chosen = [held for held in self._held.values() if _matches(held.entry, selection)]
            live = sum(not self._is_expired(held) for held in chosen)
            if not dry_run:
                self._remove(chosen)
            return live

    def expire(self, *, limit: int = 1000) -> int:
        with self._lock:
            return self._remove(self._expired(self._held.values())[:limit])

    def evict(self) -> int:
        with self._lock:
            return self._evict()

    def scan(self) -> Iterator[tuple[Entry, list[Exemplar]]]:
        with self._lock:
            everything = [(held.entry, list(held.exemplars)) for held in self._live()]
        yield from everything

    def foreign_exemplars(self) -> int:
        """None: nothing outlives the model it was opened for."""
        return 0

    def stats(self) -> StoreStats:
        with self._lock:
            live = self._live()
            return StoreStats(
                entries=len(live),
                faq_entries=sum(held.entry.kind is Kind.FAQ for held in live),
                exemplars=sum(len(held.exemplars) for held in live),
                scopes=len({held.entry.scope for held in live}),
                bytes=sum(held.held_bytes for held in live),
                hits=sum(held.entry.hits for held in live),
            )

    def secret(self, name: str) -> bytes:
        with self._lock:
            return self._secrets.setdefault(name, random.token_bytes(32))

    # the ledger

    def book(self, rows: Sequence[LedgerRow]) -> None:
        with self._lock:
            self._ledger += rows

    def ledger_sums(
        self, *, since: float | None = None, until: float | None = None, namespace: str | None = None
    ) -> list[LedgerSum]:
        sums: dict[str, LedgerSum] = {}
        with self._lock:
            rows = list(self._ledger)
        for row in rows:
            outside = (since is not None and row.at < since) or (until is not None and row.at >= until)
            if outside or namespace not in (None, row.namespace):
                continue
            so_far = sums.get(row.outcome, LedgerSum(row.outcome, 0, 0 * row.baseline_usd, 0 * row.cost_usd))
            sums[row.outcome] = LedgerSum(
                row.outcome,
                so_far.requests + 1,
                so_far.baseline_usd + row.baseline_usd,
                so_far.cost_usd + row.cost_usd,
            )
        return [sums[outcome] for outcome in sorted(sums)]

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """Nothing to let go of."""

    # within the lock

    def _live(self, scope: Scope | None = None) -> list[_Held]:
        among = (held for held in self._held.values() if scope is None or held.entry.scope == scope)
        return sorted((held for held in among if not self._is_expired(held)), key=lambda held: held.number)

    def _is_expired(self, held: _Held) -> bool:
        return held.entry.expires_at is not None and held.entry.expires_at <= self._clock()

    def _expired(self, among: Iterable[_Held]) -> list[_Held]:
        expired = [held for held in among if self._is_expired(held)]
        return sorted(expired, key=lambda held: (held.entry.expires_at, held.number))

    def _replaced(self, entry: Entry) -> _Held | None:
        old_id = self._ids.get((entry.scope, entry.key))
        if entry.id in self._held and entry.id != old_id:
            raise StoreError(f"put: the id {entry.id} belongs to another entry")
        return self._held[old_id] if old_id is not None else None

    def _numbered(self, exemplar: Exemplar, entry_id: str) -> Exemplar:
        bare = Embedding(exemplar.embedding.vector, exemplar.embedding.windows)
        return replace(exemplar, entry_id=entry_id, embedding=bare, id=next(self._exemplar_ids))

    def _evict(self, spared: _Held | None = None) -> int:
        surplus, surplus_bytes = self._limits.surplus(entries=len(self._held), held_bytes=self._held_bytes)
        if surplus == surplus_bytes == 0:
            return 0
        learned = [held for held in self._held.values() if held.entry.kind is Kind.LEARNED and held is not spared]
        expired = self._expired(learned)
        gone = {held.number for held in expired}
        alive = sorted(
            (held for held in learned if held.number not in gone), key=lambda held: (held.worth, held.number)
        )
        chosen = []
        for held in [*expired, *alive]:
            if surplus <= 0 and surplus_bytes <= 0:
                break
            chosen.append(held)
            surplus, surplus_bytes = surplus - 1, surplus_bytes - held.held_bytes
        return self._remove(chosen)

    def _remove(self, chosen: list[_Held]) -> int:
        for held in chosen:
            del self._held[held.entry.id]
            del self._ids[held.entry.scope, held.entry.key]
            self._held_bytes -= held.held_bytes
        return len(chosen)


def _bytes_of(entry: Entry) -> int:
    return len(encode_json(entry.message.body)) + len(entry.question.encode("utf-8", "surrogatepass"))


def _matches(entry: Entry, selection: Selection) -> bool:
    """Whether an entry meets every given condition."""
    conditions = (
        selection.namespace in (None, entry.scope.namespace),
        selection.tag is None or selection.tag in entry.tags,
        selection.model in (None, entry.requested_model, entry.served_model),
        selection.kind in (None, entry.kind),
        selection.created_before is None or entry.created_at < selection.created_before,
        selection.entry_ids is None or entry.id in selection.entry_ids,
        selection.text is None or selection.text.casefold() in entry.question.casefold(),
    )
    return all(conditions)
