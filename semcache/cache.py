"""The step that answers from the store, or forwards and remembers. It fails open, here and only here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from semcache.canonical import Identity, digest, identify, system_digest
from semcache.decision.eligibility import ExactOnly, NoLookup, SemanticLookup, fits, lookup_permission, storage_refusal
from semcache.decision.threshold import Accepted, CalibratedThreshold
from semcache.embedders.embedder import Embedder
from semcache.entry import (
    Bypass,
    Candidate,
    Considered,
    Embedding,
    Entry,
    Exemplar,
    Hit,
    HitKind,
    Kind,
    Lookup,
    Miss,
    Scope,
    new_entry_id,
)
from semcache.errors import EmbedderError, NotCached, StoreError, UpstreamError
from semcache.exchange import Answer, Call, Exchange, Forward, relabelled
from semcache.faq import fold_question
from semcache.message import Message, Usage, new_message_id
from semcache.pricing import estimate_tokens
from semcache.request import Mode, Request
from semcache.settings import Namespace
from semcache.stores.store import Selection, Store

logger = logging.getLogger(__name__)

UNAVAILABLE = "cache-unavailable"
NEAREST = 16  # exemplars asked of the store; several may belong to one entry


@dataclass(frozen=True)
class Policy:
    """What the operator decided about keeping and serving."""

    mode: Mode = Mode.SEMANTIC
    ttl_seconds: float = 7 * 24 * 3600.0
    max_entry_bytes: int = 1_000_000
    namespaces: dict[str, Namespace] | None = None

    def mode_in(self, namespace: str) -> Mode:
        """The mode of a namespace: it may tighten the service's, as callers may."""
        narrower = (self.namespaces or {}).get(namespace, Namespace()).mode
        return self.mode if narrower is None else self.mode.tightened_by(narrower)

    def ttl_in(self, namespace: str) -> float:
        own = (self.namespaces or {}).get(namespace, Namespace()).ttl_seconds
        return self.ttl_seconds if own is None else own

    def is_shared(self, namespace: str) -> bool:
        return (self.namespaces or {}).get(namespace, Namespace()).shared


