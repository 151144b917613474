"""Marks for the prompt cache: where they pay, as Claude allows them, and never a change of meaning."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pytest
from fakes import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from semcache.canonical import identify
from semcache.exchange import Answer
from semcache.message import Message
from semcache.policy import STRATEGIES
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.request import Caller, Json, Request
from semcache.strategies.breakpoints.breakers import Breakers
from semcache.strategies.breakpoints.caching import Planned, PromptCaching
from semcache.strategies.breakpoints.memory import PrefixMemory
from semcache.strategies.breakpoints.planning import Mark
from semcache.strategies.breakpoints.prefix import prefix_of
from semcache.strategies.consent import Consent
from semcache.upstream.simulator.marks import mark_problems

TODAY = date(2026, 11, 23)
BOOK = PriceBook.load(find_claude_manifest(None))
SONNET = "claude-sonnet-5-5"
MARK = {"type": "ephemeral"}
LONG = "The ferry leaves at nine and the harbour opens at six on every day of the week. " * 60  # 1,500 tokens


def ask(question: Any = "When does it leave?", *, history: tuple[Json, ...] = (), **fields: Any) -> Request:
    messages = [*history, {"role": "user", "content": question}]
    body = {"model": SONNET, "max_tokens": 100, "messages": messages, **fields}
    return Request({k: v for k, v in body.items() if v is not None}, caller=Caller(credential="one"))


def caching(clock: Clock, memory: PrefixMemory | None = None) -> PromptCaching:
    return PromptCaching(Consent(STRATEGIES, {}), memory or PrefixMemory(), clock=clock)


def plan(known: PromptCaching, request: Request) -> Planned:
    return known.planned_on(request, BOOK.model(request.model))


def sent(known: PromptCaching, request: Request, *, read: int = 0, written: int = 0) -> Planned:
    """Send it, and let Claude say what it read and wrote."""
    planned = plan(known, request)
    usage = {"input_tokens": 5, "cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    message = Message({"usage": usage, "content": []})
    known.note(planned, Answer(message, lookup=None), known._clock())
    return planned


def sections(planned: Planned) -> list[tuple[str, str]]:
    places = planned.outlook.prefix.places
    return [(places[mark.place].section, mark.ttl) for mark in planned.placement.marks]


def test_a_short_prompt_is_left_alone(clock: Clock) -> None:
    request = ask()
    assert plan(caching(clock), request).request is request


def test_an_unknown_prompt_is_not_written_and_one_that_comes_again_is(clock: Clock) -> None:
    known = caching(clock)
    assert sections(sent(known, ask(system=LONG))) == []
    clock.advance(20)
    assert sections(sent(known, ask("And back?", system=LONG), written=1_900)) == [("system", "5m")]
    clock.advance(20)
    planned = sent(known, ask("And on Sundays?", system=LONG), read=1_900)
    assert planned.outlook.held == {0: "5m"}
    assert 0 in [mark.place for mark in planned.placement.marks]


def test_a_prompt_that_comes_every_ten_minutes_is_kept_for_an_hour(clock: Clock) -> None:
    known = caching(clock)
    for number in range(8):
        sent(known, ask(f"Number {number}?", system=LONG), written=1_900)
        clock.advance(600)
    clock.advance(3_600)  # nothing is held any more
    assert sections(plan(known, ask("Again?", system=LONG))) == [("system", "1h")]


def test_what_is_different_every_time_is_never_written(clock: Clock) -> None:
    known = caching(clock)
    for number in range(30):
        assert sections(sent(known, ask(system=f"It is {number} o'clock. {LONG}"))) == []
        clock.advance(5)


def test_a_document_is_marked_before_its_question(clock: Clock) -> None:
    content = [{"type": "text", "text": LONG}, {"type": "text", "text": "What is the fee?"}]
    planned = plan(caching(clock), ask(content))
    places = planned.outlook.prefix.places
    assert [places[mark.place].inner for mark in planned.placement.marks] == [0]
    assert planned.request.messages[0]["content"][1] == content[1]


def test_a_conversation_is_marked_where_it_will_go_on(clock: Clock) -> None:
    history = ({"role": "user", "content": LONG}, {"role": "assistant", "content": "At nine."})
    known = caching(clock)
    sent(known, ask(LONG))
    clock.advance(60)
    sent(known, ask(history=history))  # the first turn has come again in it: later ones may do so too
    clock.advance(60)
    more = (*history, {"role": "user", "content": LONG}, {"role": "assistant", "content": "At ten."})
    planned = plan(known, ask(history=more))
    assert [planned.outlook.prefix.places[mark.place].outer for mark in planned.marks][-1] == 4


def test_where_conversations_pause_the_end_of_a_short_answer_keeps_all_before_it_for_an_hour(clock: Clock) -> None:
    known, kept = caching(clock), []
    for talk in range(4):
        history: tuple[Json, ...] = ()
        for turn in range(10):
            question = f"Talk {talk}, turn {turn}. {LONG}"
            planned = sent(known, ask(question, history=history), written=2_000)
            places = planned.outlook.prefix.places
            kept += [
                turn for mark in planned.placement.marks if places[mark.place].role == "assistant" and mark.ttl == "1h"
            ]
            answer = {"role": "assistant", "content": "At nine."}
            history = (*history, {"role": "user", "content": question}, answer)
            clock.advance(900 if turn % 5 == 2 else 20)
    assert len(kept) > 10


@pytest.mark.parametrize("own", [1, 2, 3, 4])
def test_the_callers_marks_stay_and_four_are_the_most(clock: Clock, own: int) -> None:
    system = [
        {"type": "text", "text": LONG, **({"cache_control": MARK} if number < own else {})} for number in range(4)
    ]
    history = ({"role": "user", "content": LONG}, {"role": "assistant", "content": LONG})
    planned = plan(caching(clock), ask(LONG, history=history, system=system))
    marks = [place for place in prefix_of(planned.request, BOOK.model(SONNET)).places if place.ttl]
    assert own <= len(marks) <= 4
    assert [block.get("cache_control") for block in planned.request.body["system"][:own]] == [MARK] * own


def test_automatic_caching_keeps_its_slot(clock: Clock) -> None:
    history = ({"role": "user", "content": LONG}, {"role": "assistant", "content": LONG})
    planned = plan(caching(clock), ask(LONG, history=history, system=LONG, cache_control=MARK))
    assert planned.request.body["cache_control"] == MARK
    assert not list(mark_problems(planned.request.body))


def test_what_claude_did_not_hold_is_not_believed_any_more(clock: Clock) -> None:
    known = caching(clock)
    for _ in range(3):
        sent(known, ask(system=LONG), written=1_900)
    assert plan(known, ask(system=LONG)).outlook.held
    sent(known, ask("Other?", system=LONG), written=1_900)  # nothing read: it was lost
    clock.advance(3_601)
    assert not plan(known, ask(system=LONG)).outlook.held


def test_a_cached_prompt_is_shared_by_one_credential_and_one_model_only(clock: Clock) -> None:
    known = caching(clock)
    for _ in range(3):
        sent(known, ask(system=LONG), written=1_900)
    assert plan(known, ask(system=LONG)).outlook.held
    other = Request(ask(system=LONG).body, caller=Caller(credential="two"))
    assert not plan(known, other).outlook.held
    assert not plan(known, ask(system=LONG, model="claude-opus-5-5")).outlook.held
    assert not plan(known, ask(system=LONG, thinking={"type": "adaptive"})).outlook.held


def test_what_was_learned_comes_back_the_same(clock: Clock) -> None:
    known, again = PrefixMemory(), PrefixMemory()
    first = caching(clock, known)
    for _ in range(3):
        sent(first, ask(system=LONG), written=1_900)
        clock.advance(10)
    again.restore(known.to_bytes())
    assert again.to_bytes() == known.to_bytes()
    assert sections(plan(caching(clock, again), ask(system=LONG))) == sections(plan(first, ask(system=LONG)))


@pytest.mark.parametrize("content", [b"", b"[]", b"[[1], []]", b'{"a": 1}'])
def test_what_is_not_readable_is_refused(content: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        PrefixMemory().restore(content)


def test_a_clock_in_the_system_prompt_is_found_and_told_without_a_word_of_it() -> None:
    breakers, secret = Breakers(), "The password of the harbour is swordfish. "
    for hour in range(5):
        breakers.note(ask(system=f"{secret * 8}Now it is 0{hour}:15. {LONG}"))
    found = breakers.of("default")
    assert found is not None
    assert (found.looks_like, found.times) == ("a timestamp", 4)
    assert abs(found.offset - len(secret * 8) - len("Now it is ")) <= 1
    assert "swordfish" not in found.says()


def test_a_clock_at_the_very_front_is_found_although_the_prompts_begin_differently() -> None:
    breakers = Breakers()
    for minute in (10, 27, 43):
        breakers.note(ask(system=f"Today is 2026-11-29, 09:{minute}. {LONG}"))
    found = breakers.of("default")
    assert found is not None
    assert (found.looks_like, found.offset, found.times) == ("a timestamp", len("Today is 2026-11-29, "), 2)


def test_a_clock_at_the_end_is_found_and_two_prompts_that_only_begin_alike_are_not() -> None:
    breakers = Breakers()
    for minute in (10, 27):
        breakers.note(ask(system=f"{LONG} It is 09:{minute}."))
    assert breakers.of("default") is not None
    others = Breakers()
    for end in ("Sell.", "Help."):
        others.note(ask(system=LONG[:300] + end * 200))
    assert others.of("default") is None


def test_tools_that_come_in_another_order_are_found() -> None:
    breakers = Breakers()
    tools = [{"name": name, "description": "d", "input_schema": {"type": "object"}} for name in ("a", "b")]
    breakers.note(ask(tools=tools))
    breakers.note(ask(tools=[{**tools[0], "cache_control": MARK}, tools[1]]))
    assert breakers.all() == ()  # a mark is no change
    breakers.note(ask(tools=tools[::-1]))
    breakers.note(ask(tools=[{**tools[1], "description": "at 9:15"}, tools[0]]))
    assert [each.looks_like for each in breakers.all()] == ["the definition of a tool", "the order of the tools"]


def test_what_breaks_prompts_is_known_after_a_restart_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    breakers, again = Breakers(), Breakers()
    for minute in range(10, 15):
        breakers.note(ask(system=f"It is 09:{minute}. {LONG}"))
    again.restore(breakers.to_bytes())
    assert again.all() == breakers.all() != ()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    for content in (b"[1]", b"{", b'[["a", "b", "c", 1]]'):
        with pytest.raises((ValueError, TypeError)):
            again.restore(content)


def blocks(chance: random.Random, *, markable: bool = True) -> Any:
    text = chance.choice([LONG, "Short.", LONG * 3])
    if chance.random() < 0.5:
        return text
    mark = {"cache_control": MARK} if markable and chance.random() < 0.15 else {}
    return [{"type": "text", "text": text, **mark} for _ in range(chance.randint(1, 3))]


def any_request(seed: int) -> Request:
    chance = random.Random(seed)
    history = []
    for _ in range(chance.randint(0, 3)):
        history += [{"role": "user", "content": blocks(chance)}, {"role": "assistant", "content": blocks(chance)}]
    tools = [{"name": f"t{n}", "description": LONG, "input_schema": {"type": "object"}} for n in range(2)]
    more = {"system": chance.choice([None, LONG, [{"type": "text", "text": LONG}]])}
    if chance.random() < 0.3:
        more["tools"] = tools
    if chance.random() < 0.2:
        more["cache_control"] = chance.choice([MARK, {"type": "ephemeral", "ttl": "1h"}])
    model = chance.choice([SONNET, "claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-4-6"])
    return ask(blocks(chance), history=tuple(history), model=model, **more)


def stripped(value: Any) -> Any:
    """Without marks, every content a list."""
    if isinstance(value, dict):
        kept = {name: stripped(item) for name, item in value.items() if name != "cache_control"}
        for name in ("content", "system"):
            if isinstance(kept.get(name), str):
                kept[name] = [{"type": "text", "text": kept[name]}]
        return kept
    return [stripped(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_marks_never_change_what_a_request_means_and_claude_takes_them(seed: int) -> None:
    clock = Clock()
    known, request = caching(clock), any_request(seed)
    before = len(list(mark_problems(request.body)))
    for _ in range(3):
        planned = sent(known, request, written=1_000)
        clock.advance(random.Random(seed).choice([5, 400, 4_000]))
        assert stripped(planned.request.body) == stripped(request.body)
        assert identify(planned.request) == identify(request)
        assert len(list(mark_problems(planned.request.body))) <= before
        assert planned.placement.net_usd <= planned.placement.unassisted_usd


def test_a_mark_of_an_hour_never_stands_behind_one_of_five_minutes() -> None:
    from semcache.strategies.breakpoints.planning import _is_ordered

    assert _is_ordered([Mark(0, "1h"), Mark(1, "5m")])
    assert not _is_ordered([Mark(0, "5m"), Mark(1, "1h")])
