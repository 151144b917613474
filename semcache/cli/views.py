"""Lookups and answers as plain values for JSON."""

from __future__ import annotations

from typing import Any

from semcache.entry import Bypass, Hit, Lookup, Miss
from semcache.exchange import Answer


def lookup_view(lookup: Lookup) -> dict[str, Any]:
    """What a lookup found, and why."""
    match lookup:
        case Hit():
            return {
                "outcome": lookup.kind.value,
                "entry": lookup.entry.id,
                "question": lookup.entry.question,
                "similarity": round(lookup.similarity, 4),
                "confidence": round(lookup.confidence, 4),
                "considered": _considered(lookup),
            }
        case Miss():
            return {"outcome": "miss", "reason": lookup.reason, "considered": _considered(lookup)}
        case Bypass():
            inner = lookup_view(lookup.would_be) if lookup.would_be is not None else None
            return {"outcome": "bypass", "reason": lookup.reason, "would_be": inner}


def answer_view(answer: Answer, *, latency_ms: float) -> dict[str, Any]:
    """An answer with what it cost."""
    return {
        "answer": answer.message.text,
        "model": answer.message.model,
        **lookup_view(answer.lookup),
        "stored": answer.stored.id if answer.stored else None,
        "cost_usd": answer.cost_usd,
        "saved_usd": answer.saved_usd,
        "latency_ms": round(latency_ms, 2),
    }


def _considered(lookup: Hit | Miss) -> list[dict[str, Any]]:
    return [
        {
            "entry": each.entry_id,
            "similarity": round(each.similarity, 4),
            "confidence": round(each.confidence, 4),
            "objections": list(each.objections),
        }
        for each in lookup.considered
    ]
