"""Entries, lookups and sums as the JSON that the endpoints answer."""

from __future__ import annotations

from semcache.batches.own_answering import is_own
from semcache.batching.message_batch import Counts
from semcache.canonical import Identity
from semcache.curation import ImportReport
from semcache.entry import Bypass, Considered, Entry, Exemplar, Hit, Lookup, Miss
from semcache.request import Json
from semcache.stores.batch_store import BatchRecord


def entry_view(entry: Entry) -> Json:
    return {
        "id": entry.id,
        "namespace": entry.scope.namespace,
        "scope": entry.scope.short,
        "kind": entry.kind.value,
        "question": entry.question,
        "answer": entry.message.text,
        "requested_model": entry.requested_model,
        "served_model": entry.served_model,
        "cost_usd": entry.cost_usd,
        "created_at": entry.created_at,
        "expires_at": entry.expires_at,
        "tags": list(entry.tags),
        "hits": entry.hits,
        "last_hit_at": entry.last_hit_at,
    }


def exemplar_view(exemplar: Exemplar) -> Json:
    return {
        "text": exemplar.text,
        "label": exemplar.label.name.lower(),
        "origin": exemplar.origin.value,
        "created_at": exemplar.created_at,
    }


def batch_view(record: BatchRecord, counts: Counts) -> Json:
    """Of a batch: how far it is, not whose it is or what it holds."""
    return {
        "id": record.id,
        "accepted_at": record.accepted_at,
        "status": type(record.state).__name__.lower(),
        "own": is_own(record),
        "total": record.total,
        "request_counts": counts.body(),
    }


def lookup_view(lookup: Lookup, identity: Identity) -> Json:
    """What was decided, why, and what was weighed."""
    return {
        **_decision_view(lookup),
        "identity": {
            "scope": identity.scope_digest,
            "key": identity.key,
            "question": identity.question,
            "companions": sorted(identity.companions),
            "history_turns": identity.history_turns,
        },
    }


def import_view(report: ImportReport) -> Json:
    return {
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "errors": [{"line": error.line, "problem": error.problem} for error in report.errors],
    }


def _decision_view(lookup: Lookup) -> Json:
    match lookup:
        case Hit():
            return {
                "outcome": "hit",
                "kind": lookup.kind.value,
                "reason": lookup.kind.value,
                "entry": entry_view(lookup.entry),
                "similarity": lookup.similarity,
                "confidence": lookup.confidence,
                "considered": _considered_view(lookup.considered),
            }
        case Miss():
            nearest = max(lookup.considered, key=lambda each: each.similarity, default=None)
            return {
                "outcome": "miss",
                "reason": lookup.reason,
                "entry": None,
                "similarity": None if nearest is None else nearest.similarity,
                "confidence": None if nearest is None else nearest.confidence,
                "considered": _considered_view(lookup.considered),
            }
        case Bypass():
            would_be = None if lookup.would_be is None else _decision_view(lookup.would_be)
            return {
                "outcome": "bypass",
                "reason": lookup.reason,
                "entry": None,
                "similarity": None,
                "confidence": None,
                "considered": [],
                "would_be": would_be,
            }


def _considered_view(considered: tuple[Considered, ...]) -> list[Json]:
    return [
        {
            "entry": each.entry_id,
            "similarity": each.similarity,
            "confidence": each.confidence,
            "objections": list(each.objections),
        }
        for each in considered
    ]
