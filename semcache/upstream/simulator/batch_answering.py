"""One request of a batch: judged as strictly as in real time, answered at half price, written as a result line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from semcache.pricing import PriceBook
from semcache.request import Json, encode_json
from semcache.upstream.simulator.conduct import Conduct
from semcache.upstream.simulator.faults import ERROR_TYPES
from semcache.upstream.simulator.gate import Visitor
from semcache.upstream.simulator.messages import accepted
from semcache.upstream.simulator.responses import Problem
from semcache.upstream.simulator.speaking import Speaker, day_of

_NOT_IN_BATCHES = ("thread", "context_hint", "cache_hint", "betas")


@dataclass(frozen=True)
class Done:
    """What became of a request: its line, under which count it falls, and what it cost."""

    kind: str  # succeeded, errored, canceled, expired
    line: bytes = field(repr=False)
    cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True)
class Clerk:
    """Works on the requests of batches."""

    prices: PriceBook
    speaker: Speaker
    conduct: Conduct

    def answer(self, request: Json, visitor: Visitor, now: float, *, is_cold: bool) -> Done:
        """Answer one request; `visitor` is who created the batch."""
        params: Json = request["params"]
        status = self.conduct.batches.fails(params) if self.conduct.batches.fails is not None else None
        if status is not None:
            return self._errored(request, Problem(status, f"Simulated {ERROR_TYPES.get(status, status)}"))
        if problem := next(batch_problems(params), None):
            return self._errored(request, Problem(400, problem))
        who = Visitor(visitor.account, visitor.dialect, params)
        asked = accepted(who, self.prices, self.conduct, on=day_of(now), counting=False)
        if isinstance(asked, Problem):
            return self._errored(request, asked)
        spoken = self.speaker.say(asked, now, in_batch=True, is_cold=is_cold)
        self.speaker.commit(spoken.reckoning)
        line = _line(request, {"type": "succeeded", "message": spoken.message})
        return Done("succeeded", line, spoken.cost_usd)

    def _errored(self, request: Json, problem: Problem) -> Done:
        body = problem.content(self.conduct.new_id("req"))
        return Done("errored", _line(request, {"type": "errored", "error": body}))


def unanswered(request: Json, kind: str) -> Done:
    """A request that was not worked on: `canceled` or `expired`."""
    return Done(kind, _line(request, {"type": kind}))


def batch_problems(params: Json) -> Iterator[str]:
    """What real time allows and a batch does not."""
    if params.get("stream") is True:
        yield "stream: streaming is not supported in batches"
    if "speed" in params and params["speed"] is not None:
        yield "speed: Extra inputs are not permitted"
    if params.get("max_tokens") == 0 and not isinstance(params["max_tokens"], bool):
        yield "max_tokens: Input should be greater than or equal to 1"
    for name in _NOT_IN_BATCHES:
        if name in params:
            yield f"{name}: Extra inputs are not permitted"


def _line(request: Json, result: Json) -> bytes:
    return encode_json({"custom_id": request["custom_id"], "result": result})
