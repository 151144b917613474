"""An observation as the columns of a table."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from semcache.request import encode_json
from semcache.stores.conditions import joined
from semcache.stores.store import Observation

COLUMNS = "namespace, kind, at, entry_id, body"
NEWEST_FIRST = "ORDER BY at DESC, seq DESC"


def values_of(row: Observation) -> tuple[object, ...]:
    """In the order of `COLUMNS`."""
    return row.namespace, row.kind, row.at, row.entry_id, encode_json(row.body)


def observations_from(rows: Iterable[Any]) -> list[Observation]:
    """From rows of `COLUMNS`."""
    return [
        Observation(namespace, kind, at, entry_id, json.loads(body)) for namespace, kind, at, entry_id, body in rows
    ]


def condition(kind: str, *, namespace: str | None, since: float | None, mark: str) -> tuple[str, list[object]]:
    return joined([(f"kind = {mark}", [kind]), (f"namespace = {mark}", [namespace]), (f"at >= {mark}", [since])])
