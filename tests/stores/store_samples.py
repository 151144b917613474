"""What the store tests put into stores."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from semcache.entry import Embedding, Entry, Exemplar, Kind, Label, Origin, Scope, new_entry_id
from semcache.message import text_message
from semcache.stores.ledger_book import LedgerRow
from semcache.stores.store import Observation, Serving, Store

DIMS = 8
SCOPE = Scope("shop", "a" * 64)
OTHER_SCOPE = Scope("shop", "b" * 64)
SPACE = "small-model:1"


def embedding(*components: float, dims: int = DIMS) -> Embedding:
    """The first components of a vector, brought to unit length; the rest are zero."""
    vector = np.zeros(dims, np.float32)
    vector[: len(components)] = components
    length = float(np.linalg.norm(vector))
    vector = (vector / length if length else vector).astype(np.float32)
    return Embedding(vector, vector[None])


def random_embeddings(count: int, *, dims: int = DIMS, seed: int = 0, clusters: int = 0) -> list[Embedding]:
    """Unit vectors, around so many centres if any are asked for."""
    random = np.random.default_rng(seed)
    rows = random.standard_normal((count, dims))
    if clusters:
        centres = random.standard_normal((clusters, dims))
        rows = 0.6 * rows + centres[random.integers(0, clusters, count)]
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return [Embedding(row, row[None]) for row in rows]


def entry(key: str = "k1", *, answer: str = "Within 30 days.", **fields: Any) -> Entry:
    usage = {"input_tokens": 9, "output_tokens": 4}
    known: dict[str, Any] = {
        "id": new_entry_id(),
        "scope": SCOPE,
        "key": key,
        "kind": Kind.LEARNED,
        "question": f"When may I return order {key}?",
        "message": text_message(answer, model="claude-x", message_id="msg_1", usage=usage),
        "requested_model": "claude-x",
        "served_model": "claude-x-20260101",
        "cost_usd": 0.01,
        "created_at": 1_800_000_000.0,
        "expires_at": None,
    }
    return Entry(**{**known, **fields})


def exemplar(of: Entry, vector: Embedding, *, text: str = "Can I send it back?", **fields: Any) -> Exemplar:
    known: dict[str, Any] = {"label": Label.POSITIVE, "origin": Origin.MISS, "created_at": of.created_at}
    return Exemplar(of.id, text, vector, **{**known, **fields})


def serving(id_: str, entry_id: str, **fields: Any) -> Serving:
    known: dict[str, Any] = {"question": f"How do I send {id_} back?", "at": 1_800_000_000.0, "kind": "semantic"}
    return Serving(id_, entry_id, **{**known, **fields})


def observation(kind: str = "label", **fields: Any) -> Observation:
    known: dict[str, Any] = {"namespace": "shop", "at": 1_800_000_000.0, "entry_id": "ent_1", "body": {"same": True}}
    return Observation(kind=kind, **{**known, **fields})


def put(store: Store, key: str, *vectors: Embedding, **fields: Any) -> Entry:
    """Store an entry with an exemplar for each vector."""
    made = entry(key, **fields)
    return store.put(made, [exemplar(made, vector, text=f"{key} {place}") for place, vector in enumerate(vectors)])


def found(store: Store, vector: Embedding, *, scope: Scope = SCOPE, k: int = 16) -> list[str]:
    """The texts of the nearest exemplars."""
    return [candidate.exemplar.text for candidate in store.nearest(scope, vector, k=k)]


def ledger_row(outcome: str = "miss", **fields: Any) -> LedgerRow:
    known: dict[str, Any] = {
        "at": 1_800_000_000.0,
        "namespace": "shop",
        "label": "team-a",
        "outcome": outcome,
        "reason": "no-candidate",
        "requested_model": "claude-x",
        "served_model": "claude-x",
        "baseline_usd": Decimal("0.000000000001"),
        "cost_usd": Decimal("0.1"),
        "input_tokens": 10,
        "output_tokens": 20,
        "latency_ms": 1.5,
    }
    return LedgerRow(**{**known, **fields})
