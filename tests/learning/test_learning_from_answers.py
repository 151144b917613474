"""What answers teach, seen through the library: aliases, negative exemplars, audits, and what is never written."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes import FakeUpstream, Reply

from semcache import Hit, Miss, SemanticCache, Settings
from semcache.assembly import Brought
from semcache.decision.sameness.local import LocalJudge
from semcache.decision.sameness.outcomes import Pairing, Sameness, Uncertain
from semcache.embedders.hashed import HashedEmbedder
from semcache.entry import HitKind, Label, Origin
from semcache.stores.store import Selection

MODEL = "claude-haiku-5-5"
RESET, POLITE = "How do I reset my password?", "Hello, how can I reset my password please?"
FORGOT, ADDRESS = "I forgot my password, what now?", "How do I change my delivery address?"
OPEN_SETTINGS = "Open Settings, choose Security, then press Reset password within 15 minutes."
IN_TIME = "Tell us at least 3 days before it is sent."


class Claude:
    """Answers by a table that may change; counts what it was asked."""

    def __init__(self, answers: dict[str, str] | None = None) -> None:
        self.answers = {
            RESET: OPEN_SETTINGS, POLITE: OPEN_SETTINGS, FORGOT: OPEN_SETTINGS, ADDRESS: IN_TIME, **(answers or {})
        }  # fmt: skip
        self.judgement: dict[str, bool] = {}
        self.is_down = self.judge_is_down = False
        self.asked: list[str] = []
        self.upstream = FakeUpstream(self._reply)

    def _reply(self, body: dict[str, Any]) -> Reply:
        question = body["messages"][-1]["content"]
        self.asked.append(question)
        if self.is_down or (self.judge_is_down and "output_config" in body):
            return Reply(status=529, body=b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}')
        if "output_config" in body:
            return Reply.saying(json.dumps(self.judgement))
        return Reply.saying(self.answers.get(question, f"An answer to: {question}"))


@contextmanager
def opened(claude: Claude, *, judge: Any = None, **options: Any) -> Iterator[SemanticCache]:
    settings = Settings(**{"store": "memory:", "embedder": "hashed", **options})
    with SemanticCache(
        settings, upstream=claude.upstream, brought=Brought(judge=judge, randomness=random.Random(1))
    ) as cache:
        yield cache


@pytest.fixture
def claude() -> Claude:
    return Claude()


@pytest.fixture
def cache(claude: Claude) -> Iterator[SemanticCache]:
    with opened(claude) as cache:
        yield cache


def ask(cache: SemanticCache, question: str) -> Hit | Miss:
    lookup = cache.ask(question, model=MODEL).lookup
    assert cache.settle(20)
    assert isinstance(lookup, Hit | Miss)
    return lookup


def exemplars(cache: SemanticCache) -> list[tuple[str, Label, Origin]]:
    store = cache.parts.assembly.store
    entries = store.page(Selection(), limit=100).entries
    return [(each.text, each.label, each.origin) for entry in entries for each in store.exemplars(entry.id)]


def outcomes(cache: SemanticCache) -> dict[str, int]:
    return {row.key[0]: row.requests for row in cache.savings().outcomes}


def test_the_same_answer_makes_the_question_another_wording_of_the_first(cache: SemanticCache) -> None:
    ask(cache, RESET)
    ask(cache, FORGOT)
    assert cache.stats().entries == 1
    assert {text for text, label, _ in exemplars(cache) if label is Label.POSITIVE} == {RESET, FORGOT}
    again = ask(cache, FORGOT)
    assert isinstance(again, Hit)
    assert again.kind is HitKind.EXACT
    assert again.entry.question == RESET


def test_another_answer_makes_another_entry_and_tells_the_two_apart(cache: SemanticCache) -> None:
    ask(cache, RESET)
    ask(cache, ADDRESS)
    assert cache.stats().entries == 2
    assert (ADDRESS, Label.NEGATIVE, Origin.MISS) in exemplars(cache)


def test_a_first_similar_hit_is_asked_again_after_its_caller_was_served(cache: SemanticCache, claude: Claude) -> None:
    ask(cache, RESET)
    hit = ask(cache, POLITE)
    assert isinstance(hit, Hit)
    assert hit.kind is HitKind.SEMANTIC
    assert claude.asked == [RESET, POLITE]
    quality = cache.quality().overall
    assert (quality.since_start.hits, quality.since_start.audited, quality.since_start.wrong) == (1, 1, 0)
    assert outcomes(cache) == {"miss": 1, "semantic": 1, "audit": 1}
    costs = {row.key[0]: (row.baseline_usd, row.cost_usd) for row in cache.savings().outcomes}
    assert costs["audit"][0] == 0 < costs["audit"][1]


def test_a_hit_that_an_audit_finds_wrong_is_never_served_again(cache: SemanticCache, claude: Claude) -> None:
    claude.answers[POLITE] = "No: write to the office in Berlin, and enclose a copy of your passport."
    ask(cache, RESET)
    assert isinstance(ask(cache, POLITE), Hit)
    corrected = ask(cache, POLITE)
    assert isinstance(corrected, Hit)
    assert corrected.entry.message.text == claude.answers[POLITE]
    assert cache.quality().overall.since_start.wrong == 1
    kept = ask(cache, RESET)
    assert isinstance(kept, Hit)
    assert kept.entry.message.text == OPEN_SETTINGS


def test_an_audit_that_cannot_be_carried_out_changes_no_evidence(cache: SemanticCache, claude: Claude) -> None:
    ask(cache, RESET)
    claude.is_down = True
    assert isinstance(ask(cache, POLITE), Hit)
    assert cache.quality().overall.since_start.audited == 0
    claude.is_down = False
    assert isinstance(ask(cache, RESET), Hit)


def test_a_hit_without_an_audit_writes_nothing(claude: Claude) -> None:
    with opened(claude, audits=False) as cache:
        ask(cache, RESET)
        before = exemplars(cache)
        assert isinstance(ask(cache, POLITE), Hit)
        assert exemplars(cache) == before
        assert claude.asked == [RESET]
        assert cache.quality().overall.since_start.upper_bound == 1.0


def test_curated_answers_are_neither_audited_nor_refuted(claude: Claude, tmp_path: Path) -> None:
    faq = tmp_path / "faq.csv"
    faq.write_text(f"question,answer\n{RESET},Ask your administrator.\n")
    with opened(claude) as cache:
        cache.import_faq(faq)
        hit = ask(cache, POLITE)
        assert isinstance(hit, Hit)
        assert hit.kind is HitKind.FAQ
        ask(cache, FORGOT)
        assert claude.asked == [FORGOT]
        assert not [each for each in exemplars(cache) if each[1] is Label.NEGATIVE]


def test_what_was_learned_is_there_after_a_restart(claude: Claude, tmp_path: Path) -> None:
    place = {"store": "local:", "data_dir": tmp_path}
    with opened(claude, **place) as cache:
        for question in (RESET, POLITE, ADDRESS, "What are your opening hours?"):
            ask(cache, question)
        before = cache.quality().overall
    with opened(claude, **place) as cache:
        after = cache.quality().overall
        assert after.labels == before.labels > 0
        assert (after.since_start, after.requests) == (before.since_start, before.requests)


def test_a_judge_that_fails_ends_neither_the_answer_nor_learning(claude: Claude) -> None:
    class Failing(LocalJudge):
        failures = 1

        def compare(self, pairing: Pairing) -> Sameness:
            if self.failures:
                self.failures -= 1
                raise ZeroDivisionError
            return super().compare(pairing)

    with opened(claude, judge=Failing(HashedEmbedder().embed)) as cache:
        ask(cache, RESET)
        ask(cache, FORGOT)  # here it fails
        ask(cache, ADDRESS)
        assert cache.quality().overall.labels > 0


@pytest.mark.parametrize("is_same", [True, False])
def test_claude_is_asked_only_what_the_local_judge_cannot_tell(is_same: bool) -> None:
    claude = Claude()
    criteria = ("same_task", "same_constraints", "as_complete", "right_context", "still_fresh")
    claude.judgement = dict.fromkeys(criteria, is_same)
    with opened(claude, judge=Unsure(HashedEmbedder().embed), judge_model=MODEL) as cache:
        ask(cache, RESET)
        ask(cache, FORGOT)
        judged = [question for question in claude.asked if question not in (RESET, FORGOT)]
        assert len(judged) == (2 if is_same else 1)  # both orders, unless the first says no
        assert all(RESET in question and FORGOT in question for question in judged)
        assert cache.stats().entries == (1 if is_same else 2)
        assert outcomes(cache)["judge"] == len(judged)


class Unsure(LocalJudge):
    """Cannot tell anything."""

    def compare(self, pairing: Pairing) -> Sameness:
        return Uncertain("alike-to-a-degree", 0.5)


def test_without_a_judge_that_can_tell_nothing_is_learned(claude: Claude) -> None:
    with opened(claude, judge=Unsure(HashedEmbedder().embed)) as cache:
        ask(cache, RESET)
        ask(cache, FORGOT)
        assert (cache.quality().overall.labels, cache.stats().entries) == (0, 2)


def test_a_judge_that_cannot_be_reached_leaves_the_case_open(claude: Claude) -> None:
    claude.judge_is_down = True
    with opened(claude, judge=Unsure(HashedEmbedder().embed), judge_model=MODEL) as cache:
        ask(cache, RESET)
        ask(cache, FORGOT)
        assert (cache.quality().overall.labels, cache.stats().entries) == (0, 2)
        assert isinstance(ask(cache, RESET), Hit)


def test_learning_costs_an_upstream_that_is_down_nothing(cache: SemanticCache, claude: Claude) -> None:
    ask(cache, RESET)
    claude.is_down = True
    with pytest.raises(Exception, match=r"529|busy|overloaded"):
        cache.ask(ADDRESS, model=MODEL)
    assert cache.settle(20)
    assert isinstance(ask(cache, RESET), Hit)
