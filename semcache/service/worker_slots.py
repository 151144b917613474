"""Where workers behind one port put down what the others should know: one folder each, within the supervisor's.

A worker holds the lock of its folder for as long as it lives, so nobody has to ask who is dead. One that starts takes
over the folder of one that died, with what lies in it: there are no more folders than there were workers at one time.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path


@dataclass(frozen=True)
class Note:
    """What another worker has put down."""

    content: bytes
    is_by_living: bool


class WorkerSlot:
    """This worker's folder. Raises `OSError`, as do its methods."""

    def __init__(self, folder: Path) -> None:
        """Take the first that nobody holds. `folder` is there already, and private."""
        self._folder = folder
        for number in count():
            self._own = folder / str(number)
            self._own.mkdir(mode=0o700, exist_ok=True)
            self._lock = os.open(self._own, os.O_RDONLY | os.O_DIRECTORY)
            if _locked(self._lock, fcntl.LOCK_EX):
                break
            os.close(self._lock)

    def left(self, name: str) -> bytes | None:
        """What lies in this folder, of this worker or of one before it."""
        with suppress(FileNotFoundError):
            return (self._own / name).read_bytes()
        return None

    def put(self, name: str, content: bytes) -> None:
        """In place of what was there; whoever reads sees the one or the other."""
        arriving = self._own / f"{name}.new"
        arriving.write_bytes(content)
        os.replace(arriving, self._own / name)

    def others(self, name: str) -> Iterator[Note]:
        """What lies in every other folder."""
        for path in sorted(self._folder.iterdir()):
            if path == self._own:
                continue
            is_by_living = _is_held(path)
            with suppress(FileNotFoundError):
                yield Note((path / name).read_bytes(), is_by_living)

    def close(self) -> None:
        """From now on this worker counts as dead. Not to be called twice."""
        os.close(self._lock)


def _is_held(path: Path) -> bool:
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return not _locked(lock, fcntl.LOCK_SH)
    finally:
        os.close(lock)


def _locked(lock: int, how: int) -> bool:
    try:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
