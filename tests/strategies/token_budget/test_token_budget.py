"""Token budgets: runaways end early, no caller sees a cut that his own limit would not make, hints are measured."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache import SemanticCache, Settings
from semcache.exchange import strategies_of
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Json, Request
from semcache.stores.memory import MemoryStore
from semcache.strategies.breakpoints.breakers import Breakers
from semcache.strategies.keeping import Keeping
from semcache.strategies.token_budget.begun import Begun
from semcache.strategies.token_budget.brevity import Brevity, hinted, may_be_hinted
from semcache.strategies.token_budget.budget import budget_tokens
from semcache.strategies.token_budget.lengths import Lengths
from semcache.strategies.token_budget.step import kind_of
from semcache.upstream.simulator import Reply, Simulator

SONNET = "claude-sonnet-5-5"
UNTHINKING = "claude-haiku-4-5"
Opening = Callable[..., SemanticCache]


def lengths_of(observed: list[int], cut_off: int = 0) -> Lengths:
    lengths = Lengths()
    for tokens in observed:
        lengths.note("kind", tokens, None, was_cut_off=False)
    for _ in range(cut_off):
        lengths.note("kind", 9_999, None, was_cut_off=True)
    return lengths


def budget(lengths: Lengths, limit: int = 20_000, **options: Any) -> int | None:
    known: dict[str, Any] = {"input_price": 1_000.0, "output_price": 5.0}
    return budget_tokens(lengths.of("kind", None), limit, **{**known, **options})


# the budget


def test_answers_that_end_by_themselves_get_all_the_room_they_may_have() -> None:
    assert budget(lengths_of([random.Random(n).randint(50, 400) for n in range(500)])) is None


def test_runaways_are_ended_where_nearly_all_others_have_ended() -> None:
    found = budget(lengths_of([random.Random(n).randint(50, 400) for n in range(500)], cut_off=40))
    assert found is not None
    assert 400 <= found < 2_000


def test_a_few_answers_prove_nothing() -> None:
    assert budget(lengths_of([100] * 20, cut_off=5)) is None
    assert budget(lengths_of([100] * 200, cut_off=1)) is None


def test_however_cheap_it_is_hardly_anybody_is_asked_twice() -> None:
    lengths = lengths_of([random.Random(n).randint(50, 400) for n in range(500)], cut_off=60)
    found = budget(lengths, input_price=0.001)
    known = lengths.of("kind", None)
    assert found is not None
    assert known is not None
    assert known.share_beyond(found + 1) <= 0.06


def test_a_dear_prompt_is_not_sent_twice_for_a_small_gain() -> None:
    observed = [random.Random(n).randint(50, 4_000) for n in range(500)]
    assert budget(lengths_of(observed, cut_off=10), limit=4_500, input_price=10**6) is None


@given(
    observed=st.lists(st.integers(1, 30_000), min_size=1, max_size=200),
    cut_off=st.integers(0, 100),
    limit=st.integers(1, 64_000),
    least=st.integers(1, 9_000),
)
@settings(max_examples=100, deadline=None)
def test_a_budget_is_never_above_the_callers_limit_nor_below_what_thinking_needs(
    observed: list[int], cut_off: int, limit: int, least: int
) -> None:
    found = budget(lengths_of(observed, cut_off), limit, least=least)
    assert found is None or least <= found < limit


def test_answers_cut_at_a_small_limit_are_no_runaways_of_a_large_one() -> None:
    lengths = lengths_of([random.Random(n).randint(50, 100) for n in range(300)])
    for _ in range(100):
        lengths.note("kind", 100, None, was_cut_off=True)
    known = lengths.of("kind", None)
    assert known is not None
    assert known.runaway_share(8_000) == 0
    assert known.unclear_share(8_000) == pytest.approx(0.25)
    assert budget(lengths, limit=8_000) is None


def test_runaways_that_never_recover_are_soon_left_to_run() -> None:
    lengths = lengths_of([200] * 300, cut_off=30)
    assert budget(lengths) is not None
    for _ in range(100):
        lengths.note("kind", 20_000, None, was_cut_off=True)
        lengths.note_relapsed("kind")
    assert budget(lengths) is None


def test_runaways_that_recover_stay_known_as_runaways() -> None:
    lengths = lengths_of([200] * 300, cut_off=30)
    for _ in range(1_000):
        known = lengths.of("kind", None)
        assert known is not None
        lengths.note_recovered("kind", 200, limit=20_000, chance=known.runaway_chance(300, 20_000))
    known = lengths.of("kind", None)
    assert known is not None
    assert known.recovers > 0.9
    assert budget(lengths) is not None


def test_similar_requests_count_more_than_the_rest_of_their_kind() -> None:
    lengths, chance = Lengths(), np.random.default_rng(0)
    near, far = (vector / np.linalg.norm(vector) for vector in chance.normal(size=(2, 32)).astype(np.float32))
    for _ in range(100):
        lengths.note("kind", 2_000, near, was_cut_off=False)
        lengths.note("kind", 50, far, was_cut_off=False)
    alike, unlike = lengths.of("kind", near), lengths.of("kind", far)
    assert alike is not None
    assert unlike is not None
    assert alike.share_beyond(1_000) > 0.85
    assert unlike.share_beyond(1_000) < 0.15


def test_lengths_survive_a_restart() -> None:
    lengths, again = lengths_of([100] * 50, cut_off=5), Lengths()
    again.restore(lengths.to_bytes())
    assert budget(again) == budget(lengths)
    with pytest.raises((ValueError, KeyError)):
        again.restore(b'{"kind": {"counts": [1], "cut_off": 0, "tokens": 1}}')


def test_processes_on_one_store_learn_lengths_and_breakers_together() -> None:
    store = MemoryStore()
    store.is_shared = True
    known = [(Keeping(store), Lengths(), Breakers()) for _ in range(2)]
    for number, (keeping, lengths, breakers) in enumerate(known):
        keeping.keep("lengths", lengths)
        keeping.keep("breakers", breakers)
        lengths.note_recovered("kind", 100, limit=8_000, chance=0.5)
        lengths.note_relapsed("kind")
        for minute in (10, 20):
            breakers.note(Request({"system": f"{'It was so. ' * 50}{number}:{minute} {'Then it went on. ' * 50}"}))
    for keeping, _, _ in (*known, *known):
        keeping.save()
    found = [lengths.of("kind", None) for _, lengths, _ in known]
    assert [each.recovers for each in found if each is not None] == [pytest.approx(1.1 / 3.2)] * 2
    assert [len(breakers.all()) for _, _, breakers in known] == [1, 1]
    assert {each.times for _, _, breakers in known for each in breakers.all()} == {2}


# through the library


@pytest.fixture
def opened(tmp_path: Path, clock: Clock) -> Iterator[Opening]:
    caches: list[SemanticCache] = []

    def opening(answers: Callable[[Json], Any], **options: Any) -> SemanticCache:
        simulator = Simulator(PriceBook.load(find_claude_manifest(None)), answers=answers, clock=clock)
        known: dict[str, Any] = {"store": "memory:", "embedder": "hashed", "data_dir": tmp_path, "audits": False}
        chosen = Settings(**{**known, "strategies": ("token_budget",), **options})
        caches.append(SemanticCache(chosen, upstream=simulator, clock=clock))
        return caches[-1]

    yield opening
    for cache in caches:
        cache.close()


class Moody:
    """Answers briefly; every so often it does not stop, unless it is asked again."""

    def __init__(self, every: int, *, recovers: bool = True) -> None:
        self.calls = 0
        self._every = every
        self._recovers = recovers
        self._last = ""

    def __call__(self, body: Json) -> str:
        self.calls += 1
        asked = body["messages"][-1]["content"]
        runs_away = int(asked.split()[-1]) % self._every == 0 and not (self._recovers and asked == self._last)
        self._last = asked
        return "and so on " * 20_000 if runs_away else f"Answer to {asked}. " + "word " * 100


def ask_many(cache: SemanticCache, count: int, **options: Any) -> list[Any]:
    known: dict[str, Any] = {"model": UNTHINKING, "mode": "off", "max_tokens": 8_000}
    return [cache.ask(f"Tell me of number {n}", **{**known, **options}) for n in range(1, count + 1)]


def test_runaways_cost_less_and_no_caller_sees_a_cut_that_was_ours(opened: Opening) -> None:
    budgeted, plain = opened(Moody(10)), opened(Moody(10), strategies=())
    answers, unassisted = ask_many(budgeted, 150), ask_many(plain, 150)
    cut = [sum(answer.message.stop_reason == "max_tokens" for answer in found) for found in (answers, unassisted)]
    assert cut[0] < cut[1] == 15
    assert budgeted.parts.upstream.bill_usd < plain.parts.upstream.bill_usd
    ended = [answer for answer in answers if answer.attempts]
    assert {attempt.why for answer in ended for attempt in answer.attempts} == {"runaway"}
    assert {strategies_of(answer.call, answer.attempts) for answer in ended} == {("token_budget",)}
    assert all(answer.message.text.startswith("Answer to") for answer in ended)


def test_what_runs_into_the_callers_own_limit_does_so_as_ever(opened: Opening) -> None:
    cache = opened(Moody(5, recovers=False))
    answers = ask_many(cache, 120)
    cut = [answer for answer in answers if answer.message.stop_reason == "max_tokens"]
    assert len(cut) == 24
    assert all(answer.message.usage.output_tokens == 8_000 for answer in cut)


def test_runaways_that_never_recover_cost_little_more_than_without_budgets(opened: Opening) -> None:
    budgeted, plain = opened(Moody(10, recovers=False)), opened(Moody(10, recovers=False), strategies=())
    ask_many(budgeted, 400)
    ask_many(plain, 400)
    assert budgeted.parts.upstream.bill_usd < Decimal("1.01") * plain.parts.upstream.bill_usd


def test_answers_are_alike_by_the_task_that_the_words_tell() -> None:
    model = PriceBook.load(find_claude_manifest(None)).model(UNTHINKING)
    assert model is not None
    said = "Classify the sentiment of this review as positive, negative or neutral: I loved it."
    asked = {"model": UNTHINKING, "max_tokens": 9, "messages": [{"role": "user", "content": said}]}
    assert kind_of(Request(asked), model).split("/")[1] == "classification"


def test_an_explanation_says_how_much_room_an_answer_first_gets(opened: Opening) -> None:
    cache = opened(Moody(10))
    question = "Tell me of number 1001"
    assert cache.explain_sending(question, model=UNTHINKING, max_tokens=8_000).first_max_tokens is None
    ask_many(cache, 120)
    room = cache.explain_sending(question, model=UNTHINKING, max_tokens=8_000).first_max_tokens
    assert room is not None
    assert 100 < room < 1_000


def test_a_stream_always_has_all_the_room(opened: Opening) -> None:
    cache = opened(Moody(10))
    ask_many(cache, 120)
    answer = cache.ask("Tell me of number 1000", model=UNTHINKING, mode="off", max_tokens=8_000, stream=True)
    assert answer.call is not None
    assert answer.call.request.max_tokens == 8_000


def test_what_ending_runaways_cost_is_on_the_bill(opened: Opening) -> None:
    cache = opened(Moody(10))
    ask_many(cache, 150)
    parts = cache.savings().total.parts
    assert parts["call:runaway"] < 0
    assert sum(parts.values(), Decimal(0)) == cache.savings().saved_usd
    assert cache.savings().total.cost_usd == cache.parts.upstream.bill_usd


# brevity


def wordy(body: Json) -> str:
    """Half as long where it is asked to be brief."""
    is_brief = "briefly" in str(body["messages"][0])
    return "word " * (100 if is_brief else 200)


def test_the_hint_saves_and_the_control_share_proves_it(opened: Opening) -> None:
    cache = opened(wordy, strategies=("conciseness",))
    answers = ask_many(cache, 400, system="You know all numbers.")
    brevity = cache.parts.assembly.miss_path.brief.brevity
    [measured] = brevity.measured()
    assert measured.share == pytest.approx(0.5, abs=0.05)
    assert 20 < measured.control < 80
    assert answers[-1].message.usage.output_tokens in range(100, 260)
    parts = cache.savings().total.parts
    assert parts["conciseness"] > 0
    assert sum(parts.values(), Decimal(0)) == cache.savings().saved_usd


def test_the_hint_is_only_said_where_the_operator_asks_for_it(opened: Opening) -> None:
    cache = opened(wordy, strategies=Settings().strategies)
    ask_many(cache, 30)
    assert all("briefly" not in str(call.body) for call in cache.parts.upstream.calls)


def asked(text: str, **fields: Any) -> Request:
    return Request({"model": SONNET, "max_tokens": 9, "messages": [{"role": "user", "content": text}], **fields})


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(asked("Explain this in detail."), id="in detail"),
        pytest.param(asked("Write an essay on moss."), id="an essay"),
        pytest.param(asked("Say it in 200 words."), id="a number of words"),
        pytest.param(asked("Who?", tools=[{"name": "t"}]), id="tools"),
        pytest.param(asked("Who?", output_config={"format": {"type": "json_schema"}}), id="a schema"),
    ],
)
def test_whoever_says_how_long_is_left_alone(request_: Request) -> None:
    assert not may_be_hinted(request_)


def test_the_hint_stands_behind_all_that_is_marked() -> None:
    block = {"type": "text", "text": "You know.", "cache_control": {"type": "ephemeral"}}
    body = {"model": SONNET, "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]}
    later = {**body, "messages": [*body["messages"], {"role": "assistant", "content": "I."}, *asked("Why?").messages]}
    opening, again = (hinted(Request(each)).body["messages"][0] for each in (body, later))
    assert opening == again
    assert opening["content"][0] == block
    assert len(opening["content"]) == 2


def test_a_conversation_stays_on_its_side() -> None:
    brevity, first = Brevity(control_share=0.5), asked("Who?")
    later = Request({**first.body, "messages": [*first.messages, {"role": "assistant", "content": "I."},
                                                {"role": "user", "content": "Why?"}]})  # fmt: skip
    assert brevity.is_control(first) == brevity.is_control(later)


def test_thinking_that_is_sent_back_finds_the_prompt_it_was_thought_behind(opened: Opening) -> None:
    cache = opened(lambda body: Reply("word " * 50, thinking="Let me see."), strategies=("conciseness",))
    for n in range(12):
        history: list[Json] = []
        for turn in range(3):
            question = f"Number {n}, and then {turn}"
            message = cache.ask(question, model=SONNET, history=history, mode="off").message
            history += [{"role": "user", "content": question}, {"role": "assistant", "content": message.blocks}]
    assert all(call.status == 200 for call in cache.parts.upstream.calls)
    assert any("briefly" in str(call.body) for call in cache.parts.upstream.calls)


def test_brevity_and_its_conversations_survive_a_restart() -> None:
    brevity, again = Brevity(), Brevity()
    for n in range(60):
        brevity.note("kind", 100 + n % 3, was_hinted=n % 2 == 0)
    again.restore(brevity.to_bytes())
    assert again.measured() == brevity.measured()
    begun, later = Begun(), Begun()
    begun.note(asked("Who?"))
    later.restore(begun.to_bytes())
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    turns = [*asked("Who?").messages, {"role": "assistant", "content": [thinking]}, {"role": "user", "content": "Why?"}]
    assert later.holds(Request({**asked("").body, "messages": turns})) is True
    assert later.holds(asked("Who?")) is None
