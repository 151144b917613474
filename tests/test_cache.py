"""The cache step: answers from the store, or forwards and remembers; fails open."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock, message, request, trusting_scorer

from semcache.cache import Cache
from semcache.curation import Narrowing, import_faq, purge, reembed
from semcache.decision.audit_schedule import NO_AUDITS
from semcache.decision.deciding import LearnedDecision
from semcache.decision.evidence import Witness
from semcache.decision.sameness.local import LocalJudge
from semcache.drivers import run
from semcache.embedders.hashed import HashedEmbedder
from semcache.entry import Bypass, Entry, Hit, HitKind, Label, Miss, Origin
from semcache.errors import EmbedderError, NotCached, StoreError, StoreUnavailable, UpstreamError, UpstreamTimeout
from semcache.exchange import Answer, Call, Exchange, stack
from semcache.faq import FaqError, FaqRow
from semcache.feedback import Correction, Effect, correct, find_judged
from semcache.learning.comparing import Comparing
from semcache.learning.keeping import BeliefBook
from semcache.learning.learning import Learning
from semcache.learning.routes import RouteBook, RouteComparing
from semcache.learning.working import Working
from semcache.ledger import Ledger
from semcache.message import Message
from semcache.policy import Namespace, Policy
from semcache.request import Caller, Directives, Mode, Request
from semcache.stores.local.store import LocalStore
from semcache.stores.memory import MemoryStore
from semcache.stores.store import Selection


class BrokenStore(MemoryStore):
    """A store that is there, and fails at everything."""

    def _fail(self, *arguments: Any, **options: Any) -> Any:
        raise StoreUnavailable("the disk is gone")

    get_exact = look_up = nearest = put = record_hit = page = _fail


class BreakingStore(MemoryStore):
    """A store that works until it is told to break."""

    is_broken = False

    def put(self, *arguments: Any, **options: Any) -> Entry:
        if self.is_broken:
            raise StoreUnavailable("the disk is gone")
        return super().put(*arguments, **options)


class BrokenEmbedder(HashedEmbedder):
    def embed(self, text: str, *, tokens: bool = False) -> Any:
        raise EmbedderError("no model")


class Claude:
    """The other side of an exchange: answers, and counts what it was asked."""

    def __init__(self, answer: Message | UpstreamError | None = None) -> None:
        self.answer = answer or message()
        self.asked: list[Call] = []

    @contextmanager
    def carry(self, call: Call) -> Iterator[Message]:
        self.asked.append(call)
        if isinstance(self.answer, UpstreamError):
            raise self.answer
        yield self.answer


def make(clock: Clock, **parts: Any) -> Cache:
    store = parts.get("store") or MemoryStore(clock=clock)
    embedder = parts.get("embedder") or HashedEmbedder()
    book = BeliefBook(store, trusting_scorer(0.8), error_budget=0.01, schedule=NO_AUDITS)
    ledger = Ledger(store, lambda model, usage: None, clock=clock)
    comparing = Comparing(LocalJudge(embedder.embed), ledger, claude_model=None)
    working = Working(store, book, comparing, ledger, clock=clock)
    routes = RouteComparing(RouteBook(store, tolerance=0.05, dims=embedder.dims), comparing, ledger, clock=clock)
    learning = Learning(book, working, routes, clock=clock, randomness=random.Random(0))
    return Cache(
        store,
        embedder,
        LearnedDecision(Witness(embedder.words), learning.beliefs),
        learning,
        policy=parts.get("policy") or Policy(),
        cost_usd=lambda model, usage: 0.01,
        clock=clock,
    )


@pytest.fixture
def cache(clock: Clock) -> Cache:
    return make(clock)


@pytest.fixture
def claude() -> Claude:
    return Claude()


def ask(cache: Cache, claude: Claude, asked: Request) -> Answer:
    return run(stack([cache.step])(asked), claude.carry)


def row(question: str, answer: str = "From the FAQ.", **fields: Any) -> FaqRow:
    known = {"tags": (), "id": None, "variants": (), "line": 1}
    return FaqRow(question=question, answer=answer, **(known | fields))


def test_an_exact_repeat_is_answered_from_memory_with_a_fresh_id(cache: Cache, claude: Claude) -> None:
    first, second = ask(cache, claude, request()), ask(cache, claude, request())
    assert isinstance(first.lookup, Miss)
    assert isinstance(second.lookup, Hit)
    assert second.lookup.kind is HitKind.EXACT
    assert second.message.body == {**first.message.body, "id": second.message.body["id"]}
    assert second.message.body["id"] != first.message.body["id"]
    assert len(claude.asked) == 1


def test_a_question_in_other_order_is_similar_enough_for_this_judge(cache: Cache, claude: Claude) -> None:
    ask(cache, claude, request("How do I reset my password?"))
    answer = ask(cache, claude, request("How do I reset my password please?"))
    assert isinstance(answer.lookup, Hit)
    assert answer.lookup.kind is HitKind.SEMANTIC


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(request(system="Be rude."), id="system prompt"),
        pytest.param(replace(request(), caller=Caller(partition="bob")), id="tenant"),
        pytest.param(request(temperature=0.1), id="sampling"),
    ],
)
def test_nothing_crosses_scopes(cache: Cache, claude: Claude, other: Request) -> None:
    ask(cache, claude, request())
    assert not isinstance(ask(cache, claude, other).lookup, Hit)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(message(stop_reason="max_tokens"), id="truncated"),
        pytest.param(message(stop_reason="refusal"), id="refusal"),
        pytest.param(message(content=[{"type": "tool_use", "id": "t", "name": "n", "input": {}}]), id="tool use"),
        pytest.param(replace(message(), faithful=False), id="a stream we do not fully understand"),
        pytest.param(replace(message(), coalesced=True), id="somebody else stores it"),
    ],
)
def test_what_may_not_be_kept_is_asked_again(cache: Cache, answer: Message) -> None:
    claude = Claude(answer)
    first = ask(cache, claude, request())
    ask(cache, claude, request())
    assert first.stored is None
    assert first.not_stored
    assert len(claude.asked) == 2


def test_thinking_goes_back_only_into_the_same_conversation(cache: Cache) -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    claude = Claude(message(content=[thinking, {"type": "text", "text": "Yes."}]))
    ask(cache, claude, request("How do I reset my password?"))
    exact = ask(cache, claude, request("How do I reset my password?"))
    similar = ask(cache, claude, request("How do I reset my password please?"))
    assert [block["type"] for block in exact.message.blocks] == ["thinking", "text"]
    assert [block["type"] for block in similar.message.blocks] == ["text"]


def test_an_answer_longer_than_the_callers_limit_is_no_hit(cache: Cache, claude: Claude) -> None:
    ask(cache, claude, request())
    assert isinstance(ask(cache, claude, request(max_tokens=4)).lookup, Miss)
    assert isinstance(ask(cache, claude, request(max_tokens=5)).lookup, Hit)


def test_learned_answers_are_forgotten_at_their_age_and_not_later_for_being_popular(
    cache: Cache, claude: Claude, clock: Clock
) -> None:
    ask(cache, claude, request())
    clock.advance(7 * 24 * 3600 - 1)
    assert isinstance(ask(cache, claude, request()).lookup, Hit)
    clock.advance(1)
    assert isinstance(ask(cache, claude, request()).lookup, Miss)


def test_max_age_asks_for_something_fresher(cache: Cache, claude: Claude, clock: Clock) -> None:
    ask(cache, claude, request())
    clock.advance(100)
    young = request(directives=Directives(max_age_seconds=50))
    assert isinstance(ask(cache, claude, young).lookup, Miss)
    assert isinstance(ask(cache, claude, young).lookup, Hit)


def test_no_cache_refreshes_what_is_stored(cache: Cache, claude: Claude) -> None:
    ask(cache, claude, request())
    claude.answer = message("a newer answer")
    refreshed = ask(cache, claude, request(directives=Directives(no_cache=True)))
    assert refreshed.lookup.__class__ is Bypass
    assert refreshed.stored is not None
    assert ask(cache, claude, request()).message.text == "a newer answer"


def test_no_store_leaves_no_trace(cache: Cache, claude: Claude) -> None:
    ask(cache, claude, request(directives=Directives(no_store=True)))
    assert cache.store.stats().entries == 0


def test_only_if_cached_never_goes_upstream(cache: Cache, claude: Claude) -> None:
    wanted = request(directives=Directives(only_if_cached=True))
    with pytest.raises(NotCached):
        ask(cache, claude, wanted)
    assert claude.asked == []


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW])
def test_these_modes_always_ask_claude(cache: Cache, claude: Claude, mode: Mode) -> None:
    ask(cache, claude, request())
    answer = ask(cache, claude, request(directives=Directives(mode=mode)))
    assert isinstance(answer.lookup, Bypass)
    assert len(claude.asked) == 2


def test_shadow_mode_says_what_would_have_happened(cache: Cache, claude: Claude) -> None:
    shadow = request(directives=Directives(mode=Mode.SHADOW))
    first, second = ask(cache, claude, shadow), ask(cache, claude, shadow)
    assert isinstance(first.lookup, Bypass)
    assert isinstance(first.lookup.would_be, Miss)
    assert isinstance(second.lookup, Bypass)
    assert isinstance(second.lookup.would_be, Hit)


def test_exact_mode_needs_no_embedding(clock: Clock, claude: Claude) -> None:
    cache = make(clock)
    ask(cache, claude, request("How do I reset my password?"))
    exact = Directives(mode=Mode.EXACT)
    assert isinstance(ask(cache, claude, request("How do I reset my password?", directives=exact)).lookup, Hit)
    other = ask(cache, claude, request("How do I reset my password please?", directives=exact))
    assert isinstance(other.lookup, Miss)


def test_a_namespace_may_tighten_what_the_service_allows(clock: Clock, claude: Claude) -> None:
    cache = make(clock, policy=Policy(namespaces={"default": Namespace(mode=Mode.OFF)}))
    ask(cache, claude, request())
    assert isinstance(ask(cache, claude, request()).lookup, Bypass)


def test_a_broken_store_is_a_miss_and_never_an_outage(clock: Clock, claude: Claude) -> None:
    answer = ask(make(clock, store=BrokenStore(clock=clock)), claude, request())
    assert answer.message.text == "an answer"
    assert isinstance(answer.lookup, Bypass)
    assert answer.lookup.reason == "cache-unavailable"


def test_even_a_mistake_of_ours_is_a_miss_and_tells_no_prompt(clock: Clock, claude: Claude, caplog: Any) -> None:
    class Mistaken(MemoryStore):
        def get_exact(self, *arguments: Any) -> Any:
            raise IndexError("How do I reset my password?")

    answer = ask(make(clock, store=Mistaken(clock=clock)), claude, request())
    assert answer.message.text == "an answer"
    assert isinstance(answer.lookup, Bypass)
    assert "IndexError" in caplog.text
    assert "password" not in caplog.text + answer.lookup.detail


def test_a_store_that_breaks_while_claude_answers_costs_only_the_memory(clock: Clock, claude: Claude) -> None:
    store = BreakingStore(clock=clock)
    cache = make(clock, store=store)
    exchange = stack([cache.step])(request())
    next(exchange)
    store.is_broken = True
    with pytest.raises(StopIteration) as stop:
        exchange.send(message())
    assert stop.value.value.not_stored == "cache-unavailable"


def test_an_answer_asked_for_before_a_purge_is_not_stored_after_it(clock: Clock) -> None:
    cache = make(clock)
    exchange = stack([cache.step])(request())
    next(exchange)
    cache.store.delete(Selection(namespace="default"))
    with pytest.raises(StopIteration) as stop:
        exchange.send(message())
    assert stop.value.value.not_stored == "overtaken"
    assert cache.store.stats().entries == 0
    assert isinstance(cache.lookup(request()), Miss)


def test_without_a_model_exact_repeats_still_work(clock: Clock, claude: Claude) -> None:
    cache = make(clock, embedder=BrokenEmbedder())
    ask(cache, claude, request())
    assert isinstance(ask(cache, claude, request()).lookup, Hit)


def test_an_upstream_error_carries_what_the_cache_had_said(cache: Cache) -> None:
    with pytest.raises(UpstreamTimeout) as failure:
        ask(cache, Claude(UpstreamTimeout("slow")), request())
    assert isinstance(failure.value.lookup, Miss)
    assert cache.store.stats().entries == 0


def test_an_abandoned_request_stores_nothing(cache: Cache) -> None:
    exchange: Exchange = stack([cache.step])(request())
    next(exchange)
    exchange.close()
    assert cache.store.stats().entries == 0


def test_misses_may_share_a_flight_and_bypasses_may_not(cache: Cache, claude: Claude) -> None:
    ask(cache, claude, request())
    ask(cache, claude, request(directives=Directives(mode=Mode.OFF)))
    assert claude.asked[0].flight_key is not None
    assert claude.asked[1].flight_key is None


def test_a_hit_is_counted(cache: Cache, claude: Claude) -> None:
    ask(cache, claude, request())
    ask(cache, claude, request())
    assert cache.store.stats().hits == 1


def test_an_answer_bound_to_its_moment_is_never_found_by_a_similar_question(cache: Cache, claude: Claude) -> None:
    first = ask(cache, claude, request("What is the water level of the tank right now?"))
    assert first.stored is not None
    assert cache.store.exemplars(first.stored.id) == []
    assert isinstance(ask(cache, claude, request("What is the water level of the tank?")).lookup, Miss)


def test_a_very_long_text_is_answered_only_when_it_comes_again(cache: Cache, claude: Claude) -> None:
    long = "word " * 4000
    assert ask(cache, claude, request(long)).lookup.reason == "too-long"
    assert isinstance(ask(cache, claude, request(long)).lookup, Hit)


# FAQ


def test_a_faq_answers_any_model_and_system_prompt_of_its_namespace(cache: Cache, claude: Claude) -> None:
    import_faq(cache, [row("How do I reset my password?")], into=Narrowing())
    answer = ask(cache, claude, request("how do I reset my  password", model="claude-opus-5-5", system="Be kind."))
    assert isinstance(answer.lookup, Hit)
    assert answer.lookup.kind is HitKind.FAQ
    assert answer.message.model == "claude-opus-5-5"
    assert answer.message.usage.output_tokens > 0
    assert claude.asked == []


def test_a_faq_is_found_by_its_variants_and_by_similar_words(cache: Cache, claude: Claude) -> None:
    import_faq(cache, [row("How do I reset my password?", variants=("Password lost, what now?",))], into=Narrowing())
    assert isinstance(ask(cache, claude, request("Password lost, what now?")).lookup, Hit)
    assert isinstance(ask(cache, claude, request("How do I reset my password please?")).lookup, Hit)


def test_a_faq_wins_over_a_learned_answer_even_when_imported_later(cache: Cache, claude: Claude, clock: Clock) -> None:
    ask(cache, claude, request("How do I reset my password please?"))
    clock.advance(10)
    import_faq(cache, [row("How do I reset my password?")], into=Narrowing())
    assert ask(cache, claude, request("How do I reset my password please?")).message.text == "From the FAQ."


@pytest.mark.parametrize(
    ("narrowing", "serves"),
    [
        pytest.param(Narrowing(model="claude-haiku-5-5"), True, id="its model"),
        pytest.param(Narrowing(model="claude-opus-5-5"), False, id="another model"),
        pytest.param(Narrowing(namespace="other"), False, id="another namespace"),
        pytest.param(Narrowing(system_digest="0" * 64), False, id="another system prompt"),
    ],
)
def test_an_import_can_be_narrowed(cache: Cache, claude: Claude, narrowing: Narrowing, serves: bool) -> None:
    import_faq(cache, [row("How do I reset my password?")], into=narrowing)
    assert isinstance(ask(cache, claude, request()).lookup, Hit) is serves


def test_importing_twice_changes_nothing_and_a_changed_answer_is_updated(cache: Cache) -> None:
    rows = [row("A?"), row("B?", tags=("x",)), FaqError(3, "answer: missing")]
    first = import_faq(cache, rows, into=Narrowing())
    again = import_faq(cache, rows, into=Narrowing())
    changed = import_faq(cache, [row("A?", "Another answer.")], into=Narrowing())
    assert (first.added, len(first.errors)) == (2, 1)
    assert (again.added, again.updated, again.unchanged) == (0, 0, 2)
    assert changed.updated == 1
    assert cache.store.stats().faq_entries == 2


def test_faq_answers_have_no_age(cache: Cache, claude: Claude, clock: Clock) -> None:
    import_faq(cache, [row("How do I reset my password?")], into=Narrowing())
    clock.advance(10 * 365 * 24 * 3600)
    assert isinstance(ask(cache, claude, request()).lookup, Hit)


def test_a_structured_output_request_is_not_answered_by_prose(cache: Cache, claude: Claude) -> None:
    import_faq(cache, [row("How do I reset my password?")], into=Narrowing())
    schema = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    assert not isinstance(ask(cache, claude, request(output_config=schema)).lookup, Hit)


# corrections


def judge(cache: Cache, reference: str, *, right: bool, question: str | None = None) -> Correction:
    judged = find_judged(cache, reference, question=question)
    assert judged is not None
    return correct(cache, judged, right=right)


def test_a_wrong_answer_to_its_own_question_is_gone(cache: Cache, claude: Claude) -> None:
    stored = ask(cache, claude, request()).stored
    assert stored is not None
    assert judge(cache, stored.id, right=False).effect is Effect.REMOVED
    assert isinstance(ask(cache, claude, request()).lookup, Miss)


@pytest.mark.parametrize("named_by", ["entry", "message", "request"])
def test_a_wrong_answer_reported_once_is_not_served_for_that_question_or_near_it_again(
    cache: Cache, claude: Claude, named_by: str
) -> None:
    stored = ask(cache, claude, request("How do I reset my password?")).stored
    assert stored is not None
    other = request("How do I reset my password please?")
    served = ask(cache, claude, other)
    assert isinstance(served.lookup, Hit)
    message_id = str(served.message.body["id"])
    names = {"entry": stored.id, "message": message_id, "request": message_id.replace("msg_", "req_")}
    question = "How do I reset my password please?" if named_by == "entry" else None
    said = judge(cache, names[named_by], right=False, question=question)
    assert (said.effect, said.judged.question) == (Effect.LEARNED, "How do I reset my password please?")
    assert said.other_wordings == ("How do I reset my password?",)
    for near in (other, request("Please, how do I reset my password?")):
        assert isinstance(cache.lookup(near), Miss)
    assert isinstance(ask(cache, claude, request("How do I reset my password?")).lookup, Hit)
    labels = {(each.label, each.origin) for each in cache.store.exemplars(stored.id)}
    assert (Label.NEGATIVE, Origin.FEEDBACK) in labels


def test_a_question_that_was_an_alias_is_none_any_more(cache: Cache, claude: Claude) -> None:
    first, second = request("Where is my parcel?"), request("How do I reset my password please?")
    kept, merged = ask(cache, claude, first).stored, ask(cache, claude, second).stored
    assert kept is not None
    assert merged is not None
    cache.store.merge(merged.id, kept.id)
    assert isinstance(cache.lookup(second), Hit)
    judge(cache, kept.id, right=False, question="How do I reset my password please?")
    assert isinstance(cache.lookup(second), Miss)
    assert isinstance(cache.lookup(first), Hit)


def test_a_right_answer_takes_back_that_it_was_wrong(cache: Cache, claude: Claude) -> None:
    stored = ask(cache, claude, request("How do I reset my password?")).stored
    assert stored is not None
    question = "How do I reset my password please?"
    judge(cache, stored.id, right=False, question=question)
    judge(cache, stored.id, right=True, question=question)
    assert isinstance(cache.lookup(request(question)), Hit)


def test_others_who_were_served_the_answer_are_named(cache: Cache, claude: Claude) -> None:
    stored = ask(cache, claude, request("How do I reset my password?")).stored
    assert stored is not None
    others = [ask(cache, claude, request("How do I reset my password please?")) for _ in range(2)]
    said = judge(cache, stored.id, right=False)
    assert {each.id for each in said.other_servings} == {each.message.body["id"] for each in others}


def test_feedback_on_an_unknown_entry_says_so(cache: Cache) -> None:
    assert find_judged(cache, "ent_unknown") is None


def test_purging_near_a_text_can_be_tried_first(cache: Cache, claude: Claude) -> None:
    ask(cache, claude, request("How do I reset my password?"))
    ask(cache, claude, request("Where is my parcel?"))
    assert purge(cache, Selection(), near="How do I reset my password?", similarity=0.9, dry_run=True) == 1
    assert cache.store.stats().entries == 2
    assert purge(cache, Selection(), near="How do I reset my password?", similarity=0.9) == 1
    assert cache.store.stats().entries == 1


def test_a_purge_without_any_condition_is_refused(cache: Cache) -> None:
    with pytest.raises(StoreError, match="name at least one condition"):
        purge(cache, Selection())


def test_after_a_change_of_the_model_old_questions_are_embedded_anew(
    tmp_path: Path, claude: Claude, clock: Clock
) -> None:
    def opened(space: str) -> Cache:
        return make(clock, store=LocalStore(tmp_path, space=space, dims=64, clock=clock))

    before = opened("old model")
    import_faq(before, [row("How do I reset my password?", variants=("Password lost, what now?",))], into=Narrowing())
    before.store.close()
    after = opened("new model")
    similar = request("How do I reset my password please?")
    assert isinstance(after.lookup(similar), Miss)
    assert after.store.foreign_exemplars() == 2
    assert reembed(after) == 1
    assert after.store.foreign_exemplars() == 0
    assert isinstance(after.lookup(similar), Hit)
    assert reembed(after) == 0
    after.store.close()
