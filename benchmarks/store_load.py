"""What is put into stores and asked of them, by one caller or many, and how long that takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import numpy as np
from store_subjects import DIMS

from semcache.entry import Embedding, Entry, Exemplar, Kind, Scope, new_entry_id
from semcache.errors import StoreUnavailable
from semcache.message import text_message
from semcache.search import NEAREST
from semcache.stores.store import Store

ANSWER = "Open the settings, choose the entry you mean, and follow the three steps on the screen. " * 3
FILLERS = 4  # threads that fill a store
_CLUSTERS_OF = 8  # entries that ask about much the same, as they do in a cache of questions


class Content:
    """Entries about as alike as questions to one help desk are, and questions near them. The same for the same seed."""

    def __init__(self, entries: int, *, seed: int = 1) -> None:
        random = np.random.default_rng(seed)
        centres = random.standard_normal((max(1, entries // _CLUSTERS_OF), DIMS))
        rows = centres[random.integers(0, len(centres), entries)] + 0.7 * random.standard_normal((entries, DIMS))
        self.rows = _units(rows)
        self._random = random

    def asked(self, numbers: Sequence[int]) -> np.ndarray[Any, Any]:
        """The questions of these entries in other words."""
        noise = self._random.standard_normal((len(numbers), DIMS))
        return _units(self.rows[list(numbers)] + 0.02 * noise)


def scope_of(number: int) -> Scope:
    return Scope("benchmark", f"{number:064x}")


def key_of(number: int) -> str:
    return f"{number:064x}"


def put(store: Store, scope: Scope, number: int, row: np.ndarray[Any, Any]) -> None:
    """One answer as the service stores it, with one exemplar."""
    now = time.time()
    text = f"How do I change the setting number {number} of my account?"
    message = text_message(f"{number}. {ANSWER}", model="claude-haiku-5-5", message_id=f"msg_{number}", usage={})
    entry = Entry(
        new_entry_id(), scope, key_of(number), Kind.LEARNED, text, message, "claude-haiku-5-5", "claude-haiku-5-5",
        0.001, now, now + 86_400.0,
    )  # fmt: skip
    store.put(entry, [Exemplar(entry.id, text, Embedding(row, row[None]), created_at=now, key=entry.key)])


def fill(store: Store, content: Content, start: int, stop: int, scope: Callable[[int], Scope]) -> None:
    """Put the entries with these numbers."""
    with ThreadPoolExecutor(FILLERS) as pool:
        for done in [pool.submit(put, store, scope(n), n, content.rows[n]) for n in range(start, stop)]:
            done.result()


def nearest(store: Store, scope: Scope, row: np.ndarray[Any, Any]) -> None:
    """A similar lookup as the service does it."""
    if not store.nearest(scope, Embedding(row, row[None]), k=NEAREST):
        raise SystemExit("nothing was found: this would not measure what it says")


def exact(store: Store, scope: Scope, number: int) -> None:
    if store.get_exact(scope, key_of(number)) is None:
        raise SystemExit("nothing was found: this would not measure what it says")


@dataclass(frozen=True)
class Run:
    """Latencies of calls, and the time from the first's beginning to the last's end."""

    latencies_ms: list[float]
    seconds: float
    refused: int = 0  # calls that the store could not take: to the service, misses


def timed(acts: Sequence[Callable[[], Any]], callers: int, *, most_seconds: float) -> Run:
    """Do all of these, by so many threads of one process, each its share; what is not begun in time is left out.

    A store that has more to do than it can refuses calls, as while it loads a large scope: they are counted.
    """
    start, latencies = Barrier(callers + 1), [[] for _ in range(callers)]  # type: ignore[var-annotated]
    refused: list[int] = []

    def work(number: int) -> None:
        start.wait()
        for act in acts[number::callers]:
            began = time.perf_counter()
            if began > until:
                return
            try:
                act()
            except StoreUnavailable:
                refused.append(number)
            else:
                latencies[number].append((time.perf_counter() - began) * 1000)

    with ThreadPoolExecutor(callers) as pool:
        workers = [pool.submit(work, number) for number in range(callers)]
        began = time.perf_counter()
        until = began + most_seconds
        start.wait()
        for worker in workers:
            worker.result()
    return Run([each for share in latencies for each in share], time.perf_counter() - began, len(refused))


def _units(rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
