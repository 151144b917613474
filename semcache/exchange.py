"""The heart: answering a request is a generator that yields calls and is sent messages."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum

from semcache.entry import Bypass, Entry, Lookup
from semcache.message import Message
from semcache.request import Request


class Purpose(Enum):
    """What a call is for: to answer the caller, or to find out how his request is best answered."""

    ANSWER = "answer"
    CLASSIFY = "classify"
    SUMMARISE = "summarise"


@dataclass(frozen=True)
class Routed:
    """Where a request goes, and why; `because` is ASCII, of one line, and holds nothing of the prompt."""

    model: str
    effort: str | None
    requested: str  # the model that the caller named, or `auto`
    category: str  # what the evidence about such requests is kept under
    because: str
    is_downshift: bool = False  # to a cheaper model than the caller named
    is_failover: bool = False  # because another model failed


@dataclass(frozen=True)
class Attempt:
    """A call that was paid for beside the one whose message is the answer; `why` in one word."""

    message: Message
    model: str
    why: str


@dataclass(frozen=True)
class Call:
    """What must be sent upstream, and why. Calls with one `flight_key` share one upstream call.

    Nothing of a `is_tentative` call may reach the client before the exchange has seen the whole message: it may want
    another one instead. `budget`: which limit of the day is nearly used up, and how far, for the caller; empty: none.
    """

    request: Request
    lookup: Lookup = field(default_factory=lambda: Bypass("unasked"))
    flight_key: str | None = None
    purpose: Purpose = Purpose.ANSWER
    is_tentative: bool = False
    routed: Routed | None = None
    budget: str = ""
    name: str = ""  # of a call for ourselves: which of its lesson's questions this is


@dataclass(frozen=True)
class Answer:
    """What an exchange returns: the message, where it came from, and what it cost."""

    message: Message
    lookup: Lookup
    call: Call | None = None  # the call that brought it; None: no network
    attempts: tuple[Attempt, ...] = ()
    spared: tuple[tuple[str, int], ...] = ()  # strategy, output tokens that it has proven to save of such answers
    stored: Entry | None = None
    not_stored: str = ""  # why, where it was not
    cost_usd: Decimal | None = None
    baseline_usd: Decimal | None = None

    @property
    def saved_usd(self) -> Decimal | None:
        if self.cost_usd is None or self.baseline_usd is None:
            return None
        return self.baseline_usd - self.cost_usd


CLASSIFIED = "classify"  # why an attempt was paid for: to learn where the request should go
SUMMARISED = "summary"  # ... to have old turns told in fewer words
RUNAWAY = "runaway"  # ... and ended by a budget, because it had more to say
_STRATEGIES = {CLASSIFIED: "", SUMMARISED: "", RUNAWAY: "token_budget"}  # whose doing; any other reason: the cascade's


def strategies_of(call: Call, attempts: Sequence[Attempt]) -> tuple[str, ...]:
    """The strategies that had a part in a call, each once."""
    names = dict.fromkeys(call.request.shaped_by)
    names |= dict.fromkeys(_STRATEGIES.get(attempt.why, "cascade") for attempt in attempts)
    if call.routed is not None and call.routed.is_failover:
        names["failover"] = None
    return tuple(name for name in names if name)


def route_in_words(routed: Routed) -> str:
    """Where a request went, and why: `claude-haiku-5-5@low (simple extraction)`."""
    effort = "" if routed.effort is None else f"@{routed.effort}"
    return f"{routed.model}{effort} ({routed.because})"


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


def relabelled(
    exchange: Exchange, change: Callable[[Call], Call], *, on_message: Callable[[Call, Message], None] | None = None
) -> Exchange:
    """Delegate to `exchange`, passing each of its calls through `change`, and telling of each message that came."""
    try:
        call = next(exchange)
        while True:
            changed = change(call)
            try:
                message = yield changed
            except GeneratorExit:
                exchange.close()
                raise
            except BaseException as error:  # whatever the driver throws belongs to the inner layers
                call = exchange.throw(error)
            else:
                if on_message is not None:
                    on_message(changed, message)
                call = exchange.send(message)
    except StopIteration as stop:
        answer: Answer = stop.value
        return answer


def _bound(step: Step, forward: Forward) -> Forward:
    def bound(request: Request) -> Exchange:
        return step(request, forward)

    return bound
