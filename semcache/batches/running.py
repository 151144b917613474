"""A batch from inside this process: requests in, results out, through the same durable office as the service's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from semcache.assembly import Assembly
from semcache.batches.arriving import Arrival, arrive, new_record
from semcache.batches.asked import Asked
from semcache.batches.desk import Desk
from semcache.batches.office import Office
from semcache.batches.rules import Rules
from semcache.batching.message_batch import Counts
from semcache.batching.requests import BatchRequest
from semcache.batching.results import ResultLine, ResultsReader
from semcache.drivers import blocking_send
from semcache.flights import Flights
from semcache.request import Request, encode_json
from semcache.stores.batch_store import BatchRecord

OnProgress = Callable[[Counts], None]
Asking = BatchRequest | Mapping[str, Any] | str
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class BatchResults:
    """What became of a batch. Iterating reads its lines from the store, in the order of the requests."""

    id: str
    counts: Counts
    desk: Desk = field(repr=False)
    credential: str = field(repr=False)

    def __iter__(self) -> Iterator[ResultLine]:
        reader = ResultsReader()
        for page in self.desk.results(self.id, self.credential):
            yield from reader.feed(page)

    def forget(self) -> None:
        """Delete the batch with its results; what the cache has learned from them stays."""
        self.desk.delete(self.id, self.credential)


async def run_batch(  # noqa: PLR0913 - the parts it joins
    assembly: Assembly,
    flights: Flights,
    requests: Iterable[Asking],
    *,
    like: Request,
    on_progress: OnProgress | None = None,
    rules: Rules | None = None,
) -> BatchResults:
    """Accept a batch and wait for its end. Who asks, and how, is as with `like`, whose body gives defaults for params.

    A request is `{"custom_id", "params"}` as in Claude's API, or a prompt.

    A batch that was accepted goes on after a crash or an interrupt, with the next office that opens this store.
    Raises `InvalidRequest`.
    """
    async with open_office(assembly, flights, rules) as office:
        asked = Asked.like(like)
        record = await asyncio.to_thread(_accepted, office, asked, requests, like.body)
        office.wake(record.id)
        return await results_of(office, record, on_progress)


async def results_of(office: Office, record: BatchRecord, on_progress: OnProgress | None) -> BatchResults:
    """Wait until an accepted batch has ended."""
    counts = await _until_ended(office, record, on_progress)
    return BatchResults(record.id, counts, Desk(office.batches, office.clock), record.credential)


def _accepted(office: Office, asked: Asked, requests: Iterable[Asking], defaults: Mapping[str, Any]) -> BatchRecord:
    """Checked and kept as if it had come over HTTP."""
    record = new_record(office.store, asked, now=office.clock(), base_url="", terms=office.rules.terms)
    arrival = arrive(office.store, record)
    given = {name: value for name, value in defaults.items() if name != "messages"}
    try:
        _feed(arrival, requests, given)
        return arrival.finish()
    except BaseException:
        arrival.abandon()
        raise


def _feed(arrival: Arrival, requests: Iterable[Asking], defaults: Mapping[str, Any]) -> None:
    arrival.feed(b'{"requests":[')
    for number, each in enumerate(requests):
        asking = _asking(each, number)
        params = asking.get("params")
        if isinstance(params, Mapping):
            asking["params"] = {**defaults, **params}
        arrival.feed((b"," if number else b"") + encode_json(asking))
    arrival.feed(b"]}")


def _asking(each: Asking, number: int) -> dict[str, Any]:
    """As in Claude's API; a bare prompt is named by its place."""
    match each:
        case BatchRequest():
            return {"custom_id": each.custom_id, "params": each.params}
        case str():
            return {"custom_id": f"request-{number}", "params": {"messages": [{"role": "user", "content": each}]}}
        case _:
            return dict(each)


async def _until_ended(office: Office, record: BatchRecord, on_progress: OnProgress | None) -> Counts:
    while True:
        found = await asyncio.to_thread(office.batches.batch, record.id)
        counts = found.counts if found is not None else Counts()
        if on_progress is not None:
            so_far = counts if counts is not None else await asyncio.to_thread(office.batches.counts, record.id)
            on_progress(so_far)
        if counts is not None:
            return counts
        await asyncio.sleep(_LOOK_SECONDS)


@asynccontextmanager
async def open_office(assembly: Assembly, flights: Flights, rules: Rules | None) -> AsyncIterator[Office]:
    """An office for as long as this is open. Where another process has the charge, that one does the work."""
    send = blocking_send(flights, asyncio.get_running_loop())
    office = Office(assembly, flights.upstream, send=send, clock=assembly.cache.now, rules=rules)
    running = asyncio.create_task(office.run(), name="semcache-batches")
    try:
        yield office
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
