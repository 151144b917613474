"""Finds the stored answer to a request: FAQ first, exact before similar, embedding at most once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from semcache.canonical import Identity, digest, system_digest
from semcache.decision.context import Leans, context_objection
from semcache.decision.eligibility import ExactOnly, SemanticLookup, fits
from semcache.decision.steering import steering_objection
from semcache.decision.verdict import Accepted, Decider, Objection
from semcache.embedders.embedder import Embedder
from semcache.entry import Candidate, Considered, Embedding, Entry, Hit, HitKind, Kind, Miss, Scope
from semcache.errors import EmbedderError
from semcache.faq import fold_question
from semcache.request import Mode, Request
from semcache.stopwatch import Stage
from semcache.stores.looked_up import ExactPlace
from semcache.stores.store import Selection, Store

logger = logging.getLogger(__name__)

UNAVAILABLE = "cache-unavailable"
NEAREST = 32  # exemplars asked of the store, of both labels, several of which may belong to one entry
_FRESHNESS_SECONDS = 1.0  # how long the time of the newest FAQ entry is believed


@dataclass(frozen=True)
class Home:
    """Where a request's answer is looked for and kept. `fallback`: for answers that speak of their conversation."""

    scope: Scope
    key: str
    text: str | None
    fallback: tuple[Scope, str] | None = None
    leans: bool = False  # on the conversation before it
    is_exact_only: bool = False

    def miss(self, reason: str) -> Miss:
        """A miss whose answer will be kept here."""
        return Miss(self.scope, self.key, reason, self.text, is_exact_only=self.is_exact_only, fallback=self.fallback)


def home_of(request: Request, identity: Identity, permission: SemanticLookup | ExactOnly | None) -> Home:
    """The place of a request; `permission` None or exact only: among equal histories."""
    namespace = request.caller.namespace
    own = Scope(namespace, identity.scope_digest)
    if not isinstance(permission, SemanticLookup):
        return Home(own, identity.key, identity.question, is_exact_only=True)
    standing = permission.standing
    scope, place = Scope(namespace, standing.place.scope_digest), standing.place
    fallback = None if scope == own else (own, identity.key)
    return Home(scope, place.key, place.text, fallback, leans=isinstance(standing, Leans))


@dataclass
class _Trail:
    """What one search has computed so far, carried to where the answer is stored."""

    question: str
    objection: Objection
    embedding: Embedding | None = None
    considered: list[Considered] = field(default_factory=list)
    reason: str = "no-candidate"


