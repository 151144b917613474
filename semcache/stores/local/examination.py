"""Examines a store's file without changing it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_ORPHANS = (
    ("exemplars without an entry", "SELECT count(*) FROM exemplars WHERE entry NOT IN (SELECT seq FROM entries)"),
    ("entries without a message", "SELECT count(*) FROM entries WHERE seq NOT IN (SELECT entry FROM bodies)"),
)


def problems_in(file: Path) -> list[str]:
    """What is wrong with the SQLite file; an empty list where nothing is, or where there is no file yet."""
    if not file.exists():
        return []
    try:
        connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        try:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            problems = [] if verdict == "ok" else [verdict]
            counted = ((what, connection.execute(query).fetchone()[0]) for what, query in _ORPHANS)
            return problems + [f"{count} {what}" for what, count in counted if count]
        finally:
            connection.close()
    except sqlite3.Error as error:
        return [f"cannot be read as a database: {error}"]
