"""The step that books what every request cost, and what it would have cost unassisted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial

from semcache.attribution import NOTHING, Priced, bill_of, call_line, cost_of, priced
from semcache.entry import Bypass, Hit, Kind, Miss
from semcache.errors import StoreError
from semcache.exchange import Answer, Call, Exchange, Forward, relabelled, route_in_words, strategies_of
from semcache.message import Message
from semcache.request import Request
from semcache.stopwatch import Stage
from semcache.stores.ledger_book import BASELINE, BillLine, LedgerRow
from semcache.stores.store import Store
from semcache.stores.upkeep import Chore
from semcache.tariff import Count, Price, Recount

logger = logging.getLogger(__name__)

_MakeRow = Callable[[], LedgerRow]

ROWS_BUFFERED = 64
SECONDS_BUFFERED = 1.0
MOST_BUFFERED = 4096  # where the store cannot keep up: from here on, whoever asks writes
LOST = "lost"  # the outcome of what was paid for in vain, and the reasons
BROKEN_OFF, UNANSWERED = "broken-off", "unanswered"


class Ledger:
    """Prices every answer and writes one row for it: in batches, in the order of booking, on a thread of its own."""

    def __init__(  # noqa: PLR0913 - what is booked, and what it is told by
        self,
        store: Store,
        price: Price,
        *,
        clock: Callable[[], float] = time.time,
        recount: Recount | None = None,
        count: Count = lambda model, message: message.usage.output_tokens,
        on_spent: Callable[[LedgerRow, str], None] = lambda row, credential: None,
    ) -> None:
        """`on_spent` hears what no answer shows: calls for ourselves, and those in vain, with whose credential."""
        self._on_spent = on_spent
        self._store = store
        self._price = price
        self._recount = recount or (lambda request, served, usage: (served, usage))
        self._count = count
        self._clock = clock
        self._rows: list[_MakeRow] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # held from taking rows until they are written: it keeps their order
        # rows are late by real seconds, whatever time the traffic is of
        self._writer = Chore("ledger", self.flush, delay_seconds=SECONDS_BUFFERED)
        self._overhead: tuple[Decimal, int] = (Decimal(0), 0)
        self._see: Callable[[Sequence[LedgerRow]], None] = lambda rows: None

    def watch(self, see: Callable[[Sequence[LedgerRow]], None]) -> None:
        """Show every row to whoever counts, when it is written: not on the path of its request."""
        self._see = see

    @property
    def waiting(self) -> int:
        """Rows that are yet to be written."""
        return len(self._rows)

    @property
    def overhead(self) -> tuple[Decimal, int]:
        """What calls for ourselves have cost since the start, and how many of them have no known price."""
        return self._overhead

    def step(self, request: Request, forward: Forward) -> Exchange:
        """The outermost layer. Of a request that fails, what was paid for on the way is booked, and nothing else."""
        began_at, paid = self._clock(), list[tuple[Call, Message]]()
        try:
            answer = yield from relabelled(
                forward(request), lambda call: call, on_message=lambda call, message: paid.append((call, message))
            )
        except BaseException:  # closing it, too
            for call, message in paid:
                if not message.coalesced:
                    self.book_lost(call, message, reason=UNANSWERED)
            raise
        answer, row = self._booked(request, answer, began_at)
        self._append(row)
        request.stopwatch.lap(Stage.BOOK)
        return answer

    def priced(self, request: Request, answer: Answer) -> Answer:
        """The answer with its cost and its baseline: the same request as it came, at real-time price."""
        return self._booked(request, answer)[0]

    def book_overhead(self, outcome: str, namespace: str, model: str, message: Message) -> None:
        """Book a call that we made for ourselves: an audit or a judgement. It saves nothing and is paid for.

        A coalesced message has been booked before.
        """
        if message.coalesced:
            return
        usage, served = message.usage, message.model or model
        bill = (BillLine(BASELINE, served, NOTHING), call_line(outcome, served, usage))
        known = priced(bill, self._price)
        row = LedgerRow(
            at=self._clock(),
            namespace=namespace,
            label="semcache",
            outcome=outcome,
            reason="",
            requested_model=model,
            served_model=message.model,
            baseline_usd=Decimal(0),
            cost_usd=known.cost_usd if known is not None else Decimal(0),
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.output_tokens,
            latency_ms=0.0,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
            parts=known.parts if known is not None else {},
            bill=bill,
        )
        with self._lock:
            spent, unpriced = self._overhead
            self._overhead = spent + row.cost_usd, unpriced + (known is None)
        self._on_spent(row, "")
        self._append(lambda: row)

    def cost_of_own(self, model: str, message: Message) -> Decimal | None:
        """What such a call costs; None: the model has no known price."""
        return self._price(message.model or model, message.usage)

    def book_lost(self, call: Call, message: Message, *, reason: str = BROKEN_OFF) -> None:
        """Book what was paid for in vain: a stream that broke off or was hung up on, or a call on the way to an answer.

        The prompt is known from its beginning; the answer is counted by what has arrived, which may be less than Claude
        has written.
        """
        request, model = call.request, message.model or call.request.model
        usage = replace(message.usage, output_tokens=self._count(model, message))
        bill = (BillLine(BASELINE, model, usage),)
        answer = Answer(message, call.lookup, call)
        row = _row(request, answer, priced(bill, self._price), bill, at=self._clock(), latency_ms=0.0)
        row = replace(row, outcome=LOST, reason=reason, output_tokens=usage.output_tokens)
        self._on_spent(row, request.caller.credential)
        self._append(lambda: row, may_write=False)  # this may be the thread of an event loop

    def flush(self) -> None:
        """Write all that is booked by now; a store that fails costs bookkeeping, never an answer."""
        with self._writing:
            with self._lock:
                waiting, self._rows = self._rows, []
            if waiting:
                self._write([make() for make in waiting])

    def close(self) -> None:
        """Write all that is booked, and end the thread. May be called twice; what is booked later waits for `flush`."""
        self._writer.stop()
        self.flush()

    def _write(self, rows: list[LedgerRow]) -> None:
        self._see(rows)
        try:
            self._store.book(rows)
        except StoreError as error:
            logger.warning("%d ledger rows lost: %s", len(rows), type(error).__name__)

    def _append(self, make: _MakeRow, *, may_write: bool = True) -> None:
        with self._lock:
            self._rows.append(make)
            waiting = len(self._rows)
        if waiting >= MOST_BUFFERED and may_write:
            self.flush()
        else:
            self._writer.ask(at_once=waiting >= ROWS_BUFFERED)

    def _booked(self, request: Request, answer: Answer, began_at: float | None = None) -> tuple[Answer, _MakeRow]:
        """The priced answer, and its row, which is made when it is written: not on the path of the request."""
        bill, now = bill_of(request, answer, self._recount), self._clock()
        known = priced(bill, self._price)
        cost = known.cost_usd if known is not None else cost_of(bill, self._price)
        answer = replace(answer, cost_usd=cost, baseline_usd=known.baseline_usd if known is not None else None)
        latency_ms = 0.0 if began_at is None else (now - began_at) * 1000
        return answer, partial(_row, request, answer, known, bill, at=now, latency_ms=latency_ms)


def _row(  # noqa: PLR0913 - all that a row is made of
    request: Request,
    answer: Answer,
    known: Priced | None,
    bill: tuple[BillLine, ...],
    *,
    at: float,
    latency_ms: float,
) -> LedgerRow:
    """A row whose amounts add up: where a price is unknown, nothing was saved and nothing paid."""
    usage, call = answer.message.usage, answer.call
    outcome, reason = outcome_of(answer)
    return LedgerRow(
        at=at,
        namespace=request.caller.namespace,
        label=request.caller.label,
        outcome=outcome,
        reason=reason,
        requested_model=request.model,
        served_model=answer.message.model,
        baseline_usd=known.baseline_usd if known is not None else Decimal(0),
        cost_usd=known.cost_usd if known is not None else Decimal(0),
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.output_tokens,
        latency_ms=latency_ms,
        strategies=() if call is None else strategies_of(call, answer.attempts),
        route="" if call is None or call.routed is None else route_in_words(call.routed),
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        tags=request.directives.tags,
        parts=known.parts if known is not None else {},
        bill=bill,
    )


def outcome_of(answer: Answer) -> tuple[str, str]:
    """One word for what happened, and one for why: the labels of ledger rows and metrics."""
    match answer.lookup:
        case Hit(kind=kind, entry=entry):
            return ("faq" if entry.kind is Kind.FAQ else kind.value), ""
        case Miss(reason=reason):
            return ("coalesced" if answer.message.coalesced else "miss"), reason
        case Bypass(reason=reason):
            return "bypass", reason
