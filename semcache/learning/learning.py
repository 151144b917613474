"""Learning from the stream: takes notes on the path of a request, and works through them in the background."""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from threading import Condition, Lock, RLock, Thread
from typing import TYPE_CHECKING, assert_never

from semcache.decision.beliefs import Beliefs
from semcache.entry import Entry, Hit
from semcache.errors import SemcacheError, UpstreamError
from semcache.learning.audit_log import AuditLog
from semcache.learning.keeping import BeliefBook
from semcache.learning.lessons import (
    Asked,
    Audit,
    Keep,
    Lesson,
    MissLesson,
    Refresh,
    Report,
    RouteLesson,
    ShadowLesson,
)
from semcache.learning.postponing import Known, Patient, Postponed, Postponement, Room, answering
from semcache.learning.routes import RouteComparing
from semcache.learning.working import Send, Working
from semcache.message import Message
from semcache.request import Request

if TYPE_CHECKING:
    from semcache.request import Vector

logger = logging.getLogger(__name__)

MOST_WAITING = 2_000  # lessons; beyond, the oldest is forgotten: a label lost, nothing else
_SAVE_EVERY = 200  # lessons
NOTHING_KNOWN: Known = {}


class Learning:
    """Owns one worker thread. Until it is started with a way to ask upstream, audits wait."""

    def __init__(
        self,
        book: BeliefBook,
        working: Working,
        routes: RouteComparing,
        *,
        clock: Callable[[], float],
        randomness: random.Random,
    ) -> None:
        self._book = book
        self._working = working
        self._routes = routes
        self._clock = clock
        self._randomness = randomness
        self._waiting: deque[Lesson] = deque()
        self._is_busy = False
        self._is_stopping = False
        self._send: Send | None = None
        self._room: Room | None = None
        self._refreshing: set[str] = set()  # entries that are being asked anew
        self._teaching = RLock()  # one lesson at a time, whoever brings it
        self._thread: Thread | None = None
        self._changed = Condition(Lock())
        self._done = 0

    def beliefs(self, namespace: str) -> Beliefs:
        """What a namespace has learned."""
        return self._book.of(namespace)

    @property
    def book(self) -> BeliefBook:
        return self._book

    @property
    def audits(self) -> AuditLog:
        return self._working.audits

    @property
    def waiting(self) -> int:
        """How many lessons have yet to be learned."""
        return len(self._waiting) + self._is_busy

    @property
    def waiting_audits(self) -> int:
        """How many of them are audits."""
        with self._changed:
            return sum(isinstance(lesson, Audit) for lesson in self._waiting)

    # on the path of a request: notes only

    def note_repeat(self, namespace: str) -> None:
        """An exact repeat was answered, or a request that no hit could answer."""
        self._book.of(namespace).book_other()

    def note_miss(self, lesson: MissLesson) -> None:
        """An answer came from upstream."""
        self._book.of(lesson.namespace).book_other()
        self._add(lesson)

    def note_shadow(self, namespace: str, outcome: ShadowLesson | MissLesson | Hit | None) -> None:
        """Shadow mode: an answer came from upstream, where going live would have had this outcome."""
        beliefs = self._book.of(namespace)
        confidence = outcome.would_be.confidence if isinstance(outcome, ShadowLesson) else None
        beliefs.book_shadow(confidence, is_exact=isinstance(outcome, Hit))
        if isinstance(outcome, ShadowLesson | MissLesson):
            self._add(outcome)

    def note_hit(self, hit: Hit, asked: Asked, request: Request, keep: Keep) -> bool:
        """A similar answer was served; whether it will be audited."""
        beliefs = self._book.of(request.caller.namespace)
        plan = beliefs.book_hit(hit.confidence, self._randomness)
        if plan.is_drawn:
            self._add(Audit(asked, hit, plan, request, keep))
        else:
            beliefs.settle_unaudited(plan, self._clock())
        return plan.is_drawn

    def note_route(self, lesson: RouteLesson) -> None:
        """A request was routed that is also to be asked of the other model."""
        self._add(lesson)

    def note_routed_answer(self, namespace: str, vector: Vector, *, was_enough: bool) -> None:
        """A person's word on an answer of a model that was chosen for him."""
        self._routes.note_answer(namespace, vector, was_enough=was_enough)

    def note_stale(self, entry: Entry, question: str, request: Request, keep: Keep) -> None:
        """An answer was served that soon expires: ask it anew, once."""
        with self._changed:
            if entry.id in self._refreshing:
                return
            self._refreshing.add(entry.id)
        self._add(Refresh(entry.id, question, request, keep))

    def note_report(self, report: Report) -> None:
        """People choose what they report, so it teaches the weights, and says nothing about rates."""
        self._add(report)

    # the background

    def start(self, send: Send, *, room: Room | None = None) -> None:
        """Begin to work; `send` asks upstream, blocking; it raises `UpstreamError`. What can wait goes to the room."""
        with self._changed:
            self._send, self._room = send, room
            if self._thread is None:
                self._thread = Thread(target=self._work, name="semcache-learning", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def settle(self, timeout_seconds: float | None = None) -> bool:
        """Wait until everything noted so far has been worked through; False where the time did not suffice."""
        with self._changed:
            if self._thread is None:
                return not self._waiting
            return self._changed.wait_for(lambda: not self._waiting and not self._is_busy, timeout_seconds)

    def resume(self, postponed: Postponement, outcome: Message | UpstreamError | None) -> None:
        """Go on with a lesson, now that its question has been answered; None: time has run out, so it is asked now.

        Works on the caller's thread.
        """
        paid = {name: replace(message, coalesced=True) for name, message in postponed.known.items()}
        known: Known = paid if outcome is None else {**paid, postponed.call.name: outcome}
        self._learn(postponed.lesson, known, may_wait=outcome is not None)

    def stop(self, *, wait_seconds: float = 2.0) -> None:
        """Finish what can be finished in the time, keep what was learned, and end. May be called twice."""
        self.settle(wait_seconds)
        with self._changed:
            self._is_stopping = True
            self._waiting.clear()
            self._changed.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(wait_seconds)
        self._save()

    def _add(self, lesson: Lesson) -> None:
        with self._changed:
            if self._is_stopping:
                return
            self._waiting.append(lesson)
            if len(self._waiting) > MOST_WAITING:
                self._forget(self._waiting.popleft())
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_stopping)
                if self._is_stopping:
                    return
                lesson, self._is_busy = self._waiting.popleft(), True
            try:
                self._learn(lesson)
            finally:
                with self._changed:
                    self._is_busy = False
                    self._changed.notify_all()

    def _learn(self, lesson: Lesson, known: Known = NOTHING_KNOWN, *, may_wait: bool = True) -> None:
        try:
            can_wait = self._room is not None and may_wait and not self._working.is_urgent(lesson)
            room = self._room if can_wait else None
            send = None if self._send is None else answering(known, self._send, is_patient=room is not None)
            with self._teaching:
                self._work_through(lesson, send)
        except Postponed as postponed:
            if room is not None and isinstance(lesson, Patient):
                answers = {name: answer for name, answer in known.items() if isinstance(answer, Message)}
                room.take(Postponement(lesson, answers, postponed.call))
                return
        except SemcacheError as error:
            logger.warning("%s failed: %s", type(lesson).__name__, type(error).__name__)
        except Exception as error:  # a lesson that cannot be learned must not end learning
            logger.error("%s failed: %s", type(lesson).__name__, type(error).__name__)
        self._forget(lesson)
        self._done += 1
        if self._done % _SAVE_EVERY == 0:
            self._save()

    def _forget(self, lesson: Lesson) -> None:
        if isinstance(lesson, Refresh):
            self._refreshing.discard(lesson.entry_id)

    def _work_through(self, lesson: Lesson, send: Send | None) -> None:
        match lesson:
            case MissLesson():
                self._working.learn_miss(lesson, send)
            case ShadowLesson():
                self._working.learn_shadow(lesson, send)
            case Audit():
                self._working.audit(lesson, send)
            case Refresh():
                self._working.refresh(lesson, send)
            case Report():
                self._working.learn_report(lesson)
            case RouteLesson():
                self._routes.learn(lesson, send)
            case _:
                assert_never(lesson)

    def _save(self) -> None:
        try:
            self._book.save()
        except Exception as error:
            logger.error("what was learned could not be kept: %s", type(error).__name__)
