"""Where our own jobs wait, audits, judgements, comparisons and refreshes, until many are asked together at half price.

A job waits here, in memory, for half of the time it has at most; then the jobs of one credential become one batch of
ours, which nobody else sees, and are as durable as any. When that has ended, its lessons go on with the answers. What
has no answer when the time is up is asked in real time.

A killed process loses the jobs that had not become a batch, and those it was just learning from: labels, and no
answer twice, for a label that counted twice would make the certificate say too much.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from threading import Lock

from semcache.assembly import Assembly, Clock
from semcache.batches.arriving import new_record
from semcache.batches.asked import Asked
from semcache.batches.docket import Docket
from semcache.batches.lesson_notes import LessonNotes
from semcache.batches.own_answering import OWNER
from semcache.batching.batch_life import InProgress, Terms
from semcache.batching.results import ErroredResult, ResultsReader, SucceededResult
from semcache.errors import SemcacheError, StoreError, UpstreamError, UpstreamTorn
from semcache.learning.postponing import Postponement
from semcache.message import Message
from semcache.request import Headers, Json, encode_json
from semcache.stores.batch_store import BatchStore, NewItem, batches_of

logger = logging.getLogger(__name__)

_PAGE = 200
MOST_WAITING = 1000  # jobs of one credential; then they wait no longer


@dataclass
class _Lane:
    """Jobs that may go in one batch: the same credential and headers."""

    asked: Asked
    since: float
    jobs: list[Postponement] = field(default_factory=list)


class WaitingRoom:
    """A `semcache.learning.postponing.Room`; thread-safe. Raises `StoreUnavailable` where no batches are kept."""

    def __init__(self, assembly: Assembly, *, clock: Clock, wait_seconds: float) -> None:
        self._store = assembly.store
        self._batches: BatchStore = batches_of(assembly.store)
        self._learning = assembly.learning
        self._notes = LessonNotes(assembly.cache)
        self._clock = clock
        self._collect_seconds = wait_seconds / 2
        self._terms = Terms(expiry_seconds=wait_seconds / 2)
        self._lanes: dict[tuple[bytes, Headers], _Lane] = {}
        self._is_closing = False
        self._lock = Lock()

    @property
    def waiting(self) -> int:
        """Jobs that have not become a batch yet."""
        with self._lock:
            return sum(len(lane.jobs) for lane in self._lanes.values())

    def take(self, postponement: Postponement) -> None:
        asked = Asked.like(postponement.call.request)
        with self._lock:
            place = asked.content(), asked.credential
            self._lanes.setdefault(place, _Lane(asked, self._clock())).jobs.append(postponement)

    def send(self, *, at_once: bool = False) -> list[str]:
        """Make batches of those that have waited long enough, or of all; their ids. A store that fails: later."""
        due = self._clock() - self._collect_seconds
        with self._lock:
            chosen = [
                place
                for place, lane in self._lanes.items()
                if at_once or lane.since <= due or len(lane.jobs) >= MOST_WAITING
            ]
            lanes = [self._lanes.pop(place) for place in chosen]
        made = []
        for lane in lanes:
            try:
                made.append(self._accepted(lane))
            except StoreError as error:
                logger.warning("%d jobs of our own are put off: %s", len(lane.jobs), type(error).__name__)
                self._put_back(lane)
        return made

    def _put_back(self, lane: _Lane) -> None:
        """What has come meanwhile waits behind it."""
        with self._lock:
            place = lane.asked.content(), lane.asked.credential
            if (newer := self._lanes.get(place)) is not None:
                lane.jobs += newer.jobs
            self._lanes[place] = lane

    def stop_asking(self) -> None:
        """Nothing is asked in real time any more: it would hold up the end of the service. It becomes a batch again."""
        self._is_closing = True

    def close(self) -> None:
        """Nothing waits in memory any more."""
        self.send(at_once=True)

    def learn_from(self, docket: OwnDocket) -> None:
        """Go on with the lessons of a batch that has ended. It is forgotten first: no answer may count twice."""
        ended = list(self._ended(docket))
        docket.batches.delete(docket.id)
        for postponed, outcome in ended:
            if outcome is None and self._is_closing:
                self.take(postponed)
            else:
                self._learning.resume(postponed, outcome)
        logger.info("batch %s: %d jobs of our own are done", docket.id, len(ended))

    def _accepted(self, lane: _Lane) -> str:
        record = new_record(self._store, lane.asked, now=self._clock(), base_url="", terms=self._terms)
        record = replace(record, credential=OWNER)
        items = [NewItem(f"job-{number}", encode_json(self._notes.write(job))) for number, job in enumerate(lane.jobs)]
        self._batches.begin(record)
        self._batches.add(record.id, 0, items)
        self._batches.accept(record.id, InProgress(), total=len(items))
        logger.info("batch %s: %d jobs of our own", record.id, len(items))
        return record.id

    def _ended(self, docket: OwnDocket) -> Iterator[tuple[Postponement, Message | UpstreamError | None]]:
        for raw, line in docket.ended():
            if (postponed := self._read(raw)) is not None:
                yield postponed, _outcome(line)

    def _read(self, raw: bytes) -> Postponement | None:
        """None: what it was about has gone meanwhile, or cannot be read."""
        try:
            return self._notes.read(json.loads(raw))
        except (SemcacheError, ValueError, KeyError, TypeError) as error:
            logger.warning("a job of our own is dropped: %s", type(error).__name__)
            return None


class OwnDocket(Docket):
    """A batch of our own jobs: what came are lessons, and their questions go upstream as they are."""

    def params_of(self, raw: bytes) -> Json:
        params: Json = json.loads(raw)["call"]["request"]["body"]
        return params

    def ended(self) -> Iterator[tuple[bytes, bytes]]:
        """All jobs as they were written down, with their result lines."""
        after = -1
        while page := self.batches.results(self.id, after=after, limit=_PAGE):
            bodies = self.batches.bodies(self.id, [place for place, _ in page])
            yield from ((bodies[place].params, line) for place, line in page)
            after = page[-1][0]


def _outcome(line: bytes) -> Message | UpstreamError | None:
    """What has become of a question; None: time has run out."""
    match ResultsReader().feed(line)[0].result:
        case SucceededResult(message=message):
            return Message(message)
        case ErroredResult():
            return UpstreamTorn("a question of our own was refused in a batch")
        case _:
            return None
