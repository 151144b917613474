"""The latest decisions, for whoever looks at the dashboard. Never a text of a request or an answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Decimal

from semcache.entry import Bypass, Hit, HitKind, Lookup, Miss
from semcache.exchange import Answer, route_in_words
from semcache.learning.explaining import reason_in_words
from semcache.ledger import outcome_of
from semcache.request import Json, Request

MOST_KEPT = 500


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one request. Nothing of it is kept but this, or a few long ones would fill the memory."""

    at: float
    namespace: str
    label: str
    outcome: str
    why: str
    model: str
    entry: str | None  # it was answered from, or stored as
    from_memory: bool
    ms: float
    cost_usd: float | None
    saved_usd: float | None

    @classmethod
    def of(cls, request: Request, answer: Answer, *, at: float, ms: float) -> Decision:
        outcome, _ = outcome_of(answer)
        lookup, stored = answer.lookup, answer.stored
        routed = None if answer.call is None else answer.call.routed
        entry = lookup.entry if isinstance(lookup, Hit) else stored
        reasons = (_why(lookup), "" if routed is None else route_in_words(routed))
        return cls(
            at=at,
            namespace=request.caller.namespace,
            label=request.caller.label,
            outcome=outcome,
            why=" · ".join(part for part in reasons if part),
            model=answer.message.model,
            entry=None if entry is None else entry.id,
            from_memory=isinstance(lookup, Hit),
            ms=round(ms, 2),
            cost_usd=_number(answer.cost_usd),
            saved_usd=_number(answer.saved_usd),
        )

    def view(self) -> Json:
        return asdict(self)


class Recent:
    """The last few hundred."""

    def __init__(self) -> None:
        self._decisions: deque[Decision] = deque(maxlen=MOST_KEPT)
        self._elsewhere: Callable[[], list[Json]] = list
        self.noted = 0  # by this process, since it began

    def note(self, decision: Decision) -> None:
        self._decisions.append(decision)
        self.noted += 1

    def speak_for_all(self, elsewhere: Callable[[], list[Json]]) -> None:
        """From now on what others have decided, as it looks, is among the newest."""
        self._elsewhere = elsewhere

    def newest(self, limit: int) -> list[Json]:
        """As they look to whoever asks, the newest first."""
        return self.own_and(self._elsewhere())[:limit]

    def own_and(self, others: list[Json]) -> list[Json]:
        """What this process decided and what others did: no more than are kept, the newest first."""
        own = [decision.view() for decision in reversed(self._decisions.copy())]
        return sorted([*own, *others], key=lambda view: view["at"], reverse=True)[:MOST_KEPT]


def _why(lookup: Lookup) -> str:
    match lookup:
        case Hit(kind=HitKind.EXACT):
            return "asked before in exactly this form"
        case Hit(confidence=confidence, similarity=similarity):
            return f"right with probability {confidence:.3f}, similarity {similarity:.3f}"
        case Miss(reason=reason):
            return reason_in_words(reason)
        case Bypass(reason=reason):
            return reason.replace("-", " ")


def _number(usd: Decimal | None) -> float | None:
    return None if usd is None else float(usd)
