"""The latest decisions of this process, for whoever looks at the dashboard. Never a text of a request or an answer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal

from semcache.entry import Hit
from semcache.exchange import Answer, route_in_words
from semcache.ledger import outcome_of
from semcache.request import Json, Request

MOST_KEPT = 500


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one request."""

    at: float
    request: Request
    answer: Answer
    ms: float

    def view(self) -> Json:
        outcome, reason = outcome_of(self.answer)
        call, lookup = self.answer.call, self.answer.lookup
        routed = None if call is None or call.routed is None else route_in_words(call.routed)
        sure = f"{lookup.confidence:.1%} sure" if isinstance(lookup, Hit) and lookup.confidence is not None else ""
        return {
            "at": self.at,
            "namespace": self.request.caller.namespace,
            "label": self.request.caller.label,
            "outcome": outcome,
            "why": " · ".join(part for part in (reason, sure, routed) if part),
            "model": self.answer.message.model,
            "entry": lookup.entry.id if isinstance(lookup, Hit) else None,
            "from_memory": isinstance(lookup, Hit),
            "ms": round(self.ms, 2),
            "cost_usd": _number(self.answer.cost_usd),
            "saved_usd": _number(self.answer.saved_usd),
        }


class Recent:
    """The last few hundred; noting one costs nothing but its place."""

    def __init__(self) -> None:
        self._decisions: deque[Decision] = deque(maxlen=MOST_KEPT)

    def note(self, decision: Decision) -> None:
        self._decisions.append(decision)

    def newest(self, limit: int) -> list[Decision]:
        return list(self._decisions)[::-1][:limit]


def _number(usd: Decimal | None) -> float | None:
    return None if usd is None else float(usd)
