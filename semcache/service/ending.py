"""What became of one request: said once, to the log, the metrics, and whoever traces."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

from semcache.errors import NotCached, SemcacheError, UpstreamError, UpstreamStatus
from semcache.exchange import Answer
from semcache.ledger import outcome_of
from semcache.message import Usage
from semcache.request import Headers, Json, Request

_LONGEST_NAME = 80
_PLAIN = re.compile(r"[\w.:@/+-]+", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended, how long it took (seconds by stage), and what it cost. Without texts, unless they are given."""

    outcome: str
    reason: str
    seconds: float
    status: int = 200
    request_id: str = ""
    requested_model: str = ""
    model: str = ""  # that answered
    stages: dict[str, float] = field(default_factory=dict)
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    saved_usd: Decimal | None = None
    texts: Json = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        """One line of `name=value`; a value with a blank in it is quoted. On the path of a request: by hand."""
        named = [f"{name}={_shown(value)}" for name, value in self._names().items() if value]
        spent = [f"{stage}_ms={seconds * 1000:.3f}" for stage, seconds in self.stages.items()]
        money = [f"{name}={usd:f}" for name, usd in self._money() if usd is not None]
        texts = [f"{name}={_shown(text)}" for name, text in self.texts.items()]
        begun = f"request outcome={self.outcome} status={self.status} ms={self.seconds * 1000:.1f}"
        return " ".join([begun, *named, *money, *spent, *texts])

    def fields(self) -> Json:
        """What is known, for JSON; times in milliseconds."""
        return {
            "outcome": self.outcome,
            "status": self.status,
            "ms": round(self.seconds * 1000, 1),
            **{name: value for name, value in self._names().items() if value},
            **{name: f"{usd:f}" for name, usd in self._money() if usd is not None},
            **{f"{stage}_ms": round(seconds * 1000, 3) for stage, seconds in self.stages.items()},
            **self.texts,
        }

    def _names(self) -> dict[str, str]:
        return {
            "reason": self.reason,
            "request_id": self.request_id,
            "requested_model": self.requested_model,
            "model": self.model,
        }

    def _money(self) -> tuple[tuple[str, Decimal | None], ...]:
        return ("cost_usd", self.cost_usd), ("saved_usd", self.saved_usd)


def ending_of(request: Request, answer: Answer, headers: Headers, *, seconds: float) -> Ending:
    """Of a request that was answered, with the response's headers."""
    outcome, reason = outcome_of(answer)
    return Ending(
        outcome,
        reason,
        seconds,
        request_id=_request_id(headers),
        requested_model=request.model[:_LONGEST_NAME],
        model=answer.message.model[:_LONGEST_NAME],
        stages=request.stopwatch.stages(),
        usage=answer.message.usage,
        cost_usd=answer.cost_usd,
        saved_usd=answer.saved_usd,
    )


def failure_of(error: SemcacheError, *, status: int, headers: Headers, seconds: float, stages: Json) -> Ending:
    """Of a request that ended in an error: its kind, never its text."""
    outcome, reason = fault_of(error)
    return Ending(outcome, reason, seconds, status=status, request_id=_request_id(headers), stages=stages)


def fault_of(error: SemcacheError) -> tuple[str, str]:
    """One word for what happened, and one for why."""
    match error:
        case UpstreamStatus(status=status):
            return "upstream-error", str(status)
        case UpstreamError():
            return "upstream-error", type(error).__name__.removeprefix("Upstream").lower()
        case NotCached():
            return "refused", "only-if-cached"
        case _:
            return "refused", type(error).__name__


def _request_id(headers: Headers) -> str:
    return next((value[:_LONGEST_NAME] for name, value in headers if name == "request-id"), "")


def _shown(text: str) -> str:
    """Names may come from a caller: nothing that he sends begins a new line, or looks like another field."""
    return text if _PLAIN(text) else ascii(text)
