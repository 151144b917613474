"""How a rehearsal that was interrupted goes on: what had come of it is kept beside its store, now and then."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from semcache.errors import SettingsError
from semcache.stores.store import Selection, Store
from semcache.traffic.rehearsing import Rehearsal, Tally

FILE_NAME = "replay.json"
EVERY = 1000  # requests


@dataclass(frozen=True)
class Checkpoint:
    """Where a rehearsal stood: after so many requests, at that time, with that tally."""

    requests: int
    now: float
    tally: Tally


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """None where nothing was begun there. Raises `SettingsError` for a file that is none of ours."""
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        body = json.loads(path.read_text("utf-8"))
        return Checkpoint(int(body["requests"]), float(body["now"]), Tally.from_json(body["tally"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path}: not the state of a replay; remove it, or name another folder") from error


def keep(folder: Path, rehearsal: Rehearsal) -> None:
    """Keep how far it is; what has been learned goes into its store first."""
    assembly = rehearsal.cache.parts.assembly
    assembly.ledger.flush()
    assembly.save()
    assembly.store.flush()
    tally = rehearsal.tally
    body = {"requests": tally.requests, "now": rehearsal.clock.now, "tally": tally.as_json()}
    waiting = folder / f"{FILE_NAME}.new"
    waiting.write_text(json.dumps(body), "utf-8")
    os.replace(waiting, folder / FILE_NAME)


def forget_after(store: Store, now: float) -> None:
    """Undo what was booked and stored after a checkpoint: those requests are run again."""
    just_after = now + 0.0005
    store.replace_ledger(just_after, float("inf"), ())
    cursor = None
    while True:
        page = store.page(Selection(), limit=500, cursor=cursor)
        late = tuple(entry.id for entry in page.entries if entry.created_at > just_after)
        if late:
            store.delete(Selection(entry_ids=late))
        cursor = page.next_cursor
        if cursor is None or len(late) < len(page.entries):  # newest first: what follows is older
            return
