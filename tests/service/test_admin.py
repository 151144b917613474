"""What the operator can do: look, import, correct, forget."""

from __future__ import annotations

import json
from typing import Any

import pytest
from worlds import ANSWERS, RESET, World, outcome_of

API = "/semcache/v1"
TABLE = "question,answer,tags\nWhat is a widget?,A small part.,basics\nWhat is a gadget?,A larger part.,\n"


@pytest.fixture
def world(lasting_world: World) -> World:
    return lasting_world.start_over()


def call(world: World, method: str, path: str, **options: Any) -> Any:
    answer = world.http(method, API + path, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("content", "how"),
    [
        pytest.param(TABLE, {"path": "/import", "headers": {"content-type": "text/csv"}}, id="csv"),
        pytest.param(
            '{"question": "What is a widget?", "answer": "A small part."}\n'
            '{"question": "What is a gadget?", "answer": "A larger part."}\n',
            {"path": "/import?format=jsonl"},
            id="jsonl",
        ),
        pytest.param(
            "# What is a widget?\nA small part.\n\n# What is a gadget?\nA larger part.\n",
            {"path": "/import", "headers": {"content-type": "text/markdown; charset=utf-8"}},
            id="markdown",
        ),
    ],
)
def test_an_imported_faq_answers_any_model(world: World, content: str, how: dict[str, Any]) -> None:
    report = call(world, "POST", how["path"], content=content, headers=how.get("headers"))
    assert report == {"added": 2, "updated": 0, "unchanged": 0, "errors": []}
    for model in ("claude-opus-5-5", "claude-haiku-5-5"):
        answer = world.ask("what is a GADGET", model=model, system="You are a pirate.")
        assert outcome_of(answer) == "hit; detail=faq"
        assert (answer.json()["model"], answer.json()["content"][0]["text"]) == (model, "A larger part.")
    assert world.calls == 0


def test_the_same_file_again_changes_nothing(world: World) -> None:
    call(world, "POST", "/import?format=csv", content=TABLE)
    assert call(world, "POST", "/import?format=csv", content=TABLE)["unchanged"] == 2
    changed = call(world, "POST", "/import?format=csv", content=TABLE.replace("larger", "noble"))
    assert (changed["updated"], changed["unchanged"]) == (1, 1)


def test_a_row_in_error_is_named_by_its_line_and_loses_no_other(world: World) -> None:
    report = call(world, "POST", "/import?format=csv", content=TABLE.encode() + b"Broken \xff?,Yes.\n,No question.\n")
    assert report["added"] == 2
    assert [error["line"] for error in report["errors"]] == [4, 5]


def test_an_import_can_be_narrowed_to_a_model(world: World) -> None:
    call(world, "POST", "/import?format=csv&model=claude-opus-5-5&tags=v1,v2", content=TABLE)
    assert outcome_of(world.ask("What is a widget?", model="claude-opus-5-5")).endswith("faq")
    assert outcome_of(world.ask("What is a widget?")).startswith("fwd=miss")
    assert call(world, "GET", "/entries?tag=v2&limit=1")["entries"][0]["tags"] == ["v1", "v2"]


def test_entries_are_listed_page_by_page_and_by_condition(world: World) -> None:
    call(world, "POST", "/import?format=csv", content=TABLE)
    world.ask(RESET)
    first = call(world, "GET", "/entries?limit=2")
    second = call(world, "GET", "/entries", params={"limit": 2, "cursor": first["next_cursor"]})
    assert [len(first["entries"]), len(second["entries"]), second["next_cursor"]] == [2, 1, None]
    assert [entry["question"] for entry in call(world, "GET", "/entries?kind=learned")["entries"]] == [RESET]
    assert len(call(world, "GET", "/entries?text=gadget")["entries"]) == 1
    assert call(world, "GET", "/entries?namespace=other")["entries"] == []


def test_an_entry_is_shown_with_its_message_and_questions(world: World) -> None:
    entry_id = world.ask(RESET).headers["x-semcache-entry"]
    shown = call(world, "GET", f"/entries/{entry_id}")
    assert shown["answer"] == ANSWERS[RESET] == shown["message"]["content"][-1]["text"]
    assert [(each["text"], each["label"]) for each in shown["exemplars"]] == [(RESET, "positive")]


def test_a_faq_entry_can_be_written_by_hand_and_replaced(world: World) -> None:
    body = {"question": "Who made this?", "answer": "We did.", "tags": ["about"], "variants": ["Who built this?"]}
    made = call(world, "PUT", "/entries", json=body)
    again = call(world, "PUT", "/entries", json={**body, "answer": "All of us."})
    assert (made["outcome"], again["outcome"], again["id"] == made["id"]) == ("added", "updated", True)
    assert world.ask("who made this").json()["content"][0]["text"] == "All of us."
    assert {each["text"] for each in again["exemplars"]} == {"Who made this?", "Who built this?"}


