"""The second part: what must be sent goes upstream in as few batches as its limits allow, and never twice."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from semcache.batches.answering import read_shaped
from semcache.batches.courier import Courier, CreateReport
from semcache.batches.docket import Docket, Step
from semcache.batches.rules import Aside, Rules
from semcache.batching.item_events import Created, Event, NotCreated, Planned, Refused
from semcache.batching.markers import RANDOM_BYTES, Mark, new_marker
from semcache.batching.recovery import (
    CreateAnswer,
    Found,
    LookInto,
    Lost,
    Seen,
    Sending,
    TooEarly,
    search,
)
from semcache.batching.requests import write_create, write_request
from semcache.batching.results import Result
from semcache.batching.splitting import Load, Parcel, split
from semcache.batching.states import Waiting
from semcache.errors import UpstreamError
from semcache.stores.batch_store import Dispatch, Item

logger = logging.getLogger(__name__)

_BODIES_AT_ONCE = 500


@dataclass
class Dispatching:
    """Sends what waits. `advance` does the work that must not hold up the event loop."""

    docket: Docket
    courier: Courier
    rules: Rules
    clock: Callable[[], float]
    advance: Aside
    rest_seconds: float = 0.0  # that the upstream has asked for

    async def send(self) -> bool:
        """Create batches for all that waits, until the upstream says no; whether anything was created or ended."""
        moved = False
        for load in await self.advance(self._loads):
            report = await self._sent(load)
            if report.answer not in (CreateAnswer.CREATED, CreateAnswer.NEVER):
                return moved
            moved = True
        return moved

    async def reconcile(self) -> bool:
        """Find out about creates that nobody answered for; whether one was settled."""
        moved = False
        for dispatch in await self.advance(lambda: self.docket.batches.dispatches(self.docket.id)):
            if dispatch.upstream_id is None:
                try:
                    moved |= await self._reconciled(dispatch)
                except UpstreamError as error:  # the others are looked after all the same
                    logger.warning("batch %s: searching upstream: %s", self.docket.id, error)
        return moved

    def _loads(self) -> list[Load]:
        parcels = [Parcel(item.place, item.size_bytes, item.prefix) for item in self.docket.all_items(Waiting)]
        return split(parcels, self.rules.limits)

    async def _sent(self, load: Load) -> CreateReport:
        dispatch = await self.advance(lambda: self._planned(load))
        body = await self.advance(lambda: self._written(dispatch))
        report = await self.courier.create(body)
        self.rest_seconds = report.retry_after_seconds
        logger.info(
            "batch %s: create of %d requests: %s", self.docket.id, len(dispatch.places), report.answer.name.lower()
        )
        await self.advance(lambda: self._noted(dispatch, report))
        return report

    def _planned(self, load: Load) -> Dispatch:
        """Written down before a byte is sent."""
        marker = new_marker(secrets.token_bytes(RANDOM_BYTES))
        dispatch = Dispatch(marker, load.places, self.clock())
        items = {item.place: item for item in self.docket.batches.items_at(self.docket.id, load.places)}
        steps = [Step(items[place], [Planned(marker, ordinal)]) for ordinal, place in enumerate(load.places)]
        self.docket.take(steps, dispatch=dispatch)
        return dispatch

    def _written(self, dispatch: Dispatch) -> bytes:
        """The body of the create; requests in the order of their places upstream."""
        written: list[bytes] = []
        for start in range(0, len(dispatch.places), _BODIES_AT_ONCE):
            places = dispatch.places[start : start + _BODIES_AT_ONCE]
            items = {item.place: item for item in self.docket.batches.items_at(self.docket.id, places)}
            texts = self.docket.requests([items[place] for place in places])
            for ordinal, (_, request, shaped) in enumerate(texts, start=start):
                params = request.body if shaped is None else read_shaped(request, shaped).request.body
                written.append(write_request(Mark(dispatch.marker, ordinal).custom_id, params))
        return write_create(written)

    def _noted(self, dispatch: Dispatch, report: CreateReport) -> None:
        match report.answer:
            case CreateAnswer.CREATED if report.batch is not None:
                self._found(dispatch, report.batch.id)
            case CreateAnswer.NEVER:
                self._closed(dispatch, Refused(dispatch.marker), report.problem)
            case CreateAnswer.NOT_NOW:
                items = self._items(dispatch)
                tired = report.is_login and any(_failures(item) + 1 >= self.rules.logins for item in items)
                self._closed(
                    dispatch, Refused(dispatch.marker) if tired else NotCreated(dispatch.marker), report.problem
                )
            case CreateAnswer.UNKNOWN | CreateAnswer.CREATED:
                return

    async def _reconciled(self, dispatch: Dispatch) -> bool:
        sending = Sending(dispatch.marker, len(dispatch.places), dispatch.tried_at)
        ours = await self.advance(self.docket.batches.upstream_ids)
        listed = await self.courier.listed(sending, self.rules.patience)
        first_ids: dict[str, str] = {}
        while True:
            seen = Seen(listed, ours, first_ids)
            match search(sending, seen, self.clock(), self.rules.patience):
                case Found(upstream_id):
                    await self.advance(partial(self._found, dispatch, upstream_id))
                    return True
                case Lost():
                    await self.advance(lambda: self._closed(dispatch, NotCreated(dispatch.marker)))
                    return True
                case LookInto(upstream_ids):
                    for upstream_id in upstream_ids:
                        first_ids[upstream_id] = await self.courier.first_id(upstream_id)
                case TooEarly():
                    return False

    def _found(self, dispatch: Dispatch, upstream_id: str) -> None:
        event = Created(dispatch.marker, upstream_id)
        steps = [Step(item, [event]) for item in self._items(dispatch)]
        self.docket.take(steps, dispatch=replace(dispatch, upstream_id=upstream_id))

    def _closed(self, dispatch: Dispatch, event: Event, result: Result | None = None) -> None:
        """Nothing of it is upstream."""
        steps = [Step(item, [event], result) for item in self._items(dispatch)]
        self.docket.take(steps, dispatch=replace(dispatch, is_over=True))

    def _items(self, dispatch: Dispatch) -> Sequence[Item]:
        return self.docket.batches.items_at(self.docket.id, dispatch.places)


def _failures(item: Item) -> int:
    """How many creates with this request have come to nothing."""
    return getattr(item.state, "failures", 0)
