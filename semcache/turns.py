"""Across processes: of identical calls one goes upstream, under a lease, and the others wait for what it stores."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from threading import Lock

from semcache.errors import StoreError
from semcache.message import Message
from semcache.stores.leases import Held, Lease, Leases

logger = logging.getLogger(__name__)

Recall = Callable[[], Awaitable[Message | None]]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a lease lasts without being renewed, how long others wait, and how often they look."""

    lease_seconds: float = 15.0
    patience_seconds: float = 30.0
    shortest_look_seconds: float = 0.1
    longest_look_seconds: float = 0.25


class Turns:
    """The leases of one process. A store that fails costs the sharing, never the answer."""

    def __init__(self, leases: Leases, *, pace: Pace | None = None, randomness: random.Random | None = None) -> None:
        self._leases = leases
        self._pace = pace or Pace()
        self._random = randomness or random.Random()
        self._owner = secrets.token_hex(8)
        self._held: dict[str, Lease] = {}
        self._renewing: dict[str, asyncio.Task[None]] = {}
        self._lock = Lock()

    # for whoever asks upstream

    async def come(self, key: str, recall: Recall) -> Message | None:
        """Wait for the turn: what another process has stored meanwhile, or None: go upstream, then `leave`.

        None, too, where waiting is of no use any more: patience is at its end, the answer that was waited for turned
        out to be none that is stored, or the store fails.
        """
        holder = await self._acquired(key)
        ends_at = asyncio.get_running_loop().time() + self._pace.patience_seconds
        while holder is not None and asyncio.get_running_loop().time() < ends_at:
            await asyncio.sleep(self._random.uniform(self._pace.shortest_look_seconds, self._pace.longest_look_seconds))
            if (message := await recall()) is not None:
                return message
            now = await self._acquired(key)
            if now is not None and now != holder and not holder.is_followed_by(now):
                return None  # released with nothing stored, and the next has begun: no use in standing in line
            holder = now
        return None

    async def leave(self, key: str) -> None:
        """The call is over, whatever became of it."""
        if (task := self._renewing.pop(key, None)) is not None:
            task.cancel()
        if (lease := self._taken(key)) is not None:
            await asyncio.to_thread(self._release, lease)

    # for whoever stores the answer, on any thread

    def held(self, key: str) -> Lease | None:
        """The lease under which a call is under way, lost or not; None: it goes without."""
        with self._lock:
            return self._held.get(key)

    def note_spent(self, key: str) -> None:
        """The store has taken the lease back, together with the answer."""
        self._taken(key)

    def _taken(self, key: str) -> Lease | None:
        with self._lock:
            return self._held.pop(key, None)

    async def _acquired(self, key: str) -> Held | None:
        """Who has the lease; None: it is ours now, or nobody can tell."""
        asking = asyncio.get_running_loop().run_in_executor(None, self._acquire, key)
        try:
            outcome = await asyncio.shield(asking)
        except asyncio.CancelledError:  # nobody waits for it any more, but the thread goes on
            asking.add_done_callback(self._give_back)
            raise
        if outcome is None or isinstance(outcome, Held):
            return outcome
        with self._lock:
            self._held[key] = outcome
        if key not in self._renewing:
            self._renewing[key] = asyncio.create_task(self._renew(outcome), name="semcache-lease")
        return None

    def _acquire(self, key: str) -> Lease | Held | None:
        try:
            return self._leases.acquire(key, self._owner, seconds=self._pace.lease_seconds)
        except StoreError as error:
            logger.warning("a call goes upstream without a lease: %s", type(error).__name__)
            return None

    def _give_back(self, asked: asyncio.Future[Lease | Held | None]) -> None:
        outcome = None if asked.cancelled() or asked.exception() is not None else asked.result()
        if isinstance(outcome, Lease):
            asked.get_loop().run_in_executor(None, self._release, outcome)

    def _release(self, lease: Lease) -> None:
        try:
            self._leases.release(lease)
        except StoreError as error:  # it ends by itself
            logger.warning("a lease could not be given back: %s", type(error).__name__)

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(self._pace.lease_seconds / 3)
            try:
                if not await asyncio.to_thread(self._leases.renew, lease, seconds=self._pace.lease_seconds):
                    return  # spent or lost; if lost, the store will refuse what is stored under it
            except StoreError as error:
                logger.warning("a lease could not be renewed: %s", type(error).__name__)
