"""The step that answers from the store, or forwards and remembers. It fails open, here and only here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from semcache.canonical import Identity, digest, identify
from semcache.decision.context import refers_back
from semcache.decision.eligibility import NO_CACHE, NoLookup, lookup_permission, storage_refusal
from semcache.decision.verdict import Decider
from semcache.embedders.embedder import Embedder
from semcache.entry import Bypass, Entry, Hit, Lookup, Miss
from semcache.errors import NotCached, Overtaken, SemcacheError, StoreError, UpstreamError
from semcache.exchange import Answer, Call, Exchange, Forward, Purpose, relabelled
from semcache.flight import NothingStored
from semcache.learning.learning import Learning
from semcache.learning.lessons import Asked, Keep, missed, shadowed
from semcache.learning.reports import is_withdrawn
from semcache.message import Message, Usage
from semcache.policy import Policy
from semcache.replaying import replayed
from semcache.request import Mode, Request
from semcache.search import NEAREST, UNAVAILABLE, Search, home_of
from semcache.stopwatch import Stage
from semcache.stores.store import Serving, Store
from semcache.storing import Storing
from semcache.turns import Turns

logger = logging.getLogger(__name__)

SHADOW = "shadow"
OVERTAKEN = "overtaken"


class Cache:
    """Looks up, serves, and stores. Raises only what the exchange behind it raises, and `NotCached`."""

    def __init__(  # noqa: PLR0913 - the parts it joins
        self,
        store: Store,
        embedder: Embedder,
        decider: Decider,
        learning: Learning,
        *,
        policy: Policy,
        consent: Callable[[Entry, Request], str | None] = lambda entry, request: None,
        cost_usd: Callable[[str, Usage], float],
        clock: Callable[[], float] = time.time,
        turns: Turns | None = None,
    ) -> None:
        self.store = store
        self.embedder = embedder
        self.policy = policy
        self._clock = clock
        self._learning = learning
        self._search = Search(store, embedder, decider, clock=clock, consent=consent)
        self._storing = Storing(store, self._search, policy=policy, cost_usd=cost_usd, clock=clock, turns=turns)
        self.weigh = self._search.weigh

    def step(self, request: Request, forward: Forward) -> Exchange:
        """One layer of the stack: see `semcache.exchange`."""
        lookup = self._dated(self.lookup(request))
        if isinstance(lookup, Hit):
            return self.serve(request, lookup)
        if request.directives.only_if_cached:
            raise NotCached("only-if-cached: there is no stored answer for this request; send it without the directive")
        try:
            answer = yield from relabelled(
                forward(informed(request, lookup)), lambda call: self._labelled(call, lookup)
            )
        except UpstreamError as error:
            error.lookup = lookup
            raise
        request.stopwatch.lap(Stage.UPSTREAM)
        answer = self._remember(request, replace(answer, lookup=lookup))
        self._noted("answer", lambda: self._note_answer(request, answer))
        request.stopwatch.lap(Stage.STORE)
        return answer

    def lookup(self, request: Request) -> Lookup:
        """What would happen to this request, without any upstream call."""
        request = self._tightened(request)
        try:
            return self._looked_up(request)
        except RecursionError:
            return Bypass("unreadable", detail="nested too deeply")
        except Exception as error:  # even a mistake of ours must not cost the caller his answer
            return Bypass(UNAVAILABLE, detail=_failed_open("lookup", error))

    def serve(self, request: Request, hit: Hit) -> Answer:
        """The entry's message as this caller should see it, with a fresh id."""
        message = replayed(request, hit, is_shared=self.policy.is_shared(request.caller.namespace))
        question = hit.question if hit.question is not None else hit.entry.question
        serving = Serving(str(message.body["id"]), hit.entry.id, question, self._clock(), hit.kind.value)
        try:
            self.store.record_hit(hit.entry.id, serving)
        except StoreError as error:
            _failed_open("counting a hit", error)
        self._noted("hit", lambda: self._note_hit(request, hit))
        if self._soon_expires(hit.entry):
            self._noted("age", lambda: self._learning.note_stale(hit.entry, question, request, self.keeping(request)))
        request.stopwatch.lap(Stage.SERVE)
        logger.debug("hit kind=%s scope=%s similarity=%.3f", hit.kind.value, hit.entry.scope.short, hit.similarity)
        return Answer(message=message, lookup=hit)

    def just_stored(self, call: Call) -> Message | NothingStored:
        """What an identical request has stored since this call was looked up, if anything."""
        if not isinstance(call.lookup, Miss):
            return NothingStored()
        try:
            found = self._search.last_look(call.request, call.lookup.places)
        except StoreError as error:
            _failed_open("the last look", error)
            return NothingStored()
        if not isinstance(found, Hit):
            return NothingStored(found)
        return replayed(call.request, found, is_shared=self.policy.is_shared(call.request.caller.namespace))

    def remember(
        self, request: Request, message: Message, *, is_by_hand: bool = True, generation: int | None = None
    ) -> Entry | None:
        """Store a message as the answer to a request; None where the decision forbids it.

        Only by hand may an answer be stored that people reported as wrong. `generation` is that in which it was asked
        for: raises `Overtaken` where it has passed; None: whatever was removed since.
        """
        request = self._tightened(request)
        identity = identify(request)
        if storage_refusal(request, message, max_bytes=self.policy.max_entry_bytes) is not None:
            return None
        miss = self._home_miss(request, identity, "put")
        if generation is not None:
            if miss.fallback is not None and refers_back(message.text):
                return None  # it belongs elsewhere, and the generation is not of there
            miss = replace(miss, generations=(generation,))
        if not is_by_hand and miss.question is not None and not miss.is_exact_only:
            miss = replace(miss, embedding=self._search.embed(miss.question))
        if not is_by_hand and is_withdrawn(self.store, miss, message, k=NEAREST):
            return None
        return self._storing.put(request, message, miss)

    def keeping(self, request: Request) -> Keep:
        """How a lesson stores a fresh answer to this request."""
        return lambda fresh, generation: self.remember(request, fresh, is_by_hand=False, generation=generation)

    @property
    def learning(self) -> Learning:
        return self._learning

    def now(self) -> float:
        """The clock every time in the cache comes from, in seconds since the epoch."""
        return self._clock()

    def _looked_up(self, request: Request) -> Lookup:
        identity = identify(request)
        permission = lookup_permission(request, identity)
        request.stopwatch.lap(Stage.IDENTIFY)
        if isinstance(permission, NoLookup):
            return Bypass(permission.reason, would_be=self._refreshing(request, identity, permission))
        found = self._search.find(request, identity, permission)
        return Bypass(SHADOW, would_be=found) if request.directives.mode is Mode.SHADOW else found

    def _refreshing(self, request: Request, identity: Identity, permission: NoLookup) -> Miss | None:
        """Where the answer to a `no-cache` request will be stored; None: not at all."""
        if permission.reason != NO_CACHE:
            return None
        asking = replace(request, directives=replace(request.directives, no_cache=False))
        return self._home_miss(asking, identity, NO_CACHE)

    def _tightened(self, request: Request) -> Request:
        mode = self.policy.mode_in(request.caller.namespace).tightened_by(request.directives.mode)
        if mode is request.directives.mode:
            return request
        return replace(request, directives=replace(request.directives, mode=mode))

    def _home_miss(self, request: Request, identity: Identity, reason: str) -> Miss:
        permission = lookup_permission(request, identity)
        return home_of(request, identity, None if isinstance(permission, NoLookup) else permission).miss(reason)

    # learning

    def _note_hit(self, request: Request, hit: Hit) -> None:
        if hit.question is None or hit.embedding is None:
            self._learning.note_repeat(request.caller.namespace)
            return
        asked = Asked(hit.question, hit.embedding, hit.key)
        self._learning.note_hit(hit, asked, request, self.keeping(request))

    def _soon_expires(self, entry: Entry) -> bool:
        if entry.expires_at is None or not self.policy.refresh_seconds:
            return False
        return entry.expires_at - self._clock() <= self.policy.refresh_seconds

    def _note_answer(self, request: Request, answer: Answer) -> None:
        match answer.lookup:
            case Miss() as miss:
                if (lesson := missed(miss, answer)) is None:
                    self._learning.note_repeat(request.caller.namespace)
                else:
                    self._learning.note_miss(lesson)
            case Bypass(reason=reason, would_be=would_be) if reason == SHADOW:
                outcome = shadowed(would_be, request, answer, self.keeping(request))
                self._learning.note_shadow(request.caller.namespace, outcome)

    def _noted(self, what: str, note: Callable[[], None]) -> None:
        """Whatever goes wrong with learning must not cost the caller his answer."""
        try:
            note()
        except Exception as error:
            _failed_open(f"learning from the {what}", error)

    # storing

    def _dated(self, lookup: Lookup) -> Lookup:
        """With the generation in which its answer is asked for: if that has passed, the answer is not stored."""
        try:
            match lookup:
                case Miss():
                    return replace(lookup, generations=self._generations(lookup))
                case Bypass(would_be=Miss() as miss):
                    return replace(lookup, would_be=replace(miss, generations=self._generations(miss)))
                case Bypass(would_be=Hit(entry=entry) as hit):
                    return replace(lookup, would_be=replace(hit, generation=self.store.generation(entry.scope)))
        except StoreError as error:
            return Bypass(UNAVAILABLE, detail=_failed_open("reading a generation", error))
        return lookup

    def _generations(self, miss: Miss) -> tuple[int, ...]:
        return tuple(self.store.generation(scope) for scope, _ in miss.places)

    def _labelled(self, call: Call, lookup: Miss | Bypass) -> Call:
        if call.purpose is not Purpose.ANSWER:
            return call
        return replace(call, lookup=lookup, flight_key=_flight_key(call.request, lookup))

    def _remember(self, request: Request, answer: Answer) -> Answer:
        miss = answer.lookup if isinstance(answer.lookup, Miss) else getattr(answer.lookup, "would_be", None)
        if answer.not_stored:  # an inner layer knows that it holds for now only
            return answer
        if not isinstance(miss, Miss):
            return replace(answer, not_stored=getattr(answer.lookup, "reason", "bypass"))
        miss = replace(miss, generations=answer.message.asked_in or miss.generations)
        try:
            if refusal := self._storing.refusal(request, answer.message, miss):
                return replace(answer, not_stored=refusal)
            return replace(answer, stored=self._storing.put(request, answer.message, miss, call=answer.call))
        except Overtaken as error:
            logger.info("not stored: %s", error)
            return replace(answer, not_stored=OVERTAKEN)
        except Exception as error:  # the answer is here: nothing that goes wrong now may lose it
            _failed_open("storing", error)
            return replace(answer, not_stored=UNAVAILABLE)


def _failed_open(act: str, error: Exception) -> str:
    """Log a fault of the cache by its kind: the text of an unforeseen one may hold a prompt."""
    foreseen = isinstance(error, SemcacheError)
    logger.log(logging.WARNING if foreseen else logging.ERROR, "%s failed open: %s", act, type(error).__name__)
    return str(error) if foreseen else type(error).__name__


def _flight_key(request: Request, lookup: Miss | Bypass) -> str | None:
    """Calls may share one upstream call where their answers would share one exact key."""
    if isinstance(lookup, Bypass):
        return None
    return digest([lookup.request_key, request.model, request.body.get("output_config"), request.max_tokens])


def informed(request: Request, lookup: Lookup) -> Request:
    """The request with the vector that the lookup has computed: what comes next need not compute it again."""
    found = lookup.would_be if isinstance(lookup, Bypass) else lookup
    embedding = None if found is None else found.embedding
    return request if embedding is None else replace(request, vector=embedding.vector)
