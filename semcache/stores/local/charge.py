"""Who is in charge: a lock on a file that the system takes back from whoever dies, by `kill -9` too."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from semcache.errors import StoreUnavailable


def seize(path: Path) -> IO[bytes] | None:
    """The open file, which is the charge; None: another process, or another opener in this one, has it."""
    try:
        file = path.open("ab")
    except OSError as error:
        raise StoreUnavailable(
            f"{path}: cannot be opened ({error.strerror}); give this user write permission"
        ) from error
    try:
        _lock(file)
    except OSError:
        file.close()
        return None
    return file


def release(file: IO[bytes]) -> None:
    """Give it back. Closing would do, but not while a child that was forked meanwhile holds the file too."""
    with suppress(OSError):
        _unlock(file)
    file.close()


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
