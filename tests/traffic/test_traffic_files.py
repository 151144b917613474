"""Traffic files: every form a line may have, what is refused, and what a recording never holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes import message
from hypothesis import given
from hypothesis import strategies as st

from semcache.errors import InvalidRequest, SettingsError
from semcache.request import Caller, Directives, Request
from semcache.traffic.recorded import Recorded, read_traffic
from semcache.traffic.recording import Recorder
from semcache.traffic.redaction import redactor

DEFAULTS = {"model": "claude-x", "max_tokens": 9}
ASKED = [{"role": "user", "content": "Why is moss green?"}]
REDACT = redactor(b"a secret")


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines), "utf-8")
    return path


@pytest.mark.parametrize(
    "line",
    [
        pytest.param({"request": {"messages": ASKED}}, id="a recording"),
        pytest.param({"custom_id": "a", "params": {"messages": ASKED}}, id="a line of a batch"),
        pytest.param({"messages": ASKED}, id="a Messages body"),
        pytest.param({"prompt": "Why is moss green?"}, id="a prompt"),
        pytest.param('"Why is moss green?"', id="a JSON string"),
    ],
)
def test_a_line_may_have_many_forms(tmp_path: Path, line: Any) -> None:
    (recorded,) = read_traffic(write(tmp_path / "a.jsonl", line, ""), DEFAULTS)
    assert recorded.params == {**DEFAULTS, "messages": ASKED}


def test_a_text_file_has_a_prompt_in_each_line(tmp_path: Path) -> None:
    found = read_traffic(write(tmp_path / "a.txt", "Why is moss green?", "  ", '{"not": "JSON"}'), DEFAULTS)
    assert [each.params["messages"][0]["content"] for each in found] == ["Why is moss green?", '{"not": "JSON"}']


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param("{", "not valid JSON", id="broken"),
        pytest.param("7", "expected", id="a number"),
        pytest.param({"request": "text"}, "expected", id="a request that is none"),
        pytest.param({"prompt": "a", "tags": "one"}, "tags", id="tags"),
        pytest.param({"prompt": "a", "response": "said"}, "response", id="response"),
        pytest.param({"prompt": "a", "at": "yesterday"}, "at", id="time"),
        pytest.param({"prompt": "a", "at": True}, "at", id="a truth for a time"),
    ],
)
def test_a_line_that_is_none_is_named_and_said_what_is_wrong(tmp_path: Path, line: Any, problem: str) -> None:
    path = write(tmp_path / "a.jsonl", {"prompt": "fine"}, line)
    with pytest.raises(InvalidRequest, match=rf"line 2: .*{problem}"):
        list(read_traffic(path, DEFAULTS))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    recorded = Recorded(
        {**DEFAULTS, "messages": ASKED}, 12.5, message(), "shop", "analysis", ("a",), can_wait=True, truth="moss"
    )
    (tmp_path / "a.jsonl").write_bytes(recorded.content())
    assert list(read_traffic(tmp_path / "a.jsonl", {})) == [recorded]


def test_times_may_be_written_as_people_do(tmp_path: Path) -> None:
    (recorded,) = read_traffic(write(tmp_path / "a.jsonl", {"prompt": "a", "at": "2026-11-23T12:00:00+00:00"}), {})
    assert recorded.at == 1_795_435_200.0


# redaction


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("ann.smith+shop@mail.example.org", id="mail"),
        pytest.param("sk-ant-api03-abcdefghijklmnop", id="a key of Claude's"),
        pytest.param("4111 1111 1111 1111", id="a card"),
        pytest.param("+44 20 7946 0958", id="a phone"),
        pytest.param("DE89 3704 0044 0532 0130 00", id="an account"),
        pytest.param("192.168.10.24", id="an address of a machine"),
    ],
)
def test_what_names_people_or_opens_doors_becomes_a_mark(text: str) -> None:
    said = REDACT({"content": [f"Write to {text}, please"]})["content"][0]
    assert text not in said
    assert said == REDACT(f"Write to {text}, please")
    assert said.startswith("Write to [")
    assert said.endswith("], please")


@pytest.mark.parametrize("text", ["in 2026", "3.14159", "1,250,000 dollars", "version 10.4.2", "7 of 12", "a@b"])
def test_what_names_nobody_stays(text: str) -> None:
    assert REDACT(text) == text


@given(st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_redacting_twice_changes_nothing_more(value: Any) -> None:
    once = REDACT(value)
    assert REDACT(once) == once


# recording


def test_what_is_recorded_can_be_replayed_and_holds_no_credential(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "traffic.jsonl"
    recorder = Recorder(path, REDACT)
    asked = Request(
        {"model": "claude-x", "messages": [{"role": "user", "content": "I am ann@example.org"}]},
        caller=Caller("shop", label="web"),
        directives=Directives(task="analysis", tags=("a",)),
        headers=(("x-api-key", "sk-ant-api03-abcdefghijklmnop"),),
    )
    recorder.note(asked, message("Hello ann@example.org"), at=5.0)
    recorder.close()
    recorder.close()
    content = path.read_text("utf-8")
    (found,) = read_traffic(path, {})
    assert "ann@" not in content
    assert "sk-ant" not in content
    assert found.response is not None
    assert found.response.text.removeprefix("Hello ") in found.params["messages"][0]["content"]
    assert (found.at, found.namespace, found.task, found.tags) == (5.0, "shop", "analysis", ("a",))
    assert path.stat().st_mode & 0o077 == 0


def test_a_recording_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="record"):
        Recorder(tmp_path / "file" / "traffic.jsonl", REDACT)
