"""The simulator's face: requests in, responses out, every call recorded and billed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal

from semcache.errors import InvalidRequest
from semcache.message import Usage
from semcache.pricing import PriceBook
from semcache.request import Headers, Json
from semcache.upstream.simulator.answers import Answers
from semcache.upstream.simulator.batch_answering import Clerk
from semcache.upstream.simulator.batch_desk import BatchDesk, SimulatedBatch
from semcache.upstream.simulator.catalogue import model_info, model_page
from semcache.upstream.simulator.conduct import Conduct
from semcache.upstream.simulator.delivery import Delivery, Outcome, Page, Spoken
from semcache.upstream.simulator.faults import FAULT_HEADER, Fault, FaultKind, FaultPlan
from semcache.upstream.simulator.gate import Visitor, admit
from semcache.upstream.simulator.messages import accepted
from semcache.upstream.simulator.paths import COUNT_TOKENS, MESSAGES, MODELS, BatchErrand, batch_errand, routed
from semcache.upstream.simulator.prompt_cache import Held
from semcache.upstream.simulator.responses import Problem, SimulatedResponse
from semcache.upstream.simulator.speaking import Speaker, day_of
from semcache.upstream.upstream import UpstreamRequest

_SLICE = 64  # requests of batches that are answered at a time


@dataclass(frozen=True)
class SimulatedCall:
    """One request as it reached the simulator, and what it cost."""

    method: str
    path: str
    query: str
    status: int
    model: str = ""  # that answered; empty where none did
    usage: Usage | None = None
    cost_usd: Decimal = Decimal(0)
    body: Json = field(default_factory=dict, repr=False)
    headers: Headers = field(default=(), repr=False)


class Simulator:
    """Claude's API, simulated: an `Upstream` in process, and behind `simulator_app` over HTTP.

    `clock` gives seconds since the epoch: TTLs, retirements and prices follow it.
    """

    name = "simulator"

    def __init__(
        self,
        prices: PriceBook,
        *,
        answers: Answers | None = None,
        clock: Callable[[], float] = time.time,
        conduct: Conduct | None = None,
    ) -> None:
        self.conduct = conduct or Conduct()
        self._prices = prices
        self._speaker = Speaker(prices, answers, self.conduct)
        self._desk = BatchDesk(Clerk(prices, self._speaker, self.conduct), self.conduct)
        self._clock = clock
        self._faults = FaultPlan()
        self._calls: deque[SimulatedCall] = deque(maxlen=self.conduct.calls_kept)
        self._call_count = 0
        self._bill_usd = Decimal(0)
        self._lock = threading.Lock()

    async def open(self, request: UpstreamRequest) -> SimulatedResponse:
        """Answer; a call counts, and is billed, from the moment it arrives."""
        now = self._clock()
        await self._settle(now)
        outcome, fault = self._answered(request, now)
        await self._pause(fault)
        if isinstance(outcome, Spoken):
            self._speaker.commit(outcome.reckoning)
        delivery = Delivery(
            self.conduct, self.conduct.new_id("req"), now=now, fault=fault, with_body=request.method != "HEAD"
        )
        return delivery.response(outcome)

    async def aclose(self) -> None:
        """Nothing is held open."""

    def inject(
        self,
        fault: Fault,
        *,
        times: int | None = 1,
        when: Callable[[Json], bool] | None = None,
        route: str = "*",
    ) -> None:
        """Let the next `times` requests (None: all) whose body satisfies `when` meet this fault.

        `route` narrows them by method and path, as in `GET /v1/messages/batches/*/results`.
        """
        with self._lock:
            self._faults.add(fault, times=times, when=when, route=route)

    def clear_faults(self) -> None:
        """Forget what was injected."""
        with self._lock:
            self._faults.clear()

    def held_prompts(self) -> list[Held]:
        """What the prompt cache holds, for a simulator that goes on where this one stopped."""
        return self._speaker.held_prompts()

    def hold_prompts(self, held: Iterable[Held]) -> None:
        """Take up what another one held."""
        self._speaker.hold_prompts(held)

    @property
    def bill_usd(self) -> Decimal:
        """What all calls have cost, and of batches all that is done by now."""
        while self._advance(self._clock()):
            pass
        with self._lock:
            return self._bill_usd

    @property
    def calls(self) -> list[SimulatedCall]:
        """The latest calls, oldest first; `Conduct.calls_kept` of them at most."""
        with self._lock:
            return list(self._calls)

    @property
    def batches(self) -> list[SimulatedBatch]:
        """All batches that have not been deleted, as they stand now."""
        while self._advance(self._clock()):
            pass
        return self._desk.records()

    @property
    def call_count(self) -> int:
        """How many requests have ever arrived."""
        with self._lock:
            return self._call_count

    def _answered(self, request: UpstreamRequest, now: float) -> tuple[Outcome, Fault | None]:
        fault: Fault | None = None
        visitor: Visitor | Problem = routed(request) or admit(request, self.conduct)
        outcome: Outcome
        if isinstance(visitor, Problem):
            outcome, body = visitor, {}
        else:
            body = visitor.body
            found = self._fault_for(request, body)
            fault = found if isinstance(found, Fault) else None
            outcome = found if isinstance(found, Problem) else self._outcome(request, visitor, fault, now)
        self._book(request, outcome, body)
        return outcome, fault

    def _fault_for(self, request: UpstreamRequest, body: Json) -> Fault | Problem | None:
        asked = next((value for name, value in request.headers if name == FAULT_HEADER), None)
        if asked is None:
            with self._lock:
                return self._faults.claim(body, f"{request.method} {request.path}")
        try:
            return Fault.parse(asked)
        except InvalidRequest as error:
            return Problem(400, str(error))

    def _outcome(self, request: UpstreamRequest, visitor: Visitor, fault: Fault | None, now: float) -> Outcome:
        on = day_of(now)
        errand = batch_errand(request)
        if fault is not None and (refusal := _refusal(fault, visitor.body)) is not None:
            return refusal
        if isinstance(errand, BatchErrand):
            return self._desk.outcome(errand, visitor, request.query, now)
        if request.path in (MESSAGES, COUNT_TOKENS):
            counting = request.path == COUNT_TOKENS
            asked = accepted(visitor, self._prices, self.conduct, on=on, counting=counting)
            if isinstance(asked, Problem):
                return asked
            return Page({"input_tokens": asked.prompt.tokens}) if counting else self._speaker.say(asked, now)
        if request.path == MODELS:
            page = model_page(self._prices, request.query, on=on)
            return page if isinstance(page, Problem) else Page(page)
        name = request.path.removeprefix(f"{MODELS}/")
        model = self._prices.model(name)
        return Problem(404, f"model: {name[:100]}") if model is None else Page(model_info(model, on=on))

    async def _settle(self, now: float) -> None:
        """Let batches come as far as the clock has, in slices, so that others are served meanwhile."""
        while self._advance(now):
            await asyncio.sleep(0)

    def _advance(self, now: float) -> bool:
        cost_usd = self._desk.advance(now, at_most=_SLICE)
        if cost_usd is not None:
            with self._lock:
                self._bill_usd += cost_usd
        return cost_usd is not None

    def _book(self, request: UpstreamRequest, outcome: Outcome, body: Json) -> None:
        status = outcome.status if isinstance(outcome, Problem) else 200
        call = SimulatedCall(request.method, request.path, request.query, status, body=body, headers=request.headers)
        if isinstance(outcome, Spoken):
            call = replace(call, model=outcome.message["model"], usage=outcome.usage, cost_usd=outcome.cost_usd)
        with self._lock:
            self._call_count += 1
            self._calls.append(call)
            self._bill_usd += call.cost_usd

    async def _pause(self, fault: Fault | None) -> None:
        seconds = self.conduct.head_delay_seconds + (fault.head_delay_seconds if fault is not None else 0.0)
        if seconds > 0:
            await asyncio.sleep(seconds)


def _refusal(fault: Fault, body: Json) -> Problem | None:
    """The error that a fault is answered with, where it is one that hits before the answer."""
    if fault.kind is FaultKind.STATUS:
        return Problem(fault.status, f"Simulated {fault.status}", fault.retry_after_seconds)
    if fault.kind is FaultKind.MID_STREAM_ERROR and body.get("stream") is not True:
        return Problem(529, "Overloaded")
    return None
