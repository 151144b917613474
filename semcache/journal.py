"""What several processes learn together: each does again, upon what the others left, what it has done since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, update_wrapper
from threading import RLock
from typing import Concatenate, ParamSpec, TypeVar

MOST_NOTED = 100_000  # operations; beyond, the oldest are forgotten: their share in what is learned is lost

P = ParamSpec("P")
R = TypeVar("R")
Thing = TypeVar("Thing", bound="Journalled")


class Journal:
    """Operations in the order in which they were done. Thread-safe."""

    def __init__(self) -> None:
        self.lock = RLock()
        self._done: list[Callable[[], object]] = []
        self._depth = 0  # operations within operations are not noted for themselves

    def __len__(self) -> int:
        return len(self._done)

    @contextmanager
    def within(self) -> Iterator[bool]:
        """An operation is being done; whether it is one to note."""
        with self.lock:
            self._depth += 1
            try:
                yield self._depth == 1
            finally:
                self._depth -= 1

    def note(self, operation: Callable[[], object]) -> None:
        """It has been done."""
        with self.lock:
            self._done.append(operation)
            del self._done[:-MOST_NOTED]

    def do_again(self) -> None:
        """Everything that is noted, upon what has been read anew. For whoever is `within`."""
        for operation in self._done:
            operation()

    def forget(self, count: int) -> None:
        """The oldest so many have been handed out."""
        with self.lock:
            del self._done[:count]


class Journalled:
    """A thing with operations. Until it is shared, nothing is noted, and nothing is paid for it."""

    journal: Journal | None = None

    def share(self) -> Journal:
        """Note operations from now on."""
        if self.journal is None:
            self.journal = Journal()
        return self.journal


def operation(method: Callable[Concatenate[Thing, P], R]) -> Callable[Concatenate[Thing, P], R]:
    """For a method that changes a journalled thing, and depends on nothing but the thing and its arguments."""

    def noted(self: Thing, /, *args: P.args, **options: P.kwargs) -> R:
        journal = self.journal
        if journal is None:
            return method(self, *args, **options)
        with journal.within() as is_outermost:
            result = method(self, *args, **options)
            if is_outermost:
                journal.note(partial(method, self, *args, **options))
            return result

    return update_wrapper(noted, method)
