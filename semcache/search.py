"""Finds the stored answer to a request: FAQ first, exact before similar, embedding at most once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from semcache.canonical import Identity, digest, system_digest
from semcache.decision.eligibility import ExactOnly, SemanticLookup, fits
from semcache.decision.verdict import Accepted, Judge
from semcache.embedders.embedder import Embedder
from semcache.entry import Candidate, Considered, Embedding, Hit, HitKind, Kind, Miss, Scope
from semcache.errors import EmbedderError
from semcache.faq import fold_question
from semcache.request import Mode, Request
from semcache.stores.store import Selection, Store

logger = logging.getLogger(__name__)

UNAVAILABLE = "cache-unavailable"
NEAREST = (
    8  # exemplars asked of the store, several of which may belong to one entry; each costs 0.03 ms to fetch and judge
)
_FRESHNESS_SECONDS = 1.0  # how long the time of the newest FAQ entry is believed


@dataclass
class _Trail:
    """What one search has computed so far, carried to where the answer is stored."""

    question: str
    embedding: Embedding | None = None
    considered: list[Considered] = field(default_factory=list)
    reason: str = "no-candidate"


class Search:
    """Searches one store with one embedding model and one judge. Raises `StoreError`."""

    def __init__(self, store: Store, embedder: Embedder, judge: Judge, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._embedder = embedder
        self._judge = judge
        self._clock = clock
        self._newest_faq: dict[str, tuple[float, float]] = {}  # namespace → (created_at, believed since)

    def find(self, request: Request, identity: Identity, permission: SemanticLookup | ExactOnly) -> Hit | Miss:
        """The best answer that may be served, or why there is none."""
        own = Scope(request.caller.namespace, identity.scope_digest)
        faq = self._faq_scopes(request) if permission.faq and identity.question is not None else []
        exact = self._exact_faq(request, identity.question or "", faq) or self.exact(request, own, identity.key)
        if exact is not None and not self._may_be_superseded(exact, faq):
            return exact
        trail = _Trail(identity.question or "")
        if request.directives.mode is not Mode.EXACT and identity.question is not None:
            similar = [own] if isinstance(permission, SemanticLookup) and exact is None else []
            if hit := self._similar(request, trail, faq, HitKind.FAQ):
                return hit
            if hit := self._similar(request, trail, similar, HitKind.SEMANTIC):
                return hit
        if exact is not None:
            return exact
        miss = Miss(own, identity.key, trail.reason, identity.question, trail.embedding, tuple(trail.considered))
        if isinstance(permission, ExactOnly):
            return replace(miss, reason=permission.reason, is_exact_only=True)
        return miss

    def exact(self, request: Request, scope: Scope, key: str) -> Hit | None:
        """The stored answer to the very same request."""
        entry = self._store.get_exact(scope, key)
        if entry is None or fits(entry, request, now=self._clock()) is not None:
            return None
        return Hit(HitKind.EXACT, entry, similarity=1.0, confidence=1.0)

    def embed(self, text: str) -> Embedding | None:
        """The text's embedding; None, and a warning, where the model fails: exact answers still work."""
        try:
            return self._embedder.embed(text)
        except EmbedderError as error:
            logger.warning("embedding failed open: %s", type(error).__name__)
            return None

    def _exact_faq(self, request: Request, question: str, scopes: list[Scope]) -> Hit | None:
        for scope in scopes:
            entry = self._store.get_exact(scope, faq_key(scope, question))
            if entry is not None and fits(entry, request, now=self._clock()) is None:
                return Hit(HitKind.FAQ, entry, similarity=1.0, confidence=1.0)
        return None

    def _similar(self, request: Request, trail: _Trail, scopes: list[Scope], kind: HitKind) -> Hit | None:
        candidates = self._candidates(request, trail, scopes)
        if not candidates or trail.embedding is None:
            return None
        verdict = self._judge.judge(trail.question, trail.embedding, candidates)
        trail.considered += verdict.considered
        if isinstance(verdict, Accepted):
            chosen = verdict.candidate
            return Hit(kind, chosen.entry, chosen.similarity, verdict.confidence, tuple(trail.considered))
        trail.reason = verdict.reason
        return None

    def _candidates(self, request: Request, trail: _Trail, scopes: list[Scope]) -> list[Candidate]:
        now = self._clock()
        found: list[Candidate] = []
        for scope in scopes:
            if not self._store.has_exemplars(scope):
                continue
            if trail.embedding is None:
                trail.embedding = self.embed(trail.question)
            if trail.embedding is None:
                trail.reason = UNAVAILABLE
                return []
            near = self._store.nearest(scope, trail.embedding, k=NEAREST)
            found += [candidate for candidate in near if fits(candidate.entry, request, now=now) is None]
        return sorted(found, key=lambda candidate: -candidate.similarity)

    def _faq_scopes(self, request: Request) -> list[Scope]:
        """The FAQ scopes that may answer, narrowest first; those with nothing in them are left out."""
        namespace, system = request.caller.namespace, system_digest(request)
        narrowings = ((request.model, system), (None, system), (request.model, None), (None, None))
        scopes = [Scope.faq(namespace, model=model, system=prompt) for model, prompt in narrowings]
        return [scope for scope in scopes if self._store.has_exemplars(scope)]

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


def faq_key(scope: Scope, question: str) -> str:
    """The exact key of a FAQ question: the same words in any case, spacing and final punctuation."""
    return digest([scope.digest, fold_question(question)])
