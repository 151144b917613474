"""Versions that were proposed and examined, kept in the store until somebody approves one of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from semcache.errors import InvalidRequest
from semcache.request import Json
from semcache.stores.store import Store
from semcache.strategies.approved_prompts import Approved

DOCUMENT = "examined-prompts"
_MOST = 60  # the latest


@dataclass(frozen=True)
class Draft:
    """A version as it would be approved, and what speaks against it."""

    version: Approved
    objections: tuple[str, ...] = ()
    title: str = ""


def keep_drafts(store: Store, drafts: Sequence[Draft]) -> None:
    """Beside those that were kept before. Raises `StoreError`."""
    new = {draft.version.id for draft in drafts}
    known = [*(draft for draft in read_drafts(store) if draft.version.id not in new), *drafts]
    rows = [asdict(draft) for draft in known[-_MOST:]]
    store.save_document(DOCUMENT, json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def read_drafts(store: Store) -> list[Draft]:
    """The latest last. Raises `StoreError`; what another version of semcache wrote is nothing."""
    content = store.load_document(DOCUMENT)
    try:
        rows: list[Json] = [] if content is None else json.loads(content.decode("utf-8", "surrogatepass"))
        return [Draft(Approved(**row["version"]), tuple(row["objections"]), str(row["title"])) for row in rows]
    except (ValueError, TypeError, KeyError):
        return []


def find_draft(store: Store, name: str) -> Draft:
    """By its hash, or the beginning of it. Raises `InvalidRequest`, `StoreError`."""
    found = [draft for draft in read_drafts(store) if draft.version.id.startswith(name.lower())]
    if len(found) != 1 or not name:
        problem = "no version" if not found else "more than one version"
        raise InvalidRequest(f"{name or 'hash'}: {problem} is called so; see `semcache optimize list`")
    return found[0]
