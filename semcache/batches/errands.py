"""Errands: questions of our own that somebody waits for, asked in one batch at half price, fetched by who sent them.

An errand's id is made of what it asks. So whoever was interrupted, and sends it again, finds it under way, or ended
with its answers, and pays once. Callers do not see errands; whoever carries them out books them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from semcache.assembly import Assembly
from semcache.batches.arriving import new_record
from semcache.batches.asked import Asked
from semcache.batches.office import Office
from semcache.batches.own_answering import errand_owner
from semcache.batches.rules import Rules
from semcache.batches.running import BatchResults, OnProgress, open_office, results_of
from semcache.batching.batch_life import Archived, InProgress
from semcache.batching.results import ErroredResult, ResultLine, SucceededResult
from semcache.canonical import digest
from semcache.errors import UpstreamError, UpstreamTorn
from semcache.exchange import Call
from semcache.flights import Flights
from semcache.message import Message
from semcache.request import encode_json
from semcache.stores.batch_store import BatchRecord, NewItem


async def run_errand(  # noqa: PLR0913 - the parts it joins
    assembly: Assembly,
    flights: Flights,
    outcome: str,
    calls: Sequence[Call],
    *,
    on_progress: OnProgress | None = None,
    rules: Rules | None = None,
) -> BatchResults:
    """Send these questions, or find them sent, and wait for their answers, which are booked under `outcome`.

    All are asked by the same caller with the same headers; by its name a question is known again, whatever its words.
    Forget the results when they are no longer wanted. Raises `StoreError`.
    """
    async with open_office(assembly, flights, rules) as office:
        record = await asyncio.to_thread(_sent, office, outcome, calls)
        office.wake(record.id)
        return await results_of(office, record, on_progress)


def answers_of(results: BatchResults) -> list[Message | UpstreamError]:
    """For each question its answer, which is booked, or why there is none."""
    return [_answer(line) for line in results]


def _sent(office: Office, outcome: str, calls: Sequence[Call]) -> BatchRecord:
    asked, items = Asked.like(calls[0].request), [encode_json(call.request.body) for call in calls]
    names = [call.name or call.request.body for call in calls]
    batch_id = f"msgbatch_{digest([outcome, asked.content().decode(), asked.caller.credential, names])[:24]}"
    known = office.batches.batch(batch_id)
    if known is not None and not isinstance(known.state, Archived):
        return known
    office.batches.delete(batch_id)  # its results are gone, or somebody died while he handed it in
    terms = office.rules.terms
    record = new_record(office.store, asked, now=office.clock(), base_url="", terms=terms, batch_id=batch_id)
    record = replace(record, credential=errand_owner(outcome), total=len(items))
    office.batches.begin(record)
    office.batches.add(record.id, 0, [NewItem(f"question-{place}", item) for place, item in enumerate(items)])
    office.batches.accept(record.id, InProgress(), total=len(items))
    return replace(record, state=InProgress())


def _answer(line: ResultLine) -> Message | UpstreamError:
    match line.result:
        case SucceededResult(message=body):
            return replace(Message(body), coalesced=True)
        case ErroredResult():
            return UpstreamTorn("a question of our own was refused in a batch")
        case _:
            return UpstreamTorn("a question of our own had no answer in time")
