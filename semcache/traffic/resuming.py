"""How a rehearsal that was interrupted goes on: from a copy of its store, made now and then.

What came after the copy is run again.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from semcache.errors import SettingsError
from semcache.traffic.rehearsing import Rehearsal, Standing

_FILE_NAME = "replay.json"
_STORE = ("cache.sqlite3", "cache.sqlite3-wal")
_LEAST_BETWEEN = 250  # requests
_SHARE_BETWEEN = 0.1  # ... and of those that are done: copies of a large store take their time


def go_back(folder: Path) -> Standing | None:
    """Bring the store in this folder to where it was last kept, or to its beginning: None.

    Raises `SettingsError` where what was kept is none of ours.
    """
    path, standing, copies = folder / _FILE_NAME, None, None
    if path.is_file():
        try:
            body = json.loads(path.read_text("utf-8"))
            standing, copies = Standing.from_json(body["standing"]), folder / str(body["store"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"{path}: not the state of a replay; remove it, or name another folder") from error
    for old in (*folder.glob("cache.sqlite3*"), *folder.glob("vectors-*")):
        old.unlink()
    if copies is not None:
        for copy in copies.iterdir():
            shutil.copyfile(copy, folder / copy.name)
    return standing


class Keeper:
    """Keeps how far a rehearsal is, every so many requests."""

    def __init__(self, folder: Path, rehearsal: Rehearsal) -> None:
        self._folder = folder
        self._rehearsal = rehearsal
        self._kept_at = rehearsal.tally.requests

    def note(self, requests: int) -> None:
        """So many are done."""
        if requests >= self._kept_at + max(_LEAST_BETWEEN, _SHARE_BETWEEN * self._kept_at):
            self.keep()

    def keep(self) -> None:
        """Between two requests, when nothing is written. Whole or not at all, whatever happens meanwhile."""
        assembly = self._rehearsal.cache.parts.assembly
        assembly.ledger.flush()
        assembly.save()
        assembly.store.flush()
        self._kept_at = self._rehearsal.tally.requests
        copies = self._folder / f"kept-{self._kept_at}"
        shutil.rmtree(copies, ignore_errors=True)
        copies.mkdir()
        for file in (self._folder / name for name in _STORE):
            if file.is_file():
                shutil.copyfile(file, copies / file.name)
        body = {"store": copies.name, "standing": self._rehearsal.standing().as_json()}
        waiting = self._folder / f"{_FILE_NAME}.new"
        waiting.write_text(json.dumps(body), "utf-8")
        os.replace(waiting, self._folder / _FILE_NAME)
        for old in self._folder.glob("kept-*"):
            if old != copies:
                shutil.rmtree(old)