class Cache:
    """Looks up, serves, and stores. Raises only what the exchange behind it raises, and `NotCached`."""

    def __init__(  # noqa: PLR0913 - the parts it joins
        self,
        store: Store,
        embedder: Embedder,
        judge: CalibratedThreshold,
        *,
        policy: Policy,
        cost_usd: Callable[[str, Usage], float],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.embedder = embedder
        self.judge = judge
        self.policy = policy
        self._cost_usd = cost_usd
        self._clock = clock
        self._faq_freshness: dict[str, tuple[float, float]] = {}

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`."""
        lookup = self.lookup(request)
        if isinstance(lookup, Hit):
            return self.serve(request, lookup)
        if request.directives.only_if_cached:
            raise NotCached("only-if-cached: there is no stored answer for this request; send it without the directive")
        try:
            answer = yield from relabelled(forward(request), lambda call: self._labelled(call, lookup))
        except UpstreamError as error:
            error.lookup = lookup
            raise
        return self._remember(request, replace(answer, lookup=lookup))

    def lookup(self, request: Request) -> Lookup:
        """What would happen to this request, without any upstream call."""
        request = self._tightened(request)
        identity = identify(request)
        permission = lookup_permission(request, identity)
        try:
            match permission:
                case NoLookup(reason):
                    waiting = self._miss(request, identity, reason) if request.directives.no_cache else None
                    return Bypass(reason, would_be=waiting)
                case _:
                    found = self._search(request, identity, permission)
        except StoreError as error:
            logger.warning("lookup failed open: %s", type(error).__name__)
            return Bypass(UNAVAILABLE, detail=str(error))
        if request.directives.mode is Mode.SHADOW:
            return Bypass("shadow", would_be=found)
        return found

    def serve(self, request: Request, hit: Hit) -> Answer:
        """The entry's message as this caller should see it, with a fresh id."""
        try:
            self.store.record_hit(hit.entry.id)
        except StoreError as error:
            logger.warning("hit not counted: %s", type(error).__name__)
        message = hit.entry.message
        if hit.entry.kind is Kind.FAQ:
            message = _spoken_by(request, message)
        elif hit.kind is not HitKind.EXACT or self.policy.is_shared(request.caller.namespace):
            message = message.without_thinking()
        logger.info("hit kind=%s scope=%s similarity=%.3f", hit.kind.value, hit.entry.scope.short, hit.similarity)
        return Answer(message=message.with_id(new_message_id()), lookup=hit)

    def remember(self, request: Request, message: Message) -> Entry | None:
        """Store a message as the answer to a request; None where the decision forbids it."""
        request = self._tightened(request)
        identity = identify(request)
        if storage_refusal(request, message, max_bytes=self.policy.max_entry_bytes) is not None:
            return None
        return self._stored(request, message, self._miss(request, identity, "put"))

    def now(self) -> float:
        """The clock every time in the cache comes from, in seconds since the epoch."""
        return self._clock()

    # looking up

    def _search(self, request: Request, identity: Identity, permission: SemanticLookup | ExactOnly) -> Hit | Miss:
        may_ask_faq = permission.faq and identity.question is not None
        faq_scopes = self._faq_scopes(request) if may_ask_faq else []
        exact = self._exact_faq(request, identity, faq_scopes) or self._exact(request, identity)
        if exact is not None and not self._is_outdated(exact, faq_scopes):
            return exact
        mode_allows = request.directives.mode is not Mode.EXACT
        search = _Search(self, request, identity)
        if mode_allows and identity.question is not None:
            own = [self._scope(request, identity)] if isinstance(permission, SemanticLookup) else []
            if found := search.run(faq_scopes, own if exact is None else []):
                return found
        if exact is not None:
            return exact
        reason = permission.reason if isinstance(permission, ExactOnly) else search.reason
        return replace(
            self._miss(request, identity, reason), embedding=search.embedding, considered=tuple(search.considered)
        )

    def _exact(self, request: Request, identity: Identity) -> Hit | None:
        entry = self.store.get_exact(self._scope(request, identity), identity.key)
        if entry is None or fits(entry, request, now=self._clock()) is not None:
            return None
        return Hit(HitKind.EXACT, entry, similarity=1.0, confidence=1.0)

    def _exact_faq(self, request: Request, identity: Identity, scopes: list[Scope]) -> Hit | None:
        for scope in scopes:
            entry = self.store.get_exact(scope, faq_key(scope, identity.question or ""))
            if entry is not None and fits(entry, request, now=self._clock()) is None:
                return Hit(HitKind.FAQ, entry, similarity=1.0, confidence=1.0)
        return None

    def _is_outdated(self, hit: Hit, faq_scopes: list[Scope]) -> bool:
        """A FAQ imported after a learned answer was stored may answer the same: it must be asked first."""
        if hit.kind is HitKind.FAQ or not faq_scopes:
            return False
        return self._newest_faq_at(faq_scopes[0].namespace) >= hit.entry.created_at

    def _newest_faq_at(self, namespace: str) -> float:
        now = self._clock()
        newest, checked_at = self._faq_freshness.get(namespace, (0.0, float("-inf")))
        if not 0 <= now - checked_at < 1.0:
            page = self.store.page(Selection(namespace=namespace, kind=Kind.FAQ), limit=1)
            newest = page.entries[0].created_at if page.entries else float("-inf")
            self._faq_freshness[namespace] = (newest, now)
        return newest

    def _faq_scopes(self, request: Request) -> list[Scope]:
        """The FAQ scopes that may answer, narrowest first; those with nothing in them are left out."""
        namespace, system = request.caller.namespace, system_digest(request)
        narrowings = ((request.model, system), (None, system), (request.model, None), (None, None))
        scopes = [Scope.faq(namespace, model=model, system=digest_) for model, digest_ in narrowings]
        return [scope for scope in scopes if self.store.has_exemplars(scope)]

    def embed(self, text: str) -> Embedding | None:
        """The text's embedding; None, and a warning, where the model fails."""
        try:
            return self.embedder.embed(text)
        except EmbedderError as error:
            logger.warning("embedding failed open: %s", type(error).__name__)
            return None

    def _tightened(self, request: Request) -> Request:
        mode = self.policy.mode_in(request.caller.namespace).tightened_by(request.directives.mode)
        if mode is request.directives.mode:
            return request
        return replace(request, directives=replace(request.directives, mode=mode))

    def _scope(self, request: Request, identity: Identity) -> Scope:
        return Scope(request.caller.namespace, identity.scope_digest)

    def _miss(self, request: Request, identity: Identity, reason: str) -> Miss:
        return Miss(self._scope(request, identity), identity.key, reason, question=identity.question)

    # storing

    def _labelled(self, call: Call, lookup: Miss | Bypass) -> Call:
        return replace(call, lookup=lookup, flight_key=_flight_key(call.request, lookup))

    def _remember(self, request: Request, answer: Answer) -> Answer:
        miss = answer.lookup if isinstance(answer.lookup, Miss) else getattr(answer.lookup, "would_be", None)
        if not isinstance(miss, Miss):
            return replace(answer, not_stored=getattr(answer.lookup, "reason", "bypass"))
        refusal = "coalesced" if answer.message.coalesced else None
        refusal = refusal or (None if answer.message.faithful else "unfamiliar-stream")
        refusal = refusal or storage_refusal(request, answer.message, max_bytes=self.policy.max_entry_bytes)
        if refusal is not None:
            return replace(answer, not_stored=refusal)
        try:
            return replace(answer, stored=self._stored(request, answer.message, miss))
        except StoreError as error:
            logger.warning("answer not stored: %s", type(error).__name__)
            return replace(answer, not_stored=UNAVAILABLE)

    def _stored(self, request: Request, message: Message, miss: Miss) -> Entry:
        now = self._clock()
        entry = Entry(
            id=new_entry_id(),
            scope=miss.scope,
            key=miss.key,
            kind=Kind.LEARNED,
            question=miss.question or "",
            message=message,
            requested_model=request.model,
            served_model=message.model,
            cost_usd=self._cost_usd(message.model or request.model, message.usage),
            created_at=now,
            expires_at=now + self.policy.ttl_in(request.caller.namespace),
            tags=request.directives.tags,
            credential=request.caller.credential,
        )
        return self.store.put(entry, self._exemplars(entry, miss))

    def _exemplars(self, entry: Entry, miss: Miss) -> list[Exemplar]:
        """The question as the entry's first exemplar, where there is one and it can be embedded."""
        if miss.question is None:
            return []
        embedding = miss.embedding or self.embed(miss.question)
        if embedding is None:
            return []
        return [Exemplar(entry.id, miss.question, embedding, created_at=entry.created_at)]


class _Search:
    """One semantic search: FAQ first, then the request's own scope; embeds at most once."""

    def __init__(self, cache: Cache, request: Request, identity: Identity) -> None:
        self.embedding: Embedding | None = None
        self.considered: list[Considered] = []
        self.reason = "no-candidate"
        self._cache = cache
        self._request = request
        self._question = identity.question or ""

    def run(self, faq_scopes: list[Scope], own_scopes: list[Scope]) -> Hit | None:
        for scopes, kind in ((faq_scopes, HitKind.FAQ), (own_scopes, HitKind.SEMANTIC)):
            if candidates := self._candidates(scopes):
                verdict = self._cache.judge.judge(self._question, self._embedded, candidates)
                self.considered += verdict.considered
                if isinstance(verdict, Accepted):
                    chosen = verdict.candidate
                    return Hit(kind, chosen.entry, chosen.similarity, verdict.confidence, tuple(self.considered))
                self.reason = verdict.reason
        return None

    @property
    def _embedded(self) -> Embedding:
        assert self.embedding is not None  # candidates are only found with it
        return self.embedding

    def _candidates(self, scopes: list[Scope]) -> list[Candidate]:
        now, store = self._cache.now(), self._cache.store
        found: list[Candidate] = []
        for scope in scopes:
            if not store.has_exemplars(scope):
                continue
            if self.embedding is None:
                self.embedding = self._cache.embed(self._question)
            if self.embedding is None:
                self.reason = UNAVAILABLE
                return []
            near = store.nearest(scope, self.embedding, k=NEAREST)
            found += [candidate for candidate in near if fits(candidate.entry, self._request, now=now) is None]
        return sorted(found, key=lambda candidate: -candidate.similarity)


def faq_key(scope: Scope, question: str) -> str:
    """The exact key of a FAQ question: the same words in any case, spacing and final punctuation."""
    return digest([scope.digest, fold_question(question)])


def _flight_key(request: Request, lookup: Miss | Bypass) -> str | None:
    """Calls may share one upstream call where their answers would share one exact key."""
    if isinstance(lookup, Bypass):
        return None
    return digest([lookup.key, request.max_tokens])


def _spoken_by(request: Request, message: Message) -> Message:
    """A FAQ answer as a message of the model that was asked, with usage estimated: nothing was billed."""
    usage = {
        "input_tokens": estimate_tokens(request.content().decode("utf-8", "replace")),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": estimate_tokens(message.text),
    }
    return replace(message, body={**message.body, "model": request.model, "usage": usage}, raw=None)
