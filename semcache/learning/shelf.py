"""One learned thing for each namespace: opened from the store on first use, kept in memory, written back."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import RLock
from typing import Any, Generic, Protocol, TypeVar

from semcache.errors import StoreError
from semcache.journal import Journal
from semcache.sharing import SharedDocument
from semcache.stores.store import Store

logger = logging.getLogger(__name__)

MOST_OPEN = 256  # namespaces at once; the one asked longest ago is written and closed


class Learned(Protocol):
    """What stands on a shelf: `semcache.journal.Journalled`, spelt as JSON."""

    def share(self) -> Journal: ...

    def as_json(self) -> dict[str, Any]: ...

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Raises `ValueError`, `KeyError` or `TypeError` for what `as_json` did not write."""
        ...


T = TypeVar("T", bound=Learned)


@dataclass
class _Place(Generic[T]):
    thing: T
    kept: bytes = b""  # as it was last read or written
    shared: SharedDocument | None = None


class Shelf(Generic[T]):
    """A store that fails costs what was learned since it last worked, never a decision. Thread-safe.

    Where other processes share the store, what they learn is taken up at every `save`, and nobody overwrites another.
    """

    def __init__(
        self,
        store: Store,
        prefix: str,
        *,
        fresh: Callable[[], T],
        opened: Callable[[str, T], None] = lambda namespace, thing: None,
    ) -> None:
        """`opened` may add to what was read, when a namespace is opened; it may raise `StoreError`."""
        self._store = store
        self._prefix = prefix
        self._fresh = fresh
        self._opened = opened
        self._places: OrderedDict[str, _Place[T]] = OrderedDict()
        self._lock = RLock()

    def of(self, namespace: str) -> T:
        """What this namespace has learned."""
        place = self._places.get(namespace)
        if place is not None:
            with suppress(KeyError):  # it may be closed at this moment
                self._places.move_to_end(namespace)
            return place.thing
        with self._lock:
            if namespace not in self._places:
                self._places[namespace] = self._open(namespace)
                if len(self._places) > MOST_OPEN:
                    self._save(*self._places.popitem(last=False), newest=-1)
            return self._places[namespace].thing

    def looked_at(self, namespace: str) -> T:
        """The same, only to be reported on: it neither stays open nor closes another."""
        with self._lock:
            place = self._places.get(namespace)
        return self._restored(namespace) if place is None else place.thing

    def namespaces(self) -> list[str]:
        """All that have learned anything. Raises `StoreError`."""
        with self._lock:
            kept = [name.removeprefix(self._prefix) for name in self._store.documents(self._prefix)]
            return sorted({*kept, *self._places})

    def save(self) -> None:
        """Write all that is open, and take up what other processes have written."""
        with self._lock:
            places = list(self._places.items())
        try:
            versions = self._store.document_versions(self._prefix) if self._store.is_shared else {}
        except StoreError as error:
            logger.warning("what others have learned could not be read: %s", type(error).__name__)
            return
        for namespace, place in places:
            self._save(namespace, place, newest=versions.get(self._prefix + namespace, 0))

    def catch_up(self) -> None:
        """Before a report: what is open is as the store has it, where others write there too. Never raises."""
        if self._store.is_shared:
            self.save()

    def _open(self, namespace: str) -> _Place[T]:
        if not self._store.is_shared:
            thing = self._restored(namespace)
            return _Place(thing, _encoded(thing))
        thing = self._fresh()
        shared = SharedDocument(
            self._store,
            self._prefix + namespace,
            thing.share(),
            spell=lambda: _encoded(thing),
            read=lambda content: thing.restore(json.loads(content)),
        )
        self._safely(namespace, lambda: self._take_up(shared, namespace, thing))
        return _Place(thing, shared=shared)

    def _take_up(self, shared: SharedDocument, namespace: str, thing: T) -> None:
        shared.sync(-1)
        self._opened(namespace, thing)

    def _save(self, namespace: str, place: _Place[T], *, newest: int) -> None:
        if place.shared is not None:
            shared = place.shared
            self._safely(namespace, lambda: shared.sync(newest))
            return
        content = _encoded(place.thing)
        if place.kept == content:
            return  # a command beside the service may have learned since
        try:
            self._store.save_document(self._prefix + namespace, content)
            place.kept = content
        except StoreError as error:
            logger.warning("what was learned could not be kept: %s", type(error).__name__)

    def _restored(self, namespace: str) -> T:
        thing = self._fresh()

        def restore() -> None:
            kept = self._store.load_document(self._prefix + namespace)
            if kept is not None:
                thing.restore(json.loads(kept))
                self._opened(namespace, thing)

        return thing if self._safely(namespace, restore) else self._fresh()

    def _safely(self, namespace: str, act: Callable[[], object]) -> bool:
        try:
            act()
        except StoreError as error:
            logger.warning("what %s has learned could not be read or kept: %s", namespace, type(error).__name__)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning("what %s has learned is not readable: %s", namespace, type(error).__name__)
            return False
        return True


def _encoded(thing: Learned) -> bytes:
    return json.dumps(thing.as_json()).encode()
