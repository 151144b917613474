"""The step that books what every request cost, and what it would have cost unassisted."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from semcache.entry import Bypass, Hit, Kind, Miss
from semcache.errors import StoreError
from semcache.exchange import Answer, Exchange, Forward, route_in_words, strategies_of
from semcache.message import Message, Usage
from semcache.policy import PROMPT_CACHING
from semcache.request import Request
from semcache.stores.store import LedgerRow, Store
from semcache.tariff import Baseline, Price

logger = logging.getLogger(__name__)

ROWS_BUFFERED = 64
SECONDS_BUFFERED = 1.0


class Ledger:
    """Prices every answer and writes one row for it, in batches."""

    def __init__(
        self,
        store: Store,
        price: Price,
        *,
        clock: Callable[[], float] = time.time,
        baseline: Baseline | None = None,
        on_overhead: Callable[[LedgerRow], None] = lambda row: None,
    ) -> None:
        self._on_overhead = on_overhead
        self._store = store
        self._price = price
        self._baseline = baseline or (lambda request, served, usage: price(served, usage))
        self._clock = clock
        self._rows: list[LedgerRow] = []
        self._written_at = clock()
        self._lock = threading.Lock()
        self._overhead: tuple[Decimal, int] = (Decimal(0), 0)

    @property
    def overhead(self) -> tuple[Decimal, int]:
        """What calls for ourselves have cost since the start, and how many of them have no known price."""
        return self._overhead

    def step(self, request: Request, forward: Forward) -> Exchange:
        """The outermost layer. A request that fails upstream costs nothing and is not booked."""
        began_at = self._clock()
        answer = self.priced(request, (yield from forward(request)))
        self._append(self._row(request, answer, began_at))
        return answer

    def priced(self, request: Request, answer: Answer) -> Answer:
        """The answer with its cost and its baseline: the same request as it came, at real-time price."""
        usage, served = answer.message.usage, answer.message.model or request.model
        baseline = self._baseline(request, served, _unassisted(request, answer))
        is_free = isinstance(answer.lookup, Hit) or answer.message.coalesced
        costs = [Decimal(0) if is_free else self._price(served, usage)]
        costs += [
            self._price(attempt.message.model or attempt.model, attempt.message.usage)
            for attempt in answer.attempts
            if not attempt.message.coalesced
        ]
        known = [cost for cost in costs if cost is not None]
        return replace(
            answer, cost_usd=sum(known, Decimal(0)) if len(known) == len(costs) else None, baseline_usd=baseline
        )

    def book_overhead(self, outcome: str, namespace: str, model: str, message: Message) -> None:
        """Book a call that we made for ourselves: an audit or a judgement. It saves nothing and is paid for."""
        usage = message.usage
        cost = self._price(message.model or model, usage)
        row = LedgerRow(
            at=self._clock(),
            namespace=namespace,
            label="semcache",
            outcome=outcome,
            reason="",
            requested_model=model,
            served_model=message.model,
            baseline_usd=Decimal(0),
            cost_usd=cost or Decimal(0),
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.output_tokens,
            latency_ms=0.0,
        )
        with self._lock:
            spent, unpriced = self._overhead
            self._overhead = spent + row.cost_usd, unpriced + (cost is None)
        self._on_overhead(row)
        self._append(row)

    def flush(self) -> None:
        """Write what is buffered; a store that fails costs bookkeeping, never an answer."""
        with self._lock:
            rows, self._rows, self._written_at = self._rows, [], self._clock()
        try:
            if rows:
                self._store.book(rows)
        except StoreError as error:
            logger.warning("%d ledger rows lost: %s", len(rows), type(error).__name__)

    def _append(self, row: LedgerRow) -> None:
        with self._lock:
            self._rows.append(row)
            is_due = len(self._rows) >= ROWS_BUFFERED or row.at - self._written_at >= SECONDS_BUFFERED
        if is_due:
            self.flush()

    def _row(self, request: Request, answer: Answer, began_at: float) -> LedgerRow:
        usage, now = answer.message.usage, self._clock()
        outcome, reason = outcome_of(answer)
        return LedgerRow(
            at=now,
            namespace=request.caller.namespace,
            label=request.caller.label,
            outcome=outcome,
            reason=reason,
            requested_model=request.model,
            served_model=answer.message.model,
            baseline_usd=answer.baseline_usd or Decimal(0),
            cost_usd=answer.cost_usd or Decimal(0),
            input_tokens=usage.prompt_tokens,
            output_tokens=usage.output_tokens,
            latency_ms=(now - began_at) * 1000,
            strategies=() if answer.call is None else strategies_of(answer.call, answer.attempts),
            route="" if answer.call is None or answer.call.routed is None else route_in_words(answer.call.routed),
        )


def _unassisted(request: Request, answer: Answer) -> Usage:
    """What would have been counted for the request as it came: nothing left out, and only his own marks."""
    usage, call = answer.message.usage, answer.call
    if call is None:
        return usage
    has_marks = b'"cache_control"' in request.content()
    if PROMPT_CACHING in call.request.shaped_by and not has_marks:
        usage = replace(
            usage,
            input_tokens=usage.prompt_tokens,
            cache_read_tokens=0,
            cache_write_5m_tokens=0,
            cache_write_1h_tokens=0,
        )
    if not (cut_tokens := call.request.cut_tokens):
        return usage
    if has_marks:  # what was left out would have been read from his cache
        return replace(usage, cache_read_tokens=usage.cache_read_tokens + cut_tokens)
    return replace(usage, input_tokens=usage.input_tokens + cut_tokens)


def outcome_of(answer: Answer) -> tuple[str, str]:
    """One word for what happened, and one for why: the labels of ledger rows and metrics."""
    match answer.lookup:
        case Hit(kind=kind, entry=entry):
            return ("faq" if entry.kind is Kind.FAQ else kind.value), ""
        case Miss(reason=reason):
            return ("coalesced" if answer.message.coalesced else "miss"), reason
        case Bypass(reason=reason):
            return "bypass", reason
