"""The heart: answering a request is a generator that yields calls and is sent messages."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from semcache.entry import Bypass, Entry, Lookup
from semcache.message import Message
from semcache.request import Request


@dataclass(frozen=True)
class Call:
    """What must be sent upstream, and why. Calls with one `flight_key` share one upstream call."""

    request: Request
    lookup: Lookup = field(default_factory=lambda: Bypass("unasked"))
    flight_key: str | None = None


@dataclass(frozen=True)
class Answer:
    """What an exchange returns: the message, where it came from, and what it cost."""

    message: Message
    lookup: Lookup
    call: Call | None = None  # the call that brought it; None: no network
    stored: Entry | None = None
    not_stored: str = ""  # why, where it was not
    cost_usd: Decimal | None = None
    baseline_usd: Decimal | None = None

    @property
    def saved_usd(self) -> Decimal | None:
        if self.cost_usd is None or self.baseline_usd is None:
            return None
        return self.baseline_usd - self.cost_usd


Exchange = Generator[Call, Message, Answer]
Forward = Callable[[Request], Exchange]
Step = Callable[[Request, Forward], Exchange]


def stack(steps: Sequence[Step]) -> Forward:
    """Compose steps, outermost first, around the one that sends the request upstream."""
    forward: Forward = send_upstream
    for step in reversed(steps):
        forward = _bound(step, forward)
    return forward


def send_upstream(request: Request) -> Exchange:
    """The innermost layer: one call, its message is the answer."""
    call = Call(request)
    message = yield call
    return Answer(message=message, lookup=call.lookup, call=call)


def relabelled(exchange: Exchange, change: Callable[[Call], Call]) -> Exchange:
    """Delegate to `exchange`, passing each of its calls through `change`."""
    try:
        call = next(exchange)
        while True:
            try:
                message = yield change(call)
            except GeneratorExit:
                exchange.close()
                raise
            except BaseException as error:  # whatever the driver throws belongs to the inner layers
                call = exchange.throw(error)
            else:
                call = exchange.send(message)
    except StopIteration as stop:
        answer: Answer = stop.value
        return answer


def _bound(step: Step, forward: Forward) -> Forward:
    def bound(request: Request) -> Exchange:
        return step(request, forward)

    return bound
