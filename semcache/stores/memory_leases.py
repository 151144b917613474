"""Leases and generations in memory: what every other store's are compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from threading import Lock

from semcache.entry import Scope
from semcache.errors import Overtaken
from semcache.stores.leases import Held, Lease
from semcache.stores.store import Guard, Selection


@dataclass(frozen=True, slots=True)
class _Row:
    lease: Lease
    until: float


class MemoryLeases:
    """Keeps to `semcache.stores.leases.Leases`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rows: dict[str, _Row] = {}
        self._lock = Lock()

    def acquire(self, key: str, owner: str, *, seconds: float) -> Lease | Held:
        with self._lock:
            now, row = self._clock(), self._rows.get(key)
            if row is None:
                lease = Lease(key, owner, 1)
            elif row.lease.owner == owner:
                lease = row.lease
            elif row.until <= now:
                lease = Lease(key, owner, row.lease.fence + 1)
            else:
                return Held(row.lease.owner, row.lease.fence)
            self._rows[key] = _Row(lease, now + seconds)
            return lease

    def renew(self, lease: Lease, *, seconds: float) -> bool:
        with self._lock:
            if not self._has(lease):
                return False
            self._rows[lease.key] = replace(self._rows[lease.key], until=self._clock() + seconds)
            return True

    def release(self, lease: Lease) -> None:
        self.give_back(lease)

    def give_back(self, lease: Lease) -> bool:
        """Release it; whether it had not been lost."""
        with self._lock:
            if not self._has(lease):
                return False
            del self._rows[lease.key]
            return True

    def check(self, scope: Scope, guard: Guard, generations: Generations) -> None:
        """Give the guard's lease back. Raises `Overtaken` where it has been lost, or the scope been invalidated."""
        if guard.generation is not None and generations.of(scope) != guard.generation:
            raise Overtaken("put: answers of this namespace were removed after this one was asked for")
        if guard.lease is not None and not self.give_back(guard.lease):
            raise Overtaken("put: the lease under which this answer was asked for has been lost")

    def _has(self, lease: Lease) -> bool:
        row = self._rows.get(lease.key)
        return row is not None and row.lease == lease


class Generations:
    """How often the answers of each namespace have been invalidated. To be used under the store's lock."""

    def __init__(self) -> None:
        self._counts: Counter[str | None] = Counter()  # None: those that meant all

    def of(self, scope: Scope) -> int:
        return self._counts[scope.namespace] + self._counts[None]

    def advance(self, selection: Selection, chosen: Iterable[Scope]) -> None:
        """Whatever of the selection is being answered now is not to be stored. `chosen`: the scopes of its entries."""
        if selection.namespace is not None:
            self._counts[selection.namespace] += 1
        elif selection.entry_ids is not None:
            self._counts.update({scope.namespace for scope in chosen})
        else:
            self._counts[None] += 1
