"""`semcache optimize`: examine, list, approve, revert."""

from __future__ import annotations

import json
from contextlib import contextmanager

import click
import pytest
from click.testing import CliRunner
from optimizing.workshops import FORGETFUL, GOOD, ORIGINAL, QUESTIONS

from semcache.cli import optimizing
from semcache.cli.output import CommandLine
from semcache.strategies.approved_prompts import read_approved
from semcache.strategies.system_prompts import DOCUMENT, SystemPrompt
from semcache.upstream.simulator import Reply


@pytest.fixture
def run(cache, tmp_path, monkeypatch):
    @contextmanager
    def opened(**where):
        yield cache

    monkeypatch.setattr(optimizing, "opened", opened)

    @click.group(cls=CommandLine)
    def shell() -> None: ...

    shell.add_command(optimizing.optimize)

    def running(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(shell, ["optimize", *words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert result.exit_code == code, result.output
        return result.stdout if code != 1 else result.output

    return running


@pytest.fixture
def prompt(tmp_path) -> str:
    path = tmp_path / "prompt.md"
    path.write_text(ORIGINAL, "utf-8")
    return str(path)


@pytest.fixture
def requests(tmp_path) -> str:
    path = tmp_path / "requests.jsonl"
    rows = [{"request": {"max_tokens": 500, "messages": [{"role": "user", "content": each}]}} for each in QUESTIONS]
    other = {"request": {"max_tokens": 5, "system": "Another.", "messages": [{"role": "user", "content": "Hello"}]}}
    path.write_text("\n".join(json.dumps(row) for row in [*rows, other]), "utf-8")
    return str(path)


def hashes(view):
    return {version["text"]: version["hash"] for version in view["prompts"][0]["versions"]}


def test_a_file_is_examined_and_the_table_says_what_was_found(run, prompt, requests) -> None:
    shown = run(prompt, "--requests", requests, "--requests-per-month", "50000")
    assert "6/6 [61%, 100%]" in shown
    assert "lost constraint: You must never say anything about the value of a painting" in shown
    assert "+- Never say anything about the value of a painting." in shown
    assert "Nothing speaks against" in shown
    assert "50,000 requests at the list price" in shown
    assert "This has cost $" in shown


def test_nothing_is_used_before_it_is_approved(run, prompt, requests, cache) -> None:
    view = json.loads(run(prompt, "--requests", requests, "--json"))
    store = cache.parts.assembly.store
    assert read_approved(store) == ()
    said = json.loads(run("approve", hashes(view)[GOOD][:10], "--control-share", "0.25", "--json"))
    assert said == {"approved": hashes(view)[GOOD], "is_on": False}
    (approved,) = read_approved(store)
    assert (approved.text, approved.control_share, approved.agreement["agreement"]["same"]) == (GOOD, 0.25, 6)


def test_what_something_speaks_against_needs_force(run, prompt, requests, cache) -> None:
    view = json.loads(run(prompt, "--requests", requests, "--json"))
    name = hashes(view)[FORGETFUL]
    assert "--force" in run("approve", name, code=1)
    run("approve", name, "--force")
    assert [each.text for each in read_approved(cache.parts.assembly.store)] == [FORGETFUL]


def test_the_best_is_approved_at_once_where_that_is_asked_for(run, prompt, requests, cache, claude) -> None:
    view = json.loads(run(prompt, "--requests", requests, "--approve", "--json"))
    assert view["prompts"][0]["approved"] == hashes(view)[GOOD]
    claude.versions = (FORGETFUL,)
    run(prompt, "--requests", requests, "--approve", code=1)
    assert [each.text for each in read_approved(cache.parts.assembly.store)] == [GOOD]


def test_the_list_shows_what_is_in_use_and_what_waits(run, prompt, requests, clock) -> None:
    assert "No version" in run("list")
    view = json.loads(run(prompt, "--requests", requests, "--json"))
    name = hashes(view)[GOOD]
    run("approve", name)
    states = {each["hash"]: each["state"] for each in json.loads(run("list", "--json"))["versions"]}
    assert states[name] == "in use"
    assert sorted(states.values()) == ["examined", "examined", "in use"]
    assert "in use" in run("list")
    assert json.loads(run("revert", name[:6], "--json")) == {"reverted": name}
    assert {each["state"] for each in json.loads(run("list", "--json"))["versions"]} == {"examined", "reverted"}
    assert "not one version in use" in run("revert", name, code=1)


def test_the_costliest_are_examined_as_they_were_seen(run, requests, cache) -> None:
    assert "no system prompt was seen yet" in run("--costliest", "1", code=1)
    row = SystemPrompt(ORIGINAL, 200, "claude-haiku-5-5", requests=1_000, cost_usd=2.0, last_at=86_400.0)
    cache.parts.assembly.store.save_document(DOCUMENT, json.dumps([row.__dict__]).encode())
    (view,) = json.loads(run("--costliest", "3", "--requests", requests, "--json"))["prompts"]
    assert view["volume"] == {"requests_per_month": 30_000, "source": "1000 requests in 1.0 days, at what they cost"}
    assert view["requests_tried"] == len(QUESTIONS)  # not the one that came with another prompt
    assert max(each["saved_usd_per_month"] for each in view["versions"]) > 10


@pytest.mark.parametrize("words", [(), ("--costliest", "0"), ("no-such-file.md",)])
def test_what_makes_no_sense_is_a_usage_error(run, words) -> None:
    run("examine", *words, code=2)


def test_files_without_anything_in_them_are_told(run, prompt, tmp_path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n")
    assert f"{empty}: there is nothing in it" in run(str(empty), code=1)
    assert f"{empty}: there are no requests in it" in run(prompt, "--requests", str(empty), code=1)


def test_requests_of_another_prompt_are_told_not_to_fit(run, prompt, tmp_path) -> None:
    other = {"system": "Another.", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
    (tmp_path / "other.jsonl").write_text(json.dumps(other))
    said = run(prompt, "--requests", str(tmp_path / "other.jsonl"), "--approve", code=1)
    assert "None of the 1 requests came with this system prompt" in said
    assert "not tried: no requests were given" in said


@pytest.fixture
def speech(claude, monkeypatch):
    """Lets the pretended Claude always say the same."""
    return lambda reply: monkeypatch.setattr(type(claude), "__call__", lambda self, body: reply)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        pytest.param(Reply("", stop_reason="refusal"), "refused to shorten it", id="refused"),
        pytest.param('{"versions": ["You are', "holds no version", id="torn"),
        pytest.param(json.dumps({"versions": [ORIGINAL]}), "is shorter by 3% at least", id="not shorter"),
    ],
)
def test_why_there_is_no_version_is_told(run, prompt, speech, reply, said) -> None:
    speech(reply)
    assert said in run(prompt)
    assert json.loads(run(prompt, "--json"))["prompts"][0]["versions"] == []


def test_without_a_key_it_is_said_before_anybody_is_asked(tmp_path, prompt, monkeypatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.setenv("SEMCACHE_EMBEDDER", "hashed")
    given = ["examine", prompt, "--data-dir", str(tmp_path), "--store", "memory:", "--upstream", "claude"]
    result = CliRunner().invoke(optimizing.optimize, given)
    assert (result.exit_code, "set ANTHROPIC_API_KEY" in result.output) == (2, True)


def test_a_target_that_does_not_exist_is_told_too(run, prompt) -> None:
    result = CliRunner().invoke(optimizing.optimize, [prompt, "--target", "claude-sonet-5-5"])
    assert (result.exit_code, "--target" in result.output) == (2, True)


def test_a_model_that_does_not_exist_is_told_with_the_one_that_was_meant(run, prompt) -> None:
    result = CliRunner().invoke(optimizing.optimize, [prompt, "--model", "claude-sonet-5-5"])
    assert (result.exit_code, "claude-sonnet-5-5" in result.output) == (2, True)
