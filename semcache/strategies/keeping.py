"""What strategies have learned, written to the store now and then, and taken up again at the next start."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

from semcache.errors import StoreError
from semcache.journal import Journal
from semcache.sharing import SharedDocument
from semcache.stores.store import Store

logger = logging.getLogger(__name__)


class Keepable(Protocol):
    """Something that can be written down and read again: `semcache.journal.Journalled`."""

    def share(self) -> Journal: ...

    def to_bytes(self) -> bytes: ...

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` or `KeyError` for what `to_bytes` did not write."""
        ...


@dataclass
class _Kept:
    name: str
    thing: Keepable
    is_urgent: bool
    content: bytes = b""  # as it was last written
    shared: SharedDocument | None = None


class Keeping:
    """A store that fails costs what was learned since it last worked, and nothing else.

    Where other processes share the store, saving takes up what they have learned too, and overwrites none of it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: list[_Kept] = []

    def keep(self, name: str, thing: Keepable, *, is_urgent: bool = False) -> None:
        """Look after this thing, under this name in the store. Urgent: other processes must know within a second."""
        kept = _Kept(name, thing, is_urgent)
        if self._store.is_shared:
            journal = thing.share()
            kept.shared = SharedDocument(self._store, name, journal, spell=thing.to_bytes, read=thing.restore)
        self._kept.append(kept)

    def restore(self) -> None:
        """Take up what the last process left, or the others have."""
        unread = []
        for kept in self._kept:
            try:
                if kept.shared is not None:
                    kept.shared.sync(-1)
                elif (content := self._store.load_document(kept.name)) is not None:
                    kept.thing.restore(content)
            except StoreError:
                unread.append(kept.name)
            except (ValueError, TypeError, KeyError) as error:
                logger.warning("%s are not readable, so they are learned anew: %s", kept.name, type(error).__name__)
        if unread:
            logger.warning("the store did not give what was learned: %s", ", ".join(unread))

    def save(self, *, only_urgent: bool = False) -> None:
        """Write what has changed."""
        chosen = [kept for kept in self._kept if kept.is_urgent or not only_urgent]
        try:
            versions = self._store.document_versions("") if self._store.is_shared else {}
        except StoreError as error:
            logger.warning("what others have learned could not be read: %s", type(error).__name__)
            return
        for kept in chosen:
            try:
                self._save(kept, versions.get(kept.name, 0))
            except StoreError as error:
                logger.warning("%s could not be kept: %s", kept.name, type(error).__name__)

    def _save(self, kept: _Kept, newest: int) -> None:
        if kept.shared is not None:
            kept.shared.sync(newest)
            return
        content = kept.thing.to_bytes()
        if content != kept.content:
            self._store.save_document(kept.name, content)
            kept.content = content
