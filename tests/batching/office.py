"""A small driver of batches over a disk that survives it, with the simulator upstream: for tests of crashes."""

import json
import random
from dataclasses import dataclass, field

from semcache.batching.item_events import (
    CancelAsked,
    Created,
    DuplicateFound,
    Missed,
    NotCreated,
    OriginalEnded,
    Planned,
    Refused,
    ResultCame,
)
from semcache.batching.markers import RANDOM_BYTES, Mark, new_marker, read_mark
from semcache.batching.message_batch import BatchPage, MessageBatch, ProcessingStatus
from semcache.batching.recovery import (
    CreateAnswer,
    Found,
    LookInto,
    Lost,
    Patience,
    Seen,
    Sending,
    TooEarly,
    create_answer,
    lists_enough,
    search,
)
from semcache.batching.requests import write_create, write_request
from semcache.batching.results import ResultLine, ResultsReader, SucceededResult
from semcache.batching.spelling import spell, unspell
from semcache.batching.splitting import Limits, Parcel, prefix_of, split
from semcache.batching.states import Duplicate, Ending, Likeness, Sent, Submitting, Waiting, Work, ending_of, work_of
from semcache.batching.transitions import transition
from semcache.errors import UpstreamTorn
from semcache.upstream.upstream import UpstreamRequest

PATH = "/v1/messages/batches"
HEADERS = (("x-api-key", "office"), ("anthropic-version", "2026-10-21"))
PATIENCE = Patience(skew_seconds=5, arrival_seconds=30)


class Crash(BaseException):
    """kill -9."""


@dataclass
class Disk:
    """What survives. Each write is whole or absent, and everything on it is plain JSON."""

    asked: dict = field(default_factory=dict)  # place -> custom id and params
    states: dict = field(default_factory=dict)
    results: dict = field(default_factory=dict)  # place -> result line
    sendings: dict = field(default_factory=dict)  # marker -> places, when

    def accept(self, requests):
        for place, request in enumerate(requests):
            self.asked[place] = json.dumps(request)
            self.states[place] = json.dumps({"state": "accepted"})

    def state(self, place):
        return unspell(json.loads(self.states[place]))


