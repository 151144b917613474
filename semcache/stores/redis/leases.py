"""Leases in Redis: a hash for each, in a slot of its own."""

from __future__ import annotations

from semcache.errors import Overtaken
from semcache.stores.leases import Held, Lease
from semcache.stores.redis.scopes import Scopes
from semcache.stores.redis.scripts import lease_script
from semcache.stores.redis.spelling import spelled

_STORING_SECONDS = 10.0  # longer than any write may take


class RedisLeases:
    """Keeps to `semcache.stores.leases.Leases`."""

    def __init__(self, scopes: Scopes) -> None:
        self._link = scopes.link
        self._scopes = scopes

    def acquire(self, key: str, owner: str, *, seconds: float) -> Lease | Held:
        words = (self._scopes.now, owner, repr(float(seconds)))
        is_mine, has_it, fence = self._link.run(lease_script("acquire"), self._slot(key), *words)
        return Lease(key, owner, int(fence)) if is_mine else Held(has_it.decode(), int(fence))

    def renew(self, lease: Lease, *, seconds: float) -> bool:
        words = (self._scopes.now, lease.owner, lease.fence, repr(float(seconds)))
        return bool(self._link.run(lease_script("renew"), self._slot(lease.key), *words))

    def release(self, lease: Lease) -> None:
        self._link.run(lease_script("release"), self._slot(lease.key), lease.owner, lease.fence)

    def hold(self, lease: Lease, answer: str) -> None:
        """Keep the lease that an answer, by any name, is about to be stored under.

        Raises `Overtaken` where it has been lost, or another answer came first.

        Its key is a caller's, so its slot is not that of the scope, and no step covers both. It need not: a holder whom
        another followed finds no lease of its fence, and stores nothing; whoever is not lost has it until the answer is
        there, and only then gives it back. Given back before, the next in line would find no answer, and ask again.
        """
        words = (self._scopes.now, lease.owner, lease.fence, repr(_STORING_SECONDS), answer)
        if not self._link.run(lease_script("store"), self._slot(lease.key), *words):
            raise Overtaken("put: the lease under which this answer was asked for has been lost")

    def _slot(self, key: str) -> str:
        return f"{{{self._link.prefix}:lease:{spelled(key)}}}"
