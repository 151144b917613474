"""`semcache optimize --batch`: the trials at half price, and what an interrupt leaves of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal

import pytest
from optimizing.workshops import FORGETFUL, GOOD, ORIGINAL, QUESTIONS, Claude, bodies
from service.worlds import MODELS, served, until

from semcache import SemanticCache, Settings
from semcache.cli.optimizing_calls import Calls
from semcache.decision.sameness.outcomes import Uncertain
from semcache.decision.sameness.rubric import CRITERIA
from semcache.errors import StoreUnavailable, UpstreamError
from semcache.learning.comparing import Comparing
from semcache.optimizing.asking import Asking
from semcache.optimizing.examining import Prompt, Workshop
from semcache.upstream.simulator import BatchConduct, Conduct, Simulator, simulator_app

ASKED = 3 * len(QUESTIONS)  # with the original, again, and with the one version that is worth it
SONNET, HAIKU = "claude-sonnet-5-5", "claude-haiku-5-5"


class Unsure:
    """A judge who can tell of no two answers whether they are the same."""

    def compare(self, pairing):
        return Uncertain("unsure", 0.5)


class JudgingClaude(Claude):
    """Also judges: everything is the same."""

    def __call__(self, body):
        shape = body.get("output_config", {}).get("format", {}).get("schema", {}).get("properties", {})
        if "same_task" not in shape:
            return super().__call__(body)
        self.asked.append("judge")
        return json.dumps(dict.fromkeys(CRITERIA, True))


@pytest.fixture
def claude() -> JudgingClaude:
    return JudgingClaude()


@pytest.fixture
def conduct():
    return BatchConduct(seconds=0.0)


@pytest.fixture
def cache(tmp_path, clock, book, claude, conduct):
    settings = Settings(store="local:", embedder="hashed", data_dir=tmp_path, audits=False)
    upstream = Simulator(book, answers=claude, clock=clock, conduct=Conduct(batches=conduct))
    with SemanticCache(settings, upstream=upstream, clock=clock) as opened:
        yield opened


@pytest.fixture
def calls(cache) -> Calls:
    return Calls(cache, waits=True, is_quiet=True)


def patient(workshop: Workshop, cache, calls: Calls, **changes) -> Workshop:
    asking = Asking(calls.send, cache.parts.assembly.ledger, cache.parts.request(""), calls.later)
    return replace(workshop, asking=asking, **changes)


def test_the_trials_go_as_one_batch_and_find_what_real_time_finds(workshop, cache, calls) -> None:
    prompt, upstream = Prompt(ORIGINAL, bodies()), cache.parts.upstream
    in_real_time = workshop.examined(prompt)
    before = upstream.bill_usd
    assert patient(workshop, cache, calls).examined(prompt).versions == in_real_time.versions
    [batch] = upstream.batches
    assert len(batch.requests) == ASKED
    proposals_usd = calls.spent_usd - batch.cost_usd
    assert upstream.bill_usd - before == calls.spent_usd
    assert batch.cost_usd * 2 == before - proposals_usd > 0  # half of what the same trials cost before
    rows = {group.key[0]: group for group in cache.savings().outcomes}
    assert rows["optimise"].requests == 2 * (1 + ASKED)
    assert rows["optimise"].cost_usd == upstream.bill_usd


def test_several_prompts_share_a_batch(workshop, cache, calls) -> None:
    other = f"{ORIGINAL}\nPlease also remember that a visitor may be tired."
    found = patient(workshop, cache, calls).examined_all([Prompt(ORIGINAL, bodies()), Prompt(other, bodies()[:5])])
    assert [examination.prompt.text for examination in found] == [ORIGINAL, other]
    assert len(cache.parts.upstream.batches) == 1


def test_what_claude_is_to_judge_waits_too_and_the_original_is_judged_once(workshop, cache, calls, claude) -> None:
    comparing = Comparing(Unsure(), cache.parts.assembly.ledger, claude_model=HAIKU)
    claude.versions = (GOOD, GOOD.replace("In the visitor's", "The visitor's"), GOOD.replace("kindly", "kindly!"))
    found = patient(workshop, cache, calls, comparing=comparing).examined(Prompt(ORIGINAL, bodies()))
    tried = [version.tried for version in found.versions if version.tried]
    assert {each.control.same for each in tried} == {each.version.same for each in tried} == {len(QUESTIONS)}
    # Pretended Claude says the same to all, so all comparisons of a question are one; each is asked in both orders.
    trials, *judgements = [len(batch.requests) for batch in cache.parts.upstream.batches]
    assert (trials, judgements) == ((2 + len(tried)) * len(QUESTIONS), [len(QUESTIONS)] * 2)
    assert claude.asked.count("judge") == 2 * len(QUESTIONS)
    rows = {group.key[0]: group for group in cache.savings().outcomes}
    assert rows["judge"].requests == 2 * len(QUESTIONS)
    assert sum(row.cost_usd for row in rows.values()) == cache.parts.upstream.bill_usd == calls.spent_usd


def test_what_was_answered_is_found_again_until_the_examination_is_over(workshop, cache, calls, claude) -> None:
    prompt, upstream = Prompt(ORIGINAL, bodies()), cache.parts.upstream
    first = patient(workshop, cache, calls).examined(prompt)
    paid = upstream.bill_usd
    claude.versions = (FORGETFUL,)
    again = Calls(cache, waits=True, is_quiet=True)
    assert patient(workshop, cache, again).examined(prompt) == first
    assert (upstream.bill_usd, again.spent_usd, len(upstream.batches)) == (paid, calls.spent_usd, 1)
    again.end(is_done=True)
    assert len(patient(workshop, cache, again).examined(prompt).versions) == 1  # asked anew
    assert upstream.bill_usd > paid


def test_what_another_examination_was_told_is_kept_for_it(workshop, cache, calls, claude) -> None:
    other = Calls(cache, waits=True, is_quiet=True)
    patient(workshop, cache, other).examined(Prompt(f"{ORIGINAL}\nPlease also remember that a visitor may be tired."))
    patient(workshop, cache, calls).examined(Prompt(ORIGINAL))
    calls.end(is_done=True)
    patient(workshop, cache, Calls(cache, waits=True, is_quiet=True)).examined(
        Prompt(f"{ORIGINAL}\nPlease also remember that a visitor may be tired.")
    )
    assert claude.asked == ["propose"] * 2


class TestWhereAllFail:
    @pytest.fixture
    def conduct(self):
        return BatchConduct(seconds=0.0, fails=lambda params: 500)

    def test_it_is_told_and_the_same_command_asks_anew(self, workshop, cache, calls) -> None:
        asking = patient(workshop, cache, calls)
        for tries in (1, 2):
            with pytest.raises(UpstreamError):
                asking.examined(Prompt(ORIGINAL, bodies()))
            calls.end(is_done=False)
            assert len(cache.parts.upstream.batches) == tries
        assert len([call for call in cache.parts.upstream.calls if call.path == "/v1/messages"]) == 1  # one proposal


def test_a_store_without_batches_is_told_before_anything_is_paid_for(cache, monkeypatch) -> None:
    monkeypatch.delattr(type(cache.parts.assembly.store), "batches", raising=False)
    monkeypatch.setattr(cache.parts.assembly.store, "batches", None, raising=False)
    with pytest.raises(StoreUnavailable, match="keeps no batches"):
        Calls(cache, waits=True, is_quiet=True)


@pytest.fixture
def command(tmp_path):
    """The command line in a process of its own."""
    (tmp_path / "prompt.md").write_text(ORIGINAL, "utf-8")
    asked = [{"model": HAIKU, "max_tokens": 500, "messages": body["messages"]} for body in bodies()]
    (tmp_path / "requests.jsonl").write_text("\n".join(map(json.dumps, asked)), "utf-8")
    variables = {
        "SEMCACHE_EMBEDDER": "hashed", "SEMCACHE_MODELS_DIR": str(MODELS), "ANTHROPIC_API_KEY": "key-of-anna",
        "SEMCACHE_DATA_DIR": str(tmp_path / "index"),
    }  # fmt: skip

    def start(url: str) -> subprocess.Popen[str]:
        words = ["optimize", "prompt.md", "--requests", "requests.jsonl", "--batch", "--json"]
        return subprocess.Popen(
            [sys.executable, "-m", "semcache", *words],
            cwd=tmp_path,
            env={**os.environ, **variables, "SEMCACHE_UPSTREAM": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_the_same_command_goes_on_after_an_interrupt_and_nothing_is_paid_for_twice(
    how, command, clock, book, claude
) -> None:
    upstream = Simulator(book, answers=claude, clock=clock, conduct=Conduct(batches=BatchConduct(seconds=60.0)))
    with served(simulator_app(upstream)) as url:
        with command(url) as first:
            until(lambda: upstream.batches or first.poll() is not None)
            first.send_signal(how)
            out, _ = first.communicate(timeout=60)
        assert (first.returncode != 0, out) == (True, "")
        clock.now += 3600  # the batch goes on upstream
        with command(url) as second:
            out, err = second.communicate(timeout=60)
        assert second.returncode == 0, err
        view = json.loads(out)
        assert [len(batch.requests) for batch in upstream.batches] == [ASKED]
        assert claude.asked.count("propose") == 1
        assert [version["text"] for version in view["prompts"][0]["versions"] if not version["objections"]] == [GOOD]
        assert Decimal(str(view["spent_usd"])) == upstream.bill_usd
