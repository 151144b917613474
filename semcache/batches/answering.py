"""One request of a batch and its exchange: from memory, to what must be sent, and on from what came back."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from threading import Lock
from typing import Protocol

from semcache.batching.requests import params_problem, write_request
from semcache.batching.results import ErroredResult, errored
from semcache.batching.splitting import prefix_of
from semcache.cache import Cache
from semcache.decision.eligibility import NO_CACHE
from semcache.drivers import begin, resume
from semcache.entry import Bypass, Miss
from semcache.errors import SemcacheError, UpstreamError, UpstreamTorn
from semcache.exchange import Answer, Call, Exchange, Forward, Purpose, Routed
from semcache.ledger import Ledger
from semcache.message import Message
from semcache.request import Json, Request, encode_json
from semcache.stores.batch_store import Shaped
from semcache.wire_errors import error_response

logger = logging.getLogger(__name__)

Spend = Callable[[Request, Answer], None]  # tells the limits what was spent, where no step of the exchange did
Send = Callable[[Call], Message]  # in real time, blocking; raises `UpstreamError`
_LONGEST_ID = 64  # characters of a custom id upstream


@dataclass(frozen=True)
class FromMemory:
    """The cache knew the answer."""

    message: Message = field(repr=False)


@dataclass(frozen=True)
class NeverSent:
    """It is refused here; to send it would be refused there, or cost more than is allowed."""

    result: ErroredResult


@dataclass(frozen=True)
class MustBeSent:
    """This must go upstream, and the exchange wait for what comes back."""

    call: Call = field(repr=False)
    exchange: Exchange = field(repr=False)


class Answers(Protocol):
    """What looking and collecting need to know of answering."""

    def look_up(self, request: Request) -> FromMemory | NeverSent | MustBeSent: ...

    def settle(
        self, request: Request, shaped: bytes, message: Message, exchange: Exchange | None = None
    ) -> Message: ...

    def book_copy(self, request: Request, shaped: bytes, message: Message) -> None: ...


class Answering:
    """Moves exchanges; never waits for the upstream but where an answer calls for a second question."""

    def __init__(self, forward: Forward, cache: Cache, ledger: Ledger, *, send: Send, spend: Spend) -> None:
        self.cache = cache
        self._forward = forward
        self._ledger = ledger
        self._send = send
        self._spend = spend

    def look_up(self, request: Request) -> FromMemory | NeverSent | MustBeSent:
        """Advance to the answer, or to what must be sent for it."""
        if problem := params_problem(request.body):
            return NeverSent(errored("invalid_request_error", problem))
        exchange = self._forward(request)
        try:
            step = begin(exchange)
            while isinstance(step, Call) and step.purpose is not Purpose.ANSWER:  # it would cost a batch of its own
                step = resume(exchange, UpstreamTorn("a batch asks nothing but its requests"))
        except SemcacheError as error:
            return NeverSent(_told(error))
        except Exception as error:  # one request that nobody foresaw must not hold up the others
            logger.error("looking up a request of a batch: unforeseen %s", type(error).__name__)
            return NeverSent(errored("api_error", "semcache: internal error; the operator's log holds its kind"))
        if isinstance(step, Answer):
            return FromMemory(step.message)
        return MustBeSent(step, exchange)

    def settle(self, request: Request, shaped: bytes, message: Message, exchange: Exchange | None = None) -> Message:
        """The answer to give, now that what was sent has come back: it is stored and booked on the way.

        Without the exchange that asked for it, the cache and the ledger are told what was recorded of it.
        """
        is_recorded = exchange is None
        exchange = exchange or self._recorded(request, shaped)
        try:
            step = resume(exchange, message)
            while isinstance(step, Call):
                step = self._followed_up(exchange, step)
            if is_recorded:
                self._spend(request, step)
            return step.message
        except SemcacheError as error:  # the answer is here, and paid for
            logger.warning("settling a request of a batch failed: %s", type(error).__name__)
            return message
        finally:
            exchange.close()

    def book_copy(self, request: Request, shaped: bytes, message: Message) -> None:
        """Take down that a duplicate was answered for nothing."""
        self.settle(request, shaped, replace(message, coalesced=True))

    def _followed_up(self, exchange: Exchange, call: Call) -> Call | Answer:
        try:
            message = self._send(call)
        except UpstreamError as error:
            return resume(exchange, error)
        return resume(exchange, message)

    def _recorded(self, request: Request, shaped: bytes) -> Exchange:
        """An exchange that already knows what is to be sent."""
        call = read_shaped(request, shaped)

        def sent(_: Request) -> Exchange:
            message = yield call
            return Answer(message=message, lookup=call.lookup, call=call)

        exchange = self._ledger.step(request, lambda asked: self._kept(asked, sent))
        begin(exchange)  # stands at the recorded call now, as the one that was lost did
        return exchange

    def _kept(self, request: Request, forward: Forward) -> Exchange:
        """The cache's step, without another lookup: what was paid for is the answer, whatever is stored by now."""
        directives = replace(request.directives, no_cache=True, only_if_cached=False)
        answer = yield from self.cache.step(replace(request, directives=directives), forward)
        match answer.lookup:
            case Bypass(reason=reason, would_be=Miss() as miss) if reason == NO_CACHE:
                return replace(answer, lookup=replace(miss, reason="batch"))
            case _:
                return answer


