"""Leases in Redis: a hash for each, in a slot of its own."""

from __future__ import annotations

from semcache.errors import Overtaken
from semcache.stores.leases import Held, Lease
from semcache.stores.redis.scopes import Scopes
from semcache.stores.redis.scripts import script
from semcache.stores.redis.spelling import spelled


class RedisLeases:
    """Keeps to `semcache.stores.leases.Leases`."""

    def __init__(self, scopes: Scopes) -> None:
        self._link = scopes.link
        self._scopes = scopes

    def acquire(self, key: str, owner: str, *, seconds: float) -> Lease | Held:
        words = (self._scopes.now, owner, repr(float(seconds)))
        is_mine, has_it, fence = self._link.run(script("lease_acquire"), self._slot(key), *words)
        return Lease(key, owner, int(fence)) if is_mine else Held(has_it.decode(), int(fence))

    def renew(self, lease: Lease, *, seconds: float) -> bool:
        words = (self._scopes.now, lease.owner, lease.fence, repr(float(seconds)))
        return bool(self._link.run(script("lease_renew"), self._slot(lease.key), *words))

    def release(self, lease: Lease) -> None:
        self.give_back(lease)

    def give_back(self, lease: Lease) -> bool:
        """Release it; whether it had not been lost."""
        return bool(self._link.run(script("lease_release"), self._slot(lease.key), lease.owner, lease.fence))

    def consume(self, lease: Lease) -> None:
        """Give the lease back that an answer is stored under. Raises `Overtaken` where it has been lost.

        Its key is a caller's, so its slot is not that of the scope, and no step covers both. It need not: whoever gives
        it back had it until then, so nobody else has been asked to answer meanwhile, and nobody can lose it twice. A
        holder whom another followed finds no lease of its fence, and stores nothing.
        """
        if not self.give_back(lease):
            raise Overtaken("put: the lease under which this answer was asked for has been lost")

    def _slot(self, key: str) -> str:
        return f"{{{self._link.prefix}:lease:{spelled(key)}}}"
