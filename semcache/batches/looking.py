"""The first part of a batch's life: each request is looked up, and what others of the batch ask too is asked once."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from semcache.batches.answering import Answers, FromMemory, MustBeSent, NeverSent, OpenExchanges, write_shaped
from semcache.batches.docket import Docket, Step
from semcache.batches.leaders import Leaders
from semcache.batching.item_events import CacheHit, DuplicateFound, Missed, OriginalEnded, Planned, Refused
from semcache.batching.requests import FRAME_BYTES
from semcache.batching.results import ErroredResult, ResultsReader, SucceededResult, errored
from semcache.batching.states import Accepted, Duplicate, Ending, Likeness, ending_of
from semcache.entry import Miss
from semcache.message import Message
from semcache.request import Request
from semcache.stores.batch_store import Item

_HERE = "refused-here"  # stands for a sending that there never was


@dataclass
class Looking:
    """Works in portions, on one thread at a time."""

    docket: Docket
    answering: Answers
    leaders: Leaders
    exchanges: OpenExchanges
    portion: int
    most_bytes: int  # that may go upstream at a time

    def look_up(self) -> int:
        """Some of those that nobody has looked up, or whose leader has its answer by now; how many."""
        items = self.docket.batches.ready(self.docket.id, Accepted, limit=self.portion)
        twins: dict[str, int] = {}
        siblings = self.docket.siblings if items else None
        steps = [
            self._looked_up(item, replace(request, siblings=siblings), twins)
            for item, request, _ in self.docket.requests(items)
        ]
        self.docket.take(steps)
        return len(items)

    def follow(self) -> int:
        """Some of the duplicates whose original has ended; how many."""
        items = self.docket.batches.ready(self.docket.id, Duplicate, limit=self.portion)
        self.docket.take([self._followed(item, request, shaped) for item, request, shaped in self._with_texts(items)])
        return len(items)

    def _looked_up(self, item: Item, request: Request, twins: dict[str, int]) -> Step:
        match self.answering.look_up(request):
            case FromMemory(message):
                return Step(item, [CacheHit()], SucceededResult(message.body))
            case NeverSent(result):
                return _refused(item, result)
            case MustBeSent() as found:
                return self._missed(item, request, found, twins)

    def _missed(self, item: Item, request: Request, found: MustBeSent, twins: dict[str, int]) -> Step:
        shaped, miss = write_shaped(request, found.call), found.call.lookup
        if shaped.size_bytes + FRAME_BYTES >= self.most_bytes:
            found.exchange.close()
            return _refused(item, errored("request_too_large", f"request: larger than {self.most_bytes} bytes"))
        if isinstance(miss, Miss):
            if (twin := self._twin(shaped.twin_key, twins)) is not None:
                found.exchange.close()
                return Step(item, [DuplicateFound(twin, Likeness.EXACT)], shaped=shaped, behind=twin)
            if item.behind is None and (leader := self.leaders.leader_of(miss)) is not None:
                found.exchange.close()
                return Step(item, [], behind=leader)
            self.leaders.add(item.place, miss)
        twins.setdefault(shaped.twin_key, item.place)
        self.exchanges.keep(item.place, found.exchange, size_bytes=shaped.size_bytes)
        return Step(item, [Missed()], shaped=shaped)

    def _twin(self, key: str, twins: dict[str, int]) -> int | None:
        if not key:
            return None
        known = twins.get(key)
        return self.docket.batches.twin(self.docket.id, key) if known is None else known

    def _with_texts(self, items: list[Item]) -> list[tuple[Item, Request, bytes]]:
        return [(item, request, shaped or b"") for item, request, shaped in self.docket.requests(items)]

    def _followed(self, item: Item, request: Request, shaped: bytes) -> Step:
        assert isinstance(item.state, Duplicate)
        original = self.docket.batches.items_at(self.docket.id, [item.state.of])[0]
        ending = ending_of(original.state)
        assert ending is not None
        [(_, raw)] = self.docket.batches.results(self.docket.id, after=original.place - 1, limit=1)
        line = json.loads(raw)
        if ending is not Ending.SUCCEEDED:
            return Step(item, [OriginalEnded(ending)], ResultsReader().feed(raw)[0].result)
        message = Message(line["result"]["message"])
        self.answering.book_copy(request, shaped, message)
        return Step(item, [OriginalEnded(ending)], SucceededResult(message.body))


def _refused(item: Item, result: ErroredResult) -> Step:
    """It ends as errored, and no byte of it has been sent."""
    return Step(item, [Missed(), Planned(_HERE, 0), Refused(_HERE)], result)