class Search:
    """Searches one store with one embedding model and one way to decide. Raises `StoreError`."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        decider: Decider,
        *,
        clock: Callable[[], float],
        consent: Callable[[Entry, Request], str | None] = lambda entry, request: None,
    ) -> None:
        self._store = store
        self._consent = consent
        self._embedder = embedder
        self._decider = decider
        self._clock = clock
        self._newest_faq: dict[str, tuple[float, float]] = {}  # namespace → (created_at, believed since)

    def find(self, request: Request, identity: Identity, permission: SemanticLookup | ExactOnly) -> Hit | Miss:
        """The best answer that may be served, or why there is none."""
        place = home_of(request, identity, permission)
        exact, faq, similar = self._looked_up(request, place, permission)
        request.stopwatch.lap(Stage.EXACT)
        if exact is not None:
            exact = replace(exact, question=place.text)
        if exact is not None and not self._may_be_superseded(exact, faq):
            return exact
        trail = _Trail(place.text or "", self._objection(request, place))
        if request.directives.mode is not Mode.EXACT and place.text is not None:
            hit = self._similar(request, trail, faq, HitKind.FAQ)
            if hit := hit or self._similar(request, trail, similar if exact is None else [], HitKind.SEMANTIC):
                return replace(hit, question=place.text, embedding=trail.embedding, key=place.key)
        if exact is not None:
            return exact
        return replace(
            place.miss(trail.reason if isinstance(permission, SemanticLookup) else permission.reason),
            embedding=trail.embedding,
            considered=_likeliest_first(trail.considered),
        )

    def last_look(self, request: Request, places: Sequence[ExactPlace]) -> Hit | tuple[int, ...]:
        """The answer to the very same request, from the first place that has it, or the generations of these places."""
        found = self._store.look_up(places, dated=True)
        return self._first_fitting(request, found.entries, HitKind.EXACT) or tuple(found.generations)

    def weigh(self, scope: Scope, question: str, embedding: Embedding) -> tuple[Considered, ...]:
        """What speaks for and against the answers near a question, wherever it was asked."""
        near = self._store.nearest(scope, embedding, k=NEAREST)
        return self._decider.decide(question, embedding, near).considered

    def embed(self, text: str) -> Embedding | None:
        """The text's embedding; None, and a warning, where the model fails: exact answers still work."""
        try:
            return self._embedder.embed(text)
        except EmbedderError as error:
            logger.warning("embedding failed open: %s", type(error).__name__)
            return None

    def _similar(self, request: Request, trail: _Trail, scopes: list[Scope], kind: HitKind) -> Hit | None:
        candidates = self._candidates(request, trail, scopes)
        if not candidates or trail.embedding is None:
            return None
        verdict = self._decider.decide(trail.question, trail.embedding, candidates, objection=trail.objection)
        trail.considered += verdict.considered
        request.stopwatch.lap(Stage.DECIDE)
        if isinstance(verdict, Accepted):
            chosen = verdict.candidate
            considered = _likeliest_first(trail.considered)
            return Hit(kind, chosen.entry, chosen.similarity, verdict.confidence, considered)
        trail.reason = verdict.reason
        return None

    def _candidates(self, request: Request, trail: _Trail, scopes: list[Scope]) -> list[Candidate]:
        now = self._clock()
        found: list[Candidate] = []
        for scope in scopes:
            if trail.embedding is None:
                request.stopwatch.lap(Stage.NEAREST)
                trail.embedding = self.embed(trail.question)
                request.stopwatch.lap(Stage.EMBED)
            if trail.embedding is None:
                trail.reason = UNAVAILABLE
                return []
            near = self._store.nearest(scope, trail.embedding, k=NEAREST)
            found += [candidate for candidate in near if self._fits(candidate.entry, request, now)]
            request.stopwatch.lap(Stage.NEAREST)
        return sorted(found, key=lambda candidate: -candidate.similarity)

    def _fits(self, entry: Entry, request: Request, now: float) -> bool:
        return fits(entry, request, now=now) is None and self._consent(entry, request) is None

    def _objection(self, request: Request, place: Home) -> Objection:
        """What speaks against a candidate beside its wording: its conversation, and what others may have put in it."""
        asked = place.text or ""
        steering = steering_objection(asked, request.caller.credential, self._embedder.words)

        def objection(candidate: Candidate) -> str | None:
            context = context_objection(asked, candidate.exemplar.text) if place.leans else None
            return context or steering(candidate)

        return objection

    def _looked_up(
        self, request: Request, place: Home, permission: SemanticLookup | ExactOnly
    ) -> tuple[Hit | None, list[Scope], list[Scope]]:
        """The exact answer, FAQ first; the FAQ scopes worth a search, narrowest first; the request's own, if it is."""
        faq = _faq_scopes(request) if permission.faq and place.text is not None else []
        own = [place.scope] if isinstance(permission, SemanticLookup) and place.text is not None else []
        faq_places = _faq_places(faq, place.text or "")
        found = self._store.look_up([*faq_places, *place.miss("").places], [*faq, *own])
        exact = self._first_fitting(request, found.entries[: len(faq)], HitKind.FAQ)
        exact = exact or self._first_fitting(request, found.entries[len(faq) :], HitKind.EXACT)
        searchable = set(found.searchable)
        return exact, [scope for scope in faq if scope in searchable], [scope for scope in own if scope in searchable]

    def _first_fitting(self, request: Request, entries: Sequence[Entry | None], kind: HitKind) -> Hit | None:
        now = self._clock()
        for entry in entries:
            if entry is not None and self._fits(entry, request, now):
                return Hit(kind, entry, similarity=1.0, confidence=1.0)
        return None

    def _may_be_superseded(self, hit: Hit, faq_scopes: list[Scope]) -> bool:
        """A FAQ imported after a learned answer was stored may answer the same: it must be asked first."""
        if hit.kind is HitKind.FAQ or not faq_scopes:
            return False
        namespace, now = faq_scopes[0].namespace, self._clock()
        newest, believed_since = self._newest_faq.get(namespace, (0.0, float("-inf")))
        if not 0 <= now - believed_since < _FRESHNESS_SECONDS:
            page = self._store.page(Selection(namespace=namespace, kind=Kind.FAQ), limit=1)
            newest = page.entries[0].created_at if page.entries else float("-inf")
            self._newest_faq[namespace] = (newest, now)
        return newest >= hit.entry.created_at


def _faq_scopes(request: Request) -> list[Scope]:
    """Narrowest first."""
    namespace, system = request.caller.namespace, system_digest(request)
    narrowings = ((request.model, system), (None, system), (request.model, None), (None, None))
    return [Scope.faq(namespace, model=model, system=prompt) for model, prompt in narrowings]


def _likeliest_first(considered: list[Considered]) -> tuple[Considered, ...]:
    return tuple(sorted(considered, key=lambda one: -one.confidence))


def faq_key(scope: Scope, question: str) -> str:
    """The exact key of a FAQ question: the same words in any case, spacing and final punctuation."""
    return _faq_places([scope], question)[0][1]


def _faq_places(scopes: Sequence[Scope], question: str) -> list[ExactPlace]:
    folded = fold_question(question) if scopes else ""
    return [(scope, digest([scope.digest, folded])) for scope in scopes]
