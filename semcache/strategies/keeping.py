"""What strategies have learned, written to the store now and then, and taken up again at the next start."""

from __future__ import annotations

import logging
from typing import Protocol

from semcache.errors import StoreError
from semcache.stores.store import Store

logger = logging.getLogger(__name__)


class Keepable(Protocol):
    """Something that can be written down and read again."""

    def to_bytes(self) -> bytes: ...

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` or `KeyError` for what `to_bytes` did not write."""
        ...


class Keeping:
    """A store that fails costs what was learned since it last worked, and nothing else."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._things: dict[str, Keepable] = {}
        self._kept: dict[str, bytes] = {}

    def keep(self, name: str, thing: Keepable) -> None:
        """Look after this thing, under this name in the store."""
        self._things[name] = thing

    def restore(self) -> None:
        """Take up what the last process left."""
        for name, thing in self._things.items():
            try:
                content = self._store.load_document(name)
                if content is not None:
                    thing.restore(content)
            except StoreError as error:
                logger.warning("%s could not be read: %s", name, type(error).__name__)
            except (ValueError, TypeError, KeyError) as error:
                logger.warning("%s are not readable, so they are learned anew: %s", name, type(error).__name__)

    def save(self) -> None:
        """Write what has changed."""
        for name, thing in self._things.items():
            content = thing.to_bytes()
            if self._kept.get(name) == content:
                continue
            try:
                self._store.save_document(name, content)
                self._kept[name] = content
            except StoreError as error:
                logger.warning("%s could not be kept: %s", name, type(error).__name__)
