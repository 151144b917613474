"""The third part: batches upstream are asked how they stand, and their results become ours, line by line."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from semcache.batches.answering import Answers, OpenExchanges
from semcache.batches.courier import Courier, UpstreamRefuses
from semcache.batches.docket import Docket, Step
from semcache.batches.rules import Aside
from semcache.batching.item_events import ResultCame
from semcache.batching.markers import Mark, read_mark
from semcache.batching.message_batch import MessageBatch, ProcessingStatus
from semcache.batching.results import (
    CanceledResult,
    ErroredResult,
    ExpiredResult,
    Result,
    ResultLine,
    SucceededResult,
    errored,
)
from semcache.batching.states import Ending, ending_of
from semcache.errors import UpstreamError, UpstreamTorn
from semcache.message import Message
from semcache.stores.batch_store import Dispatch, Item

logger = logging.getLogger(__name__)

_GONE = errored("api_error", "the upstream has lost the batch that this request was in; send it again")
_MISSING = errored("api_error", "the upstream ended the batch without a result for this request; send it again")


@dataclass
class Collecting:
    """Asks, reads and settles. A tear in the results costs what comes behind it, until they are read again."""

    docket: Docket
    courier: Courier
    answering: Answers
    exchanges: OpenExchanges
    advance: Aside
    portion: int

    async def collect(self, *, is_stopping: bool) -> bool:
        """Look after every batch upstream; whether anything came of it."""
        moved = False
        for dispatch in await self.advance(lambda: self.docket.batches.dispatches(self.docket.id)):
            if dispatch.upstream_id is not None:
                try:
                    moved |= await self._looked_after(dispatch, dispatch.upstream_id, is_stopping=is_stopping)
                except UpstreamError as error:  # the others are looked after all the same
                    logger.warning("batch %s: asking upstream: %s", self.docket.id, error)
        return moved

    async def _looked_after(self, dispatch: Dispatch, upstream_id: str, *, is_stopping: bool) -> bool:
        try:
            batch = await self.courier.retrieve(upstream_id)
            if is_stopping and batch.status is ProcessingStatus.IN_PROGRESS:
                await self.courier.cancel(upstream_id)
            if batch.status is not ProcessingStatus.ENDED:
                return False
            if batch.archived_at is not None:
                return await self._given_up(dispatch, _GONE)
            return await self._read(dispatch, batch)
        except UpstreamRefuses as error:
            if error.is_gone:
                return await self._given_up(dispatch, _GONE)
            raise

    async def _read(self, dispatch: Dispatch, batch: MessageBatch) -> bool:
        """Settle line by line; True where at least one was news."""
        moved, waiting = False, list[ResultLine]()
        try:
            async with aclosing(self.courier.results(batch.id, expected=batch.counts.total)) as portions:
                async for lines in portions:
                    waiting += lines
                    while len(waiting) >= self.portion:
                        some, waiting = waiting[: self.portion], waiting[self.portion :]
                        moved |= await self._settled(dispatch, some)
        except UpstreamTorn as error:
            if isinstance(error, UpstreamRefuses):
                raise
            logger.warning("batch %s: results upstream broke off; they are read again", self.docket.id)
            return await self._settled(dispatch, waiting) or moved
        await self._settled(dispatch, waiting)
        return await self._given_up(dispatch, _MISSING)

    async def _settled(self, dispatch: Dispatch, lines: Sequence[ResultLine]) -> bool:
        return await self.advance(lambda: self._settle(dispatch, lines)) if lines else False

    def _settle(self, dispatch: Dispatch, lines: Sequence[ResultLine]) -> bool:
        """Answers are stored, and booked, before their requests end: a crash between books them again, no more."""
        by_place = {dispatch.places[mark.ordinal]: line for mark, line in _ours(dispatch, lines)}
        items = self.docket.batches.items_at(self.docket.id, list(by_place))
        left = [item for item in items if ending_of(item.state) is None]
        steps = []
        for item, request, shaped in self.docket.requests(left):
            result, exchange = by_place[item.place].result, self.exchanges.take(item.place)
            if isinstance(result, SucceededResult):
                message = self.answering.settle(request, shaped or b"", Message(result.message), exchange)
                result = SucceededResult(message.body)
            elif exchange is not None:
                exchange.close()
            steps.append(Step(item, [ResultCame(dispatch.marker, _ending(result))], result))
        return self.docket.take(steps) > 0

    async def _given_up(self, dispatch: Dispatch, result: ErroredResult) -> bool:
        """Nothing more comes of it: what has no result by now ends with this one."""

        def close() -> None:
            items = self.docket.batches.items_at(self.docket.id, dispatch.places)
            left: Iterable[Item] = (item for item in items if ending_of(item.state) is None)
            steps = [Step(item, [ResultCame(dispatch.marker, Ending.ERRORED)], result) for item in left]
            if steps:
                logger.warning("batch %s: %d requests have no result upstream", self.docket.id, len(steps))
            self.docket.take(steps, dispatch=replace(dispatch, is_over=True))

        await self.advance(close)
        return True


def _ours(dispatch: Dispatch, lines: Iterable[ResultLine]) -> Iterable[tuple[Mark, ResultLine]]:
    for line in lines:
        mark = read_mark(line.custom_id)
        if mark is not None and mark.marker == dispatch.marker and mark.ordinal < len(dispatch.places):
            yield mark, line


def _ending(result: Result) -> Ending:
    match result:
        case SucceededResult():
            return Ending.SUCCEEDED
        case ErroredResult():
            return Ending.ERRORED
        case CanceledResult():
            return Ending.CANCELED
        case ExpiredResult():
            return Ending.EXPIRED
