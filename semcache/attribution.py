"""Who saved what on one request: a bill in steps, from the request as it came to what was paid, and its parts.

Each step changes one thing, so that its difference is one strategy's: first the model, then what was left out of the
prompt, then what was read from the prompt cache, then that it could wait. The order is fixed and stated, because a
strategy's share depends on what came before it; the sum does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from semcache.entry import Hit, Kind
from semcache.exchange import Answer, Attempt
from semcache.message import Usage
from semcache.policy import PROMPT_CACHING
from semcache.request import Request
from semcache.stores.ledger_book import BASELINE, BillLine
from semcache.tariff import Price, Recount

EXACT, SEMANTIC, FAQ, COALESCED = "exact", "semantic", "faq", "coalesced"
TIERING, ROUTING, FAILOVER, BATCH = "tiering", "routing", "failover", "batch"
CACHE_WRITES, RETRIES = "cache_writes", "retries"
NOTHING = Usage()
CALL = "call:"


@dataclass(frozen=True)
class Priced:
    """What a bill comes to. `parts` add up to `baseline_usd` less `cost_usd`, to the last digit."""

    baseline_usd: Decimal
    cost_usd: Decimal
    parts: dict[str, Decimal]


def bill_of(request: Request, answer: Answer, recount: Recount) -> tuple[BillLine, ...]:
    """Steps from the request as it came to the answer that was given, then the calls that were paid for beside it."""
    served, usage = answer.message.model or request.model, answer.message.usage
    start = _unassisted(request, answer)
    start = replace(start, is_batch=False) if start.is_batch else start  # not for nothing: this is on the path of a hit
    baseline = BillLine(BASELINE, *recount(request, served, start))
    caused = [_caused(attempt) for attempt in answer.attempts if not attempt.message.coalesced]
    if (free := _free_of_charge(answer)) is not None:
        return (baseline, BillLine(free, baseline.model, NOTHING), *caused)
    steps = [baseline]
    if baseline.model != served:
        steps.append(BillLine(_chooser(answer), served, start))
    steps += _shaped(answer, served, start)
    return (*_without_idle([*steps, *_delivered(served, steps[-1].usage, usage)]), *caused)


def cost_of(bill: Sequence[BillLine], price: Price) -> Decimal | None:
    """What was paid: for the last step, and for all calls beside it. None where a price is unknown."""
    *_, last = (line for line in bill if not is_call(line.what))
    amounts = [_amount(line, price) for line in (last, *(line for line in bill if is_call(line.what)))]
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None


def priced(bill: Sequence[BillLine], price: Price) -> Priced | None:
    """Steps are worth their difference, calls what they cost; None where a price is unknown."""
    amounts = [_amount(line, price) for line in bill]
    known = [amount for amount in amounts if amount is not None]
    if len(known) < len(amounts) or not bill:
        return None
    parts: dict[str, Decimal] = {}
    step = cost = known[0]
    for line, amount in zip(bill[1:], known[1:], strict=True):
        if is_call(line.what):
            saved = -amount
        else:
            saved, step = step - amount, amount
        cost -= saved
        parts[line.what] = parts.get(line.what, Decimal(0)) + saved
    return Priced(known[0], cost, {name: part for name, part in parts.items() if part})


def _amount(line: BillLine, price: Price) -> Decimal | None:
    return Decimal(0) if line.usage == NOTHING else price(line.model, line.usage)


def is_call(what: str) -> bool:
    """Whether a line is a call of its own, not a step on the way to another."""
    return what.startswith(CALL)


def call_line(what: str, model: str, usage: Usage) -> BillLine:
    """A call that we caused: `call:judge`."""
    return BillLine(f"{CALL}{what}", model, usage)


def _caused(attempt: Attempt) -> BillLine:
    return call_line(attempt.why, attempt.message.model or attempt.model, attempt.message.usage)


def _free_of_charge(answer: Answer) -> str | None:
    match answer.lookup:
        case Hit(kind=kind, entry=entry):
            return FAQ if entry.kind is Kind.FAQ else kind.value
        case _:
            return COALESCED if answer.message.coalesced else None


def _chooser(answer: Answer) -> str:
    """Which strategy sent it to another model than the one that was named."""
    call = answer.call
    if call is None or call.routed is None:
        return TIERING
    if call.routed.is_failover:
        return FAILOVER
    return ROUTING if ROUTING in call.request.shaped_by else TIERING


def _shaped(answer: Answer, served: str, usage: Usage) -> list[BillLine]:
    """One step for each strategy that left something out, or saw to it that less was said, in their order."""
    steps = []
    for strategy, tokens in () if answer.call is None else answer.call.request.cuts:
        read = max(0, tokens - usage.input_tokens)
        usage = replace(
            usage,
            input_tokens=max(0, usage.input_tokens - tokens),
            cache_read_tokens=max(0, usage.cache_read_tokens - read),
        )
        steps.append(BillLine(strategy, served, usage))
    for strategy, tokens in answer.spared:
        usage = replace(usage, output_tokens=max(0, usage.output_tokens - tokens))
        steps.append(BillLine(strategy, served, usage))
    return steps


def _delivered(served: str, before: Usage, usage: Usage) -> list[BillLine]:
    """From what the shaped request would have counted to what was counted: caching, its writes, and batches."""
    steps = []
    real_time = replace(usage, is_batch=False)
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    was_written = before.cache_write_5m_tokens + before.cache_write_1h_tokens
    if real_time != before:
        if written != was_written:
            unwritten = replace(
                real_time,
                input_tokens=real_time.input_tokens + written,
                cache_write_5m_tokens=0,
                cache_write_1h_tokens=0,
            )
            steps.append(BillLine(PROMPT_CACHING, served, unwritten))
            steps.append(BillLine(CACHE_WRITES, served, real_time))
        else:
            steps.append(BillLine(PROMPT_CACHING, served, real_time))
    if usage.is_batch:
        steps.append(BillLine(BATCH, served, usage))
    return steps


def _without_idle(steps: Sequence[BillLine]) -> list[BillLine]:
    """Steps that change nothing are left out."""
    kept = [steps[0]]
    kept += [step for last, step in pairwise(steps) if step[1:] != last[1:]]
    return kept


def _unassisted(request: Request, answer: Answer) -> Usage:
    """What would have been counted for the request as it came: nothing left out, and only his own marks."""
    usage, call = answer.message.usage, answer.call
    if answer.spared:
        usage = replace(usage, output_tokens=usage.output_tokens + sum(tokens for _, tokens in answer.spared))
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
