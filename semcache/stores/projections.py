"""The scopes whose vectors this process holds: loaded behind the requests that ask for them, within a memory budget."""

from __future__ import annotations

import logging
from collections import OrderedDict
from threading import Lock
from typing import Generic

from semcache.entry import Scope
from semcache.stores.following import Followed, Mark, Source
from semcache.stores.upkeep import Chore

logger = logging.getLogger(__name__)

_MOST_ASKED = 64  # scopes that wait to be loaded; whoever is not among them asks again
_MOST_REFUSED = 1000
# A scope makes way when it was left alone for so many searches for each one that is held: so that more scopes than
# there is room for, asked in turn, do not load each other out of it all the time.
_PATIENCE = 16


class Projections(Generic[Mark]):
    """Thread-safe. A scope that is not held, or not yet, is searched in the server."""

    def __init__(self, source: Source[Mark], *, memory_bytes: int) -> None:
        self._source = source
        self._budget_bytes = memory_bytes
        self._lock = Lock()
        self._held: OrderedDict[Scope, Followed[Mark]] = OrderedDict()
        self._searches = 0
        self._used_at: dict[Scope, int] = {}  # by the number of the search; of those that are held
        self._refused_at: dict[Scope, int] = {}
        self._asked: dict[Scope, None] = {}
        self._loading = Chore("vector-loading", self._load_asked)

    @property
    def memory_bytes(self) -> int:
        with self._lock:
            return self._used_bytes()

    def find(self, scope: Scope) -> Followed[Mark] | None:
        """What is held of a scope that is searched now."""
        with self._lock:
            self._searches += 1
            if scope not in self._held:
                return None
            self._held.move_to_end(scope)
            self._used_at[scope] = self._searches
            return self._held[scope]

    def ask(self, scope: Scope) -> None:
        """Load this scope, or load it anew, as soon as may be."""
        with self._lock:
            refused_at = self._refused_at.get(scope)
            is_refused = refused_at is not None and self._searches - refused_at <= self._patience()
            if is_refused or scope in self._asked or len(self._asked) >= _MOST_ASKED:
                return
            self._asked[scope] = None
        self._loading.ask()

    def load(self, scope: Scope) -> None:
        """Read all of a scope, if there is room for it. Raises `StoreError`."""
        begun = self._source.begin(scope)
        if begun is None:
            return
        projection, keys = self._source.empty(), dict[int, bytes]()
        if not self._makes_room(scope, begun.memory_bytes(projection.slot_bytes)):
            return
        for portion in self._source.pages(scope):
            if self._loading.is_stopped():
                return
            projection.add(portion.rows)
            keys.update(portion.keys)
        self._hold(scope, Followed(projection, keys, begun.stand))

    def grown(self, scope: Scope, followed: Followed[Mark]) -> None:
        """Rows have come to it: others may have to make way, and it may be time to read it anew."""
        with self._lock:
            self._make_way(spared=scope)
        if followed.is_outgrown:
            self.ask(scope)

    def drop(self, scope: Scope, followed: Followed[Mark]) -> None:
        """It is not to be used any more; the next search in the server asks for it anew."""
        with self._lock:
            if self._held.get(scope) is followed:
                self._let_go(scope)

    def close(self) -> None:
        """Stop loading. May be called twice."""
        self._loading.stop()

    def _load_asked(self) -> None:
        try:
            while (scope := self._next_asked()) is not None and not self._loading.is_stopped():
                self.load(scope)
                with self._lock:
                    self._asked.pop(scope, None)
        except BaseException:
            with self._lock:
                self._asked.clear()  # whoever waits for one of them asks again
            raise

    def _next_asked(self) -> Scope | None:
        with self._lock:
            return next(iter(self._asked), None)

    def _hold(self, scope: Scope, followed: Followed[Mark]) -> None:
        with self._lock:
            self._held[scope] = followed
            self._held.move_to_end(scope)
            self._used_at[scope] = self._searches
            self._make_way(spared=scope)
        logger.info("scope %s: %d vectors held in memory", scope.short, len(followed.projection.ids))

    def _makes_room(self, scope: Scope, wanted_bytes: int) -> bool:
        """Whether there is room for so much, where need be after those made way that nobody asks for."""
        with self._lock:
            others = [each for each in self._held if each != scope]
            idle = [each for each in others if self._searches - self._used_at[each] > self._patience()]
            others_bytes = sum(self._held[each].memory_bytes for each in others)
            idle_bytes = sum(self._held[each].memory_bytes for each in idle)
            if others_bytes - idle_bytes + wanted_bytes > self._budget_bytes:
                if len(self._refused_at) >= _MOST_REFUSED:
                    self._refused_at.clear()
                self._refused_at[scope] = self._searches
                return False
            self._refused_at.pop(scope, None)
            for each in idle:  # the longest left alone first
                if others_bytes + wanted_bytes <= self._budget_bytes:
                    break
                others_bytes -= self._held[each].memory_bytes
                self._let_go(each)
            return True

    # with the lock held

    def _make_way(self, *, spared: Scope) -> None:
        """The longest left alone first; the one that is spared only where it is too large alone."""
        while self._used_bytes() > self._budget_bytes:
            self._let_go(next((each for each in self._held if each != spared), spared))

    def _let_go(self, scope: Scope) -> None:
        del self._held[scope], self._used_at[scope]

    def _used_bytes(self) -> int:
        return sum(each.memory_bytes for each in self._held.values())

    def _patience(self) -> int:
        return _PATIENCE * (1 + len(self._held))
