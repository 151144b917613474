"""A document that several processes change together: nobody's change overwrites another's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Lock

from semcache.journal import Journal
from semcache.stores.store import Store

logger = logging.getLogger(__name__)

_ATTEMPTS = 8  # at handing out changes while others do; what is left over goes out with the next


class SharedDocument:
    """One process's copy of it, with the journal of what was done to the copy since it was last handed out."""

    def __init__(
        self, store: Store, name: str, journal: Journal, *, spell: Callable[[], bytes], read: Callable[[bytes], None]
    ) -> None:
        """`read` puts a content in the copy's place. It raises `ValueError`, `KeyError` or `TypeError` for nonsense."""
        self.name = name
        self._store = store
        self._journal = journal
        self._spell = spell
        self._read = read
        self._version = 0  # that the copy was read from, or handed out as
        self._syncing = Lock()  # what is being handed out must not be done again upon what another thread reads

    def sync(self, newest: int) -> None:
        """Take up what others have done, `newest` being the version in the store, and hand out what was done here.

        Raises `StoreError`; then nothing is lost, and the next call does it.
        """
        with self._syncing:
            self._sync(newest)

    def _sync(self, newest: int) -> None:
        for _ in range(_ATTEMPTS):
            if newest != self._version:
                self._take_up()
            with self._journal.lock:
                count = len(self._journal)
                content = self._spell() if count else b""
            if not count:
                return
            if self._store.swap_document(self.name, content, version=self._version):
                self._version += 1
                self._journal.forget(count)
                return
            newest = -1  # somebody was quicker

    def _take_up(self) -> None:
        content, version = self._store.versioned_document(self.name)
        with self._journal.within():
            if content is not None:
                try:
                    self._read(content)
                except (ValueError, TypeError, KeyError) as error:
                    logger.warning("%s is not readable, so it is learned anew: %s", self.name, type(error).__name__)
                else:
                    self._journal.do_again()
            self._version = version