@dataclass
class Office:
    """One process's life. `fuse` counts the points at which it may be killed; at 0 it is."""

    disk: Disk
    simulator: object
    clock: object
    chance: random.Random
    fuse: int | None = None

    async def round(self):
        """All that there is to do now, once."""
        self._look_up()
        fresh = self._plan()
        for marker in fresh:
            await self._create(marker)
        await self._reconcile()
        await self._poll()
        self._follow()

    def cancel(self):
        for place in self.disk.states:
            self._keep({place: CancelAsked()})

    def is_done(self):
        return all(ending_of(self.disk.state(place)) is not None for place in self.disk.states)

    def _places(self, work):
        return [place for place in self.disk.states if work_of(self.disk.state(place)) is work]

    def _risk(self):
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                raise Crash

    def _keep(self, events, **more):
        """One transaction: these events, and what else is to be written with them."""
        self._risk()
        states = {place: transition(self.disk.state(place), event) for place, event in events.items()}
        for name, rows in more.items():
            getattr(self.disk, name).update(rows)
        self.disk.states.update({place: json.dumps(spell(state)) for place, state in states.items()})
        self._risk()

    def _look_up(self):
        first = {}
        for place in self.disk.states:
            params = json.dumps(json.loads(self.disk.asked[place])["params"])
            original = first.setdefault(params, place)
            if place in self._places(Work.LOOK_UP):
                same = DuplicateFound(original, Likeness.EXACT)
                self._keep({place: Missed() if original == place else same})

    def _plan(self):
        waiting = self._places(Work.SEND)
        written = {place: json.loads(self.disk.asked[place]) for place in waiting}
        parcels = [Parcel(place, len(json.dumps(each)), prefix_of(each["params"])) for place, each in written.items()]
        markers = []
        for load in split(parcels, Limits(max_requests=4)):
            marker = new_marker(self.chance.randbytes(RANDOM_BYTES))
            sending = {"places": list(load.places), "tried_at": self.clock()}
            events = {place: Planned(marker, ordinal) for ordinal, place in enumerate(load.places)}
            self._keep(events, sendings={marker: sending})
            markers.append(marker)
        return markers

    async def _create(self, marker):
        places = self.disk.sendings[marker]["places"]
        params = [json.loads(self.disk.asked[place])["params"] for place in places]
        items = [write_request(Mark(marker, ordinal).custom_id, each) for ordinal, each in enumerate(params)]
        self._risk()
        try:
            status, raw = await self._send("POST", PATH, write_create(items))
            batch = MessageBatch.parse(json.loads(raw)) if create_answer(status) is CreateAnswer.CREATED else None
        except UpstreamTorn:
            return
        self._risk()
        match create_answer(status):
            case CreateAnswer.CREATED:
                self._keep(dict.fromkeys(places, Created(marker, batch.id)))
            case CreateAnswer.NOT_NOW:
                self._keep(dict.fromkeys(places, NotCreated(marker)))
            case CreateAnswer.NEVER:
                self._keep(dict.fromkeys(places, Refused(marker)))
            case CreateAnswer.UNKNOWN:
                return

    async def _reconcile(self):
        states = [self.disk.state(place) for place in self._places(Work.RECONCILE)]
        for marker in dict.fromkeys(state.marker for state in states if isinstance(state, Submitting)):
            row = self.disk.sendings[marker]
            sending = Sending(marker, len(row["places"]), row["tried_at"])
            match await self._searched(sending):
                case Found(upstream_id):
                    self._keep(dict.fromkeys(row["places"], Created(marker, upstream_id)))
                case Lost():
                    self._keep(dict.fromkeys(row["places"], NotCreated(marker)))
                case TooEarly() | None:
                    pass

    async def _searched(self, sending):
        listed = await self._listed(sending)
        if listed is None:
            return None
        states = [self.disk.state(place) for place in self.disk.states]
        ours = {state.upstream_id for state in states if isinstance(state, Sent)}
        first_ids = {}
        while isinstance(found := search(sending, Seen(listed, ours, first_ids), self.clock(), PATIENCE), LookInto):
            for upstream_id in found.upstream_ids:
                lines = await self._lines(upstream_id, 1)
                if not lines:
                    return None
                first_ids[upstream_id] = lines[0].custom_id
        return found

    async def _listed(self, sending):
        listed, query = [], "limit=2"
        while True:
            status, raw = await self._send("GET", PATH, query=query)
            if status != 200:
                return None
            page = BatchPage.parse(json.loads(raw))
            listed += page.batches
            if not page.has_more or lists_enough(listed, sending, PATIENCE):
                return listed
            query = f"limit=2&after_id={page.last_id}"

    async def _poll(self):
        sent = [(place, self.disk.state(place)) for place in self._places(Work.POLL)]
        for upstream_id in dict.fromkeys(state.upstream_id for _, state in sent):
            if any(state.stop for _, state in sent if state.upstream_id == upstream_id):
                await self._send("POST", f"{PATH}/{upstream_id}/cancel")
            status, raw = await self._send("GET", f"{PATH}/{upstream_id}")
            if status != 200:
                continue
            batch = MessageBatch.parse(json.loads(raw))
            if batch.status is ProcessingStatus.ENDED:
                for line in await self._lines(upstream_id, batch.counts.total):
                    self._settle(line)

    def _settle(self, line):
        mark = read_mark(line.custom_id)
        place = self.disk.sendings[mark.marker]["places"][mark.ordinal]
        if ending_of(self.disk.state(place)) is not None:
            return
        custom_id = json.loads(self.disk.asked[place])["custom_id"]
        ending = Ending(json.loads(line.content())["result"]["type"])
        kept = line.under(custom_id).content().decode()
        self._keep({place: ResultCame(mark.marker, ending)}, results={place: kept})

    def _follow(self):
        for place in self._places(Work.FOLLOW):
            state = self.disk.state(place)
            assert isinstance(state, Duplicate)
            ending = ending_of(self.disk.state(state.of))
            if ending is not None:
                results = {place: self.disk.results[state.of]} if ending is Ending.SUCCEEDED else {}
                self._keep({place: OriginalEnded(ending)}, results=results)

    async def _lines(self, upstream_id, expected):
        """What can be read of the results, however they end."""
        reader, found = ResultsReader(expected=expected), []
        response = await self._open("GET", f"{PATH}/{upstream_id}/results")
        if response.status != 200:
            return []
        try:
            async for chunk in response.chunks():
                found += reader.feed(chunk)
            found += reader.finish()
        except UpstreamTorn:
            pass
        return found

    async def _send(self, method, path, body=b"", query=""):
        response = await self._open(method, path, body, query)
        return response.status, b"".join([chunk async for chunk in response.chunks()])

    async def _open(self, method, path, body=b"", query=""):
        self._risk()
        return await self.simulator.open(UpstreamRequest(method, path, query, HEADERS, body))


def waiting(disk):
    return [place for place in disk.states if isinstance(disk.state(place), Waiting)]


def message_of(disk, place):
    line: ResultLine = ResultsReader().feed(disk.results[place].encode())[0]
    return line.result.message if isinstance(line.result, SucceededResult) else None