def test_an_answer_can_be_corrected_and_stays_known_for_its_questions(world: World) -> None:
    entry_id = world.ask(RESET).headers["x-semcache-entry"]
    call(world, "PUT", f"/entries/{entry_id}", json={"answer": "Call us.", "tags": ["checked"]})
    answer = world.ask(RESET)
    assert (outcome_of(answer), answer.json()["content"]) == (
        "hit; detail=exact",
        [{"type": "text", "text": "Call us."}],
    )
    shown = call(world, "GET", f"/entries/{entry_id}")
    assert (shown["tags"], len(shown["exemplars"])) == (["checked"], 1)


def test_a_deleted_entry_is_gone(world: World) -> None:
    entry_id = world.ask(RESET).headers["x-semcache-entry"]
    assert call(world, "DELETE", f"/entries/{entry_id}") == {"deleted": entry_id}
    assert outcome_of(world.ask(RESET)).startswith("fwd=miss")
    for method, options in (("GET", {}), ("DELETE", {}), ("PUT", {"json": {"answer": "x"}})):
        answer = world.http(method, f"{API}/entries/{entry_id}", **options)
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")


def test_a_purge_can_be_rehearsed(world: World) -> None:
    call(world, "POST", "/import?format=csv", content=TABLE)
    world.ask(RESET)
    rehearsal = call(world, "POST", "/purge", json={"kind": "faq", "dry_run": True})
    assert rehearsal == {"removed": 2, "dry_run": True}
    assert call(world, "POST", "/purge", json={"tag": "basics"})["removed"] == 1
    assert call(world, "POST", "/purge", json={"older_than_seconds": 3600})["removed"] == 0
    assert call(world, "POST", "/purge", json={"near": RESET, "similarity": 0.99})["removed"] == 1
    assert call(world, "POST", "/purge", json={"namespace": "default"})["removed"] == 1


def test_stats_and_savings_add_up(world: World) -> None:
    before = call(world, "GET", "/savings")["requests"]
    for _ in range(3):
        world.ask(RESET)
    savings = call(world, "GET", "/savings")
    assert savings["requests"] - before == 3
    assert float(savings["saved_usd"]) > 0
    stats = call(world, "GET", "/stats")
    assert (stats["entries"], stats["fault"], stats["upstream"]) == (1, None, "claude")


@pytest.mark.parametrize(
    ("method", "path", "options", "words"),
    [
        pytest.param("POST", "/purge", {"json": {}}, "at least one condition", id="purge without a condition"),
        pytest.param("POST", "/purge", {"json": {"dry_run": True}}, "at least one condition", id="only a rehearsal"),
        pytest.param("POST", "/purge", {"json": {"namespce": "a"}}, "namespce", id="misspelt condition"),
        pytest.param("POST", "/purge", {"json": {"kind": "all"}}, "kind", id="unknown kind"),
        pytest.param("POST", "/purge", {"content": b"{", "headers": {"content-type": "application/json"}}, "not valid",
                     id="broken JSON"),
        pytest.param("POST", "/purge", {"content": b'{"tag": "a"}'}, "content-type", id="no content type"),
        pytest.param("GET", "/entries?limit=0", {}, "limit", id="limit"),
        pytest.param("GET", "/savings?since=yesterday", {}, "since", id="since"),
        pytest.param("POST", "/import?format=xlsx", {"content": b"x"}, "format", id="format"),
        pytest.param("PUT", "/entries", {"json": {"question": " ", "answer": "x"}}, "question", id="empty question"),
        pytest.param("PUT", "/entries/ent_1", {"json": {}}, "answer or tags", id="empty edit"),
        pytest.param("POST", "/feedback", {"json": {"entry": "e"}}, "right", id="feedback without a word"),
        pytest.param("POST", "/lookup", {"content": b"["}, "not valid JSON", id="lookup of broken JSON"),
    ],
)  # fmt: skip
def test_bad_input_is_told_which_field_is_wrong(
    world: World, method: str, path: str, options: dict[str, Any], words: str
) -> None:
    answer = world.http(method, API + path, **options)
    body = answer.json()
    assert (answer.status_code, body["error"]["type"]) == (400, "invalid_request_error")
    assert words in body["error"]["message"]
    assert answer.headers["x-semcache-upstream"] == "claude"


def test_the_endpoints_describe_themselves(world: World) -> None:
    paths = json.loads(world.http("GET", f"{API}/openapi.json").text)["paths"]
    assert {f"{API}/lookup", f"{API}/entries", f"{API}/import", f"{API}/purge", f"{API}/feedback"} <= set(paths)


def test_the_front_page_says_what_this_is(world: World) -> None:
    front = world.http("GET", "/").json()
    assert (front["name"], front["links"]["messages"]) == ("semcache", "/v1/messages")
    assert world.http("GET", "/healthz").json() == {"status": "ok"}
    assert world.http("GET", "/readyz").json() == {"status": "ok"}
