"""The whole way through the library: seen, examined, approved, used, booked, reverted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from optimizing.workshops import GOOD, ORIGINAL, QUESTIONS, bodies

from semcache import SemanticCache, Settings
from semcache.optimizing.costliest import costliest, observed_volume
from semcache.optimizing.examining import Prompt
from semcache.optimizing.reporting import drafts_of
from semcache.strategies.approved_prompts import REREAD_SECONDS, ApprovedPrompts, prompt_hash
from semcache.upstream.simulator import Simulator

MODEL = "claude-haiku-5-5"
QUESTION = "Is there a cafe?"


@pytest.fixture
def cache(tmp_path, clock, book, claude):
    settings = Settings(
        store="local:",
        embedder="hashed",
        data_dir=tmp_path,
        audits=False,
        strategies=("tidying", "prompt_optimisation"),
    )
    with SemanticCache(settings, upstream=Simulator(book, answers=claude, clock=clock), clock=clock) as opened:
        yield opened


def asked(cache, question=QUESTION, **options):
    return cache.ask(question, model=MODEL, system=ORIGINAL, **{"mode": "off", **options})


def sent_system(cache):
    return cache.parts.upstream.calls[-1].body["system"]


def approved(cache, workshop, *, control_share: float = 0.0):
    found = workshop.examined(Prompt(ORIGINAL, bodies()))
    drafts = drafts_of(found, now=0.0, control_share=control_share)
    draft = next(draft for draft in drafts if not draft.objections)
    book = ApprovedPrompts(cache.parts.assembly.store, clock=cache.parts.assembly.cache.now)
    book.approve(replace(draft.version, approved_at=cache.parts.assembly.cache.now()))
    return book


def test_what_costs_most_is_known_and_its_month_can_be_told(cache, clock) -> None:
    for question in QUESTIONS:
        asked(cache, question)
        clock.advance(1200)
    cache.parts.assembly.save()
    (prompt,) = costliest(cache.parts.assembly.store, 5)
    assert (prompt.text, prompt.requests) == (ORIGINAL, len(QUESTIONS))
    assert observed_volume(prompt).monthly_usd(prompt.tokens) > 0


def test_an_approved_version_is_sent_booked_and_taken_back(cache, workshop, clock) -> None:
    asked(cache)
    assert sent_system(cache) == ORIGINAL
    book = approved(cache, workshop)
    clock.advance(REREAD_SECONDS)
    answer = asked(cache)
    assert sent_system(cache) == GOOD
    assert "prompt_optimisation" in answer.call.request.shaped_by
    assert answer.saved_usd > 0
    assert cache.savings().total.parts["prompt_optimisation"] > 0
    book.revert(prompt_hash(ORIGINAL))
    clock.advance(REREAD_SECONDS)
    asked(cache, "May I take pictures?")
    assert sent_system(cache) == ORIGINAL


def test_the_cache_knows_the_question_by_what_the_caller_sent(cache, workshop, clock) -> None:
    first = asked(cache, mode="exact")
    approved(cache, workshop)
    clock.advance(REREAD_SECONDS)
    again = asked(cache, mode="exact")
    assert first.stored is not None
    assert again.lookup.entry.id == first.stored.id


def test_a_caller_who_does_not_want_it_gets_his_own_prompt(cache, workshop, clock) -> None:
    approved(cache, workshop)
    clock.advance(REREAD_SECONDS)
    asked(cache, strategies="-prompt_optimisation")
    assert sent_system(cache) == ORIGINAL


def test_a_conversation_with_signed_thinking_outlives_approval_and_restart(cache, workshop, clock, tmp_path) -> None:
    system, history = f"{ORIGINAL} \n\n\n\nBe kind. ", []
    for number in range(4):
        answer = cache.ask(QUESTION, model=MODEL, system=system, history=history, mode="off")
        history += [
            {"role": "user", "content": QUESTION},
            {"role": "assistant", "content": answer.message.body["content"]},
        ]
        if number == 1:
            approved(cache, workshop)
        clock.advance(REREAD_SECONDS)
    answers = [call for call in cache.parts.upstream.calls if call.body.get("system") != GOOD]
    assert history[1]["content"][0]["type"] == "thinking"
    assert {call.status for call in answers} == {200}


def test_a_warm_prompt_is_not_tidied_until_it_has_cooled(tmp_path, clock, book) -> None:
    untidy = "The ferry leaves at nine and the harbour opens at six.  \n\n\n\n" * 150
    settings = Settings(
        store="memory:",
        embedder="hashed",
        data_dir=tmp_path,
        audits=False,
        strategies=("tidying", "prompt_caching"),
    )
    with SemanticCache(settings, upstream=Simulator(book, clock=clock), clock=clock) as cache:

        def ask(number: int, **options):
            answer = cache.ask(f"Number {number}?", model="claude-sonnet-5-5", system=untidy, mode="off", **options)
            clock.advance(60)
            return "tidying" in answer.call.request.shaped_by, answer.message.usage.cache_read_tokens

        for number in range(3):
            ask(number, strategies="-tidying")
        was_tidied, read = ask(4)
        assert not was_tidied
        assert read > 1_000
        clock.advance(7_200)
        assert ask(5)[0]
        assert all(ask(number)[0] for number in range(6, 9))
        assert ask(9)[1] > 1_000
