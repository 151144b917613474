"""Lookups and answers as plain values for JSON: the same keys whatever the outcome, and on every face."""

from __future__ import annotations

from typing import Any

from semcache.entry import Bypass, Considered, Hit, Lookup, Miss
from semcache.exchange import Answer, route_in_words
from semcache.learning.explaining import Explanation
from semcache.service.quality_views import explanation_view


def lookup_view(lookup: Lookup, explanation: Explanation | None = None) -> dict[str, Any]:
    """What a lookup found, and why. Without a hit, the numbers are those of the nearest candidate."""
    explained = {} if explanation is None else {"explanation": explanation_view(explanation, shows_wordings=True)}
    return {
        "outcome": _outcome(lookup),
        "reason": None if isinstance(lookup, Hit) else lookup.reason,
        "detail": (lookup.detail or None) if isinstance(lookup, Bypass) else None,
        "entry": lookup.entry.id if isinstance(lookup, Hit) else None,
        "question": lookup.entry.question if isinstance(lookup, Hit) else None,
        **_numbers(lookup),
        "considered": [] if isinstance(lookup, Bypass) else [_considered_view(each) for each in lookup.considered],
        "would_be": lookup_view(lookup.would_be) if isinstance(lookup, Bypass) and lookup.would_be else None,
        **explained,
    }


def answer_view(answer: Answer, *, upstream: str, latency_ms: float) -> dict[str, Any]:
    """An answer with what it cost."""
    lookup = answer.lookup
    return {
        "answer": answer.message.text,
        "model": answer.message.model,
        "outcome": _outcome(lookup),
        "reason": None if isinstance(lookup, Hit) else lookup.reason,
        "entry": lookup.entry.id if isinstance(lookup, Hit) else None,
        "stored": answer.stored.id if answer.stored else None,
        **_numbers(lookup),
        "route": None if answer.call is None or answer.call.routed is None else route_in_words(answer.call.routed),
        "cost_usd": answer.cost_usd,
        "saved_usd": answer.saved_usd,
        "latency_ms": round(latency_ms, 2),
        "upstream": upstream,
    }


def _outcome(lookup: Lookup) -> str:
    match lookup:
        case Hit():
            return lookup.kind.value
        case Miss():
            return "miss"
        case Bypass():
            return "bypass"


def _numbers(lookup: Lookup) -> dict[str, float | None]:
    match lookup:
        case Hit():
            return _rounded(lookup)
        case Miss(considered=considered) if considered:
            return _rounded(max(considered, key=lambda each: each.similarity))
        case Bypass(would_be=Hit() as would_be):
            return _rounded(would_be)
        case _:
            return {"similarity": None, "confidence": None}


def _rounded(found: Hit | Considered) -> dict[str, float | None]:
    return {"similarity": round(found.similarity, 4), "confidence": round(found.confidence, 4)}


def _considered_view(each: Considered) -> dict[str, Any]:
    return {"entry": each.entry_id, **_rounded(each), "objections": list(each.objections)}