def write_shaped(request: Request, call: Call) -> Shaped:
    """What is to be sent, and how the strategies came to it, for whoever continues."""
    sent, miss = call.request, call.lookup
    given = {
        "params": None if sent.body is request.body else sent.body,
        "shaped_by": sent.shaped_by,
        "cuts": sent.cuts,
        "routed": None if call.routed is None else asdict(call.routed),
    }
    written = len(write_request("", sent.body)) + _LONGEST_ID
    return Shaped(
        encode_json(given), prefix_of(sent.body), written, (call.flight_key or "") if isinstance(miss, Miss) else ""
    )


def read_shaped(request: Request, shaped: bytes) -> Call:
    """The call that `write_shaped` has written down."""
    given = json.loads(shaped)
    body: Json = request.body if given["params"] is None else given["params"]
    cuts = tuple((strategy, tokens) for strategy, tokens in given["cuts"])
    sent = replace(request, body=body, shaped_by=tuple(given["shaped_by"]), cuts=cuts)
    routed = None if given["routed"] is None else Routed(**given["routed"])
    return Call(sent, routed=routed)


class OpenExchanges:
    """Exchanges that wait for their answers, as many as memory has room for. Thread-safe."""

    def __init__(self, most: int, *, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._open: dict[int, tuple[Exchange, int]] = {}
        self._held_bytes = 0
        self._lock = Lock()

    def keep(self, place: int, exchange: Exchange, *, size_bytes: int) -> None:
        """Keep it for the answer, in place of an earlier one; where there is no room, it is closed."""
        if (earlier := self.take(place)) is not None:
            earlier.close()
        with self._lock:
            if self._has_room(size_bytes):
                self._open[place] = exchange, size_bytes
                self._held_bytes += size_bytes
                return
        exchange.close()

    def take(self, place: int) -> Exchange | None:
        with self._lock:
            exchange, size_bytes = self._open.pop(place, (None, 0))
            self._held_bytes -= size_bytes
            return exchange

    def close(self) -> None:
        """Give up all."""
        for place in list(self._open):
            if (exchange := self.take(place)) is not None:
                exchange.close()

    def _has_room(self, size_bytes: int) -> bool:
        return len(self._open) < self._most and self._held_bytes + size_bytes <= self._most_bytes


def _told(error: SemcacheError) -> ErroredResult:
    """An error of ours in the shape it has in real time."""
    _, _, body = error_response(error, upstream="")
    try:
        return ErroredResult(json.loads(body))
    except ValueError:
        return errored("api_error", "the upstream answered with an error that cannot be read")
