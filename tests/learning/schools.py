"""What learning needs, put together from real parts: a store in memory, beliefs, a ledger, and a judge by a table."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fakes import MODEL, Clock, message, request, trusting_scorer

from semcache.canonical import digest
from semcache.decision.audit_schedule import AuditPlan, AuditSchedule
from semcache.decision.evidence import FEATURES
from semcache.decision.sameness.outcomes import Different, Pairing, Same, Sameness, Uncertain
from semcache.embedders.hashed import HashedEmbedder
from semcache.entry import Considered, Entry, Exemplar, Hit, HitKind, Kind, Label, Origin, Scope
from semcache.errors import UpstreamError
from semcache.exchange import Call
from semcache.learning.comparing import Comparing
from semcache.learning.keeping import BeliefBook
from semcache.learning.lessons import Asked, Audit, MissLesson
from semcache.learning.routes import RouteBook, RouteComparing
from semcache.learning.teacher import Teacher
from semcache.learning.working import Working
from semcache.ledger import Ledger
from semcache.message import Message
from semcache.request import Caller
from semcache.stores.ledger_book import LedgerQuery
from semcache.stores.memory import MemoryStore
from semcache.stores.store import Store

EMBEDDER = HashedEmbedder()
SHOP = "shop"
SCOPE = Scope(SHOP, "0" * 64)
RESET, FORGOT, PARCEL = "How do I reset my password?", "I forgot my password, what now?", "Where is my parcel?"
SETTINGS, TRACKING = "Open Settings and press Reset.", "Look at the tracking page."
UNIFORM = AuditPlan(1.0, True, True, False)
PRICE_USD = Decimal("0.25")

Seen = tuple[str, Label, Origin]


class WordForWord:
    """Two answers are the same where their words are; it cannot tell where one of them begins with "Perhaps"."""

    def compare(self, pairing: Pairing) -> Sameness:
        fresh, stored = pairing.fresh.text, pairing.stored.text
        if "Perhaps" in (fresh.split()[0], stored.split()[0]):
            return Uncertain("alike-to-a-degree", 0.5)
        return Same("equal", 0.99) if fresh == stored else Different("unlike", 0.9)


class School:
    """One namespace's learning, and a record of what came of it."""

    def __init__(self, *, judge_model: str | None = None, schedule: AuditSchedule | None = None) -> None:
        self.clock = Clock()
        self.store: Store = MemoryStore(clock=self.clock)
        self.book = book_over(self.store, schedule=schedule)
        self.ledger = Ledger(self.store, lambda model, usage: PRICE_USD, clock=self.clock)
        self.comparing = Comparing(WordForWord(), self.ledger, claude_model=judge_model)
        self.working = Working(self.store, self.book, self.comparing, self.ledger, clock=self.clock)
        self.route_book = RouteBook(self.store, tolerance=0.05, dims=EMBEDDER.dims)
        self.routes = RouteComparing(self.route_book, self.comparing, self.ledger, clock=self.clock)
        self.teacher = Teacher(self.store, self.book, clock=self.clock)

    def stored(self, question: str, answer: str, *, kind: Kind = Kind.LEARNED, origin: Origin = Origin.MISS) -> Entry:
        """An answer that is known for the question it was given to."""
        key = digest(question)
        entry = Entry(f"ent_{key[:12]}", SCOPE, key, kind, question, message(answer), MODEL, MODEL, 0.1, 0.0, None)
        exemplar = Exemplar(entry.id, question, EMBEDDER.embed(question), origin=origin, key=key)
        self.clock.advance(1)
        return self.store.put(entry, [exemplar])

    def exemplars(self, entry: Entry) -> list[Seen]:
        return [(each.text, each.label, each.origin) for each in self.store.exemplars(entry.id)]

    def texts(self, entry: Entry, label: Label) -> list[str]:
        return [text for text, labelled, _ in self.exemplars(entry) if labelled is label]

    def spent(self) -> dict[str, int]:
        """Calls booked by what they were for."""
        self.ledger.flush()
        return {row.key[0]: row.requests for row in self.store.ledger_groups(LedgerQuery(by=("outcome",)))}


OpenSchool = Callable[..., School]


class Upstream:
    """Answers a call by a function of its request's body; counts what it was asked."""

    def __init__(self, answer: Callable[[dict[str, Any]], Message | None]) -> None:
        self.bodies: list[dict[str, Any]] = []
        self._answer = answer

    def __call__(self, call: Call) -> Message:
        self.bodies.append(call.request.body)
        if (said := self._answer(call.request.body)) is None:
            raise UpstreamError("overloaded")
        return said


def saying(*texts: str | None) -> Upstream:
    """An upstream that says these one after the other, the last for ever; None: it cannot be reached."""
    left = list(texts)

    def answer(body: dict[str, Any]) -> Message | None:
        text = left.pop(0) if len(left) > 1 else left[0]
        return None if text is None else message(text)

    return Upstream(answer)


def book_over(store: Store, *, error_budget: float = 0.01, schedule: AuditSchedule | None = None) -> BeliefBook:
    return BeliefBook(store, trusting_scorer(), error_budget=error_budget, schedule=schedule or AuditSchedule())


def asked(question: str) -> Asked:
    return Asked(question, EMBEDDER.embed(question), digest(question))


def considered(entry: Entry, *, confidence: float = 0.9, objections: tuple[str, ...] = ()) -> Considered:
    values = () if objections and objections[0] != "below-threshold" else (0.5,) * len(FEATURES)
    return Considered(entry.id, 0.9, confidence, objections, values, entry.question)


def missed(question: str, answer: str, *candidates: Considered, entry: Entry | None = None) -> MissLesson:
    """A fresh answer to a question, stored as `entry`."""
    noted = asked(question)
    return MissLesson(noted, SCOPE.namespace, tuple(candidates), message(answer), entry)


def hit_on(entry: Entry, question: str, *, confidence: float = 0.99) -> Hit:
    kind = HitKind.FAQ if entry.kind is Kind.FAQ else HitKind.SEMANTIC
    noted = asked(question)
    return Hit(
        kind, entry, 0.9, confidence, (considered(entry, confidence=confidence),), question, noted.embedding, noted.key
    )


def audit_of(entry: Entry, question: str, *, plan: AuditPlan = UNIFORM, kept: list[Message] | None = None) -> Audit:
    """A hit of this question that is to be asked again; what is to be kept goes to `kept`."""

    def keep(fresh: Message, generation: int | None) -> None:
        if kept is not None:
            kept.append(fresh)

    caller = Caller(namespace=SHOP)
    return Audit(asked(question), hit_on(entry, question), plan, request(question, caller=caller, stream=True), keep)
