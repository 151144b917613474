"""From a prompt to versions with figures: proposed, refused, tried, and paid for."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from fakes import message
from optimizing.workshops import CARELESS, FORGETFUL, GOOD, ORIGINAL, QUESTIONS, VALUE, Claude, bodies

from semcache.errors import InvalidRequest, UpstreamError
from semcache.optimizing.costliest import Volume, costliest, observed_volume, stated_volume
from semcache.optimizing.drafts import find_draft, keep_drafts, read_drafts
from semcache.optimizing.examining import UNTRIED, Prompt
from semcache.optimizing.proposing import proposing_body, read_versions
from semcache.optimizing.reporting import drafts_of, examination_view
from semcache.optimizing.trying import belongs_to, original_answers, try_version, with_system
from semcache.request import Request
from semcache.strategies.system_prompts import DOCUMENT, SystemPrompt, SystemPrompts


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"versions": ["one", "two"]}', id="as asked"),
        pytest.param('```json\n{"versions": ["one", "two"]}\n```', id="fenced"),
        pytest.param('["one", "two"]', id="a bare list"),
        pytest.param('{"versions": [{"text": "one"}, {"text": "two"}, 3]}', id="objects"),
        pytest.param("Here:\n<version>\none\n</version>\n<version>two</version>", id="elements"),
    ],
)
def test_versions_are_read_in_whatever_form_they_come(text: str) -> None:
    assert read_versions(message(text)) == ["one", "two"]


@pytest.mark.parametrize("text", ["", "Sorry, no.", "null", '{"versions": "one"}', "[[[["])
def test_what_holds_no_versions_gives_none(text: str) -> None:
    assert read_versions(message(text)) == []


def test_the_prompt_stands_in_the_request_as_data(book) -> None:
    said = proposing_body(ORIGINAL, book.model("claude-sonnet-5-5"), count=2, mark="code")
    assert f"<<<prompt code\n{ORIGINAL}\ncode end of prompt>>>" in said["messages"][0]["content"]
    assert ORIGINAL not in said["system"]


def test_each_version_is_told_with_what_speaks_against_it(workshop, claude) -> None:
    found = workshop.examined(Prompt(ORIGINAL, bodies()))
    good, forgetful, careless = (next(each for each in found.versions if each.text == text)
                                 for text in (GOOD, FORGETFUL, CARELESS))  # fmt: skip
    assert good.objections == ()
    assert (good.tried.version.same, good.tried.control.same) == (len(QUESTIONS), len(QUESTIONS))
    assert [each.kind.value for each in forgetful.lost] == ["constraint"]
    assert careless.objections == ("lacks address tours@museum.example",)
    assert forgetful.tried is careless.tried is None
    assert claude.asked.count("version") == len(QUESTIONS)  # what is refused is not tried


def test_a_version_that_answers_otherwise_is_found_out_by_its_answers(workshop, asking) -> None:
    answers = original_answers(bodies(), ORIGINAL, asking)
    tried = try_version(answers, FORGETFUL, ORIGINAL, asking=asking, comparing=workshop.comparing)
    assert (tried.version.different, tried.differing, tried.is_as_good) == (1, (VALUE,), False)
    low, high = tried.version.interval
    assert 0.4 < low < 5 / 6 < high < 1


def test_without_requests_nothing_is_tried_and_that_is_said(workshop) -> None:
    found = workshop.examined(Prompt(ORIGINAL))
    assert next(each for each in found.versions if each.text == GOOD).objections == (UNTRIED,)


def test_too_few_requests_prove_nothing(workshop) -> None:
    found = workshop.examined(Prompt(ORIGINAL, bodies()[:3]))
    assert "too few" in next(each for each in found.versions if each.text == GOOD).objections[0]


def test_longer_and_equal_versions_are_not_proposed(workshop, claude) -> None:
    claude.versions = (ORIGINAL, f"{ORIGINAL} And more.", "", GOOD, GOOD)
    assert [each.text for each in workshop.examined(Prompt(ORIGINAL)).versions] == [GOOD]


@pytest.mark.parametrize(
    ("said", "objection"),
    [
        pytest.param({"instructions": [{"text": "a", "kept": True}]}, None, id="all kept"),
        pytest.param({"instructions": [{"text": "kindly", "kept": False}]}, "lost, says Claude: kindly", id="one lost"),
        pytest.param({"other": 1}, "lost, says Claude: (unreadable)", id="unreadable"),
    ],
)
def test_claude_may_make_a_checklist_too(workshop, claude, said, objection) -> None:
    claude.reviewed = said
    found = replace(workshop, reviews=True).examined(Prompt(ORIGINAL, bodies()))
    good = next(each for each in found.versions if each.text == GOOD)
    assert good.objections == (() if objection is None else (objection,))
    assert claude.asked.count("review") == 1


def test_every_call_is_booked_as_overhead(workshop, cache) -> None:
    workshop.examined(Prompt(ORIGINAL, bodies()))
    ledger = cache.parts.assembly.ledger
    assert ledger.overhead == (cache.parts.upstream.bill_usd, 0)
    rows = {group.key[0]: group for group in cache.savings().outcomes}
    assert rows["optimise"].requests == 1 + 3 * len(QUESTIONS)
    assert rows["optimise"].cost_usd == cache.parts.upstream.bill_usd > Decimal(0)


def test_where_upstream_always_fails_it_is_told(workshop, cache) -> None:
    with pytest.raises(UpstreamError):
        original_answers([{**body, "model": "claude-of-nowhere"} for body in bodies()], ORIGINAL, workshop.asking)


def test_requests_that_fail_are_counted_and_left_out(workshop, asking) -> None:
    some = [*bodies(), {**bodies()[0], "model": "claude-of-nowhere"}]
    answers = original_answers(some, ORIGINAL, asking)
    tried = try_version(answers, GOOD, ORIGINAL, asking=asking, comparing=workshop.comparing)
    assert (tried.failed, tried.version.same) == (1, len(QUESTIONS))


def test_a_version_stands_where_the_original_stood() -> None:
    blocks = [{"type": "text", "text": "Monday."}, {"type": "text", "text": ORIGINAL, "cache_control": {}}]
    assert with_system({"system": blocks}, ORIGINAL, GOOD)["system"] == [blocks[0], {**blocks[1], "text": GOOD}]
    assert with_system({"messages": []}, ORIGINAL, GOOD)["system"] == GOOD
    assert belongs_to({"system": blocks}, ORIGINAL)
    assert not belongs_to({"system": "Another."}, ORIGINAL)
    thought = {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "s"}]}
    assert not belongs_to({"system": ORIGINAL, "messages": [thought]}, ORIGINAL)


def test_the_view_says_tokens_money_agreement_and_difference(workshop, book) -> None:
    volume = stated_volume(10_000, book.model("claude-haiku-5-5"), on=date(2026, 11, 23))
    found = workshop.examined(Prompt(ORIGINAL, bodies(), volume))
    drafts = drafts_of(found, now=0.0, control_share=0.1)
    view = json.loads(json.dumps(examination_view(found, drafts)))
    good = next(each for each in view["versions"] if each["text"] == GOOD)
    assert good["tokens"] + good["tokens_saved"] == view["tokens"]
    assert good["saved_usd_per_month"] > 0
    assert (good["agreement"]["share"], good["agreement"]["interval"][1]) == (1.0, 1.0)
    assert "-- You must never say anything" in good["diff"]
    assert "+- Never say anything about the value of a painting." in good["diff"]


def test_drafts_are_found_by_the_beginning_of_their_hash(workshop, cache) -> None:
    store = cache.parts.assembly.store
    drafts = drafts_of(workshop.examined(Prompt(ORIGINAL, bodies())), now=5.0, control_share=0.1)
    keep_drafts(store, drafts)
    keep_drafts(store, drafts)
    assert read_drafts(store) == drafts
    assert find_draft(store, drafts[0].version.id[:8]) == drafts[0]
    with pytest.raises(InvalidRequest, match="optimize list"):
        find_draft(store, "zzz")
    with pytest.raises(InvalidRequest):
        find_draft(store, "")


def test_what_a_prompt_costs_in_a_month_is_told_by_what_was_seen() -> None:
    day = SystemPrompt(ORIGINAL, 200, "m", requests=1_000, cost_usd=2.0, first_at=0.0, last_at=86_400.0)
    volume = observed_volume(day)
    assert (volume.requests_per_month, round(volume.monthly_usd(100), 2)) == (30_000, 30.0)
    assert observed_volume(SystemPrompt(ORIGINAL, 200, "m", requests=9, cost_usd=1.0, last_at=600.0)) is None
    assert Volume(0.0, 1.0, "").monthly_usd(5) == 0


def test_the_costliest_come_first_and_what_is_unreadable_is_nothing(cache, book) -> None:
    seen, store = SystemPrompts(), cache.parts.assembly.store
    for number, rate in enumerate((0.1, 0.3, 0.2)):
        seen.note(Request({"system": f"{ORIGINAL} {number}"}), model="m", usd_per_prompt_token=rate, now=float(number))
    store.save_document(DOCUMENT, seen.to_bytes())
    assert [each.text[-1] for each in costliest(store, 2)] == ["1", "2"]
    store.save_document(DOCUMENT, b"[1]")
    assert costliest(store, 2) == []


def test_the_pretended_claude_is_deterministic() -> None:
    assert Claude()({"system": ORIGINAL, "messages": [{"content": VALUE}]}) == QUESTIONS[VALUE]
