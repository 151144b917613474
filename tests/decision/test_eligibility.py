"""May it be looked up, may it be stored, does it fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from fakes import message, request

from semcache.canonical import identify
from semcache.decision.context import Leans, StandsAlone, Tied
from semcache.decision.eligibility import (
    ExactOnly,
    NoLookup,
    Permission,
    SemanticLookup,
    fits,
    lookup_permission,
    storage_refusal,
)
from semcache.entry import Entry, Kind, Scope
from semcache.request import Directives, Mode, Request

TOOL = {"name": "find", "input_schema": {"type": "object"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}


def permission(asked: Request) -> Permission:
    return lookup_permission(asked, identify(asked))


def asking(*turns: tuple[str, Any], **fields: Any) -> Request:
    return request(messages=[{"role": role, "content": content} for role, content in turns], **fields)


def image(**source: Any) -> list[Any]:
    return [{"type": "image", "source": source}, {"type": "text", "text": "What plant is on this picture?"}]


def test_a_plain_question_is_looked_up() -> None:
    question = "How do I reset my password?"
    plain = permission(request(question))
    assert isinstance(plain, SemanticLookup)
    assert (plain.question, plain.faq) == (question, True)
    assert isinstance(plain.standing, StandsAlone)
    assert permission(request([{"type": "text", "text": question}])) == plain


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        pytest.param(request(directives=Directives(mode=Mode.OFF)), "mode-off", id="off"),
        pytest.param(request(directives=Directives(no_cache=True)), "no-cache", id="no-cache"),
        pytest.param(request(max_tokens=0), "prewarm", id="prewarm"),
        pytest.param(request(max_tokens=None), "unreadable", id="no max_tokens"),
        pytest.param(request(messages="hello"), "unreadable", id="no turns"),
        pytest.param(request(5), "unreadable", id="content is a number"),
        pytest.param(request(tools="find"), "unreadable", id="tools are a string"),
        pytest.param(request(thread={"type": "create"}), "thread", id="thread"),
        pytest.param(request(container="c_1"), "container", id="container"),
        pytest.param(request(mcp_servers=[{"url": "https://x"}]), "mcp", id="mcp"),
        pytest.param(request(tools=[{"type": "mcp_toolset", "mcp_server_name": "x"}]), "mcp", id="mcp tools"),
        pytest.param(request(context_management={"edits": []}), "context-management", id="context management"),
        pytest.param(request(compaction={"type": "summarize"}), "compaction", id="compaction"),
        pytest.param(request(fallbacks="default"), "fallbacks", id="fallbacks"),
        pytest.param(request(tools=[{"type": "web_search_20260318", "name": "w"}]), "server-tools", id="web search"),
        pytest.param(request(tools=[{"type": "memory_20250818", "name": "m"}]), "server-tools", id="memory"),
        pytest.param(
            request([{"type": "container_upload", "file_id": "f"}, {"type": "text", "text": "Sum it up"}]),
            "container",
            id="upload",
        ),
        pytest.param(
            asking(("user", "a"), ("assistant", [{"type": "web_search_tool_result"}]), ("user", "and b?")),
            "server-tools",
            id="search result in the history",
        ),
        pytest.param(request(temperature=0.9), "variety", id="high temperature"),
        pytest.param(request(temperature=1), "variety", id="default temperature, named"),
        pytest.param(
            request(thread={"type": "create"}, directives=Directives(no_cache=True)), "thread", id="state over no-cache"
        ),
    ],
)
def test_nothing_is_looked_up(asked: Request, reason: str) -> None:
    assert permission(asked) == NoLookup(reason)


@pytest.mark.parametrize(
    ("asked", "reason", "faq"),
    [
        pytest.param(
            asking(("user", "go"), ("assistant", [CALL]), ("user", [RESULT])), "agent-turn", False, id="agent"
        ),
        pytest.param(
            asking(
                ("user", "go"), ("assistant", [CALL]), ("user", [RESULT]), ("assistant", "ok"), ("user", "How old?")
            ),
            "agent-turn",
            False,
            id="tools in the history",
        ),
        pytest.param(asking(("user", "Name a fruit"), ("assistant", "It is")), "prefill", False, id="prefill"),
        pytest.param(request(tools=[TOOL]), "tools", True, id="tools offered"),
        pytest.param(
            request(tools=[TOOL], tool_choice={"type": "tool", "name": "find"}), "tools", False, id="tool forced"
        ),
        pytest.param(request(image(type="url", url="https://x/y.png")), "image-reference", False, id="image by URL"),
        pytest.param(request(image(type="file", file_id="file_1")), "image-reference", False, id="image by file id"),
        pytest.param(request("What is the latest version?"), "time-bound", True, id="latest"),
        pytest.param(request("What is the status of my order?"), "time-bound", True, id="status"),
        pytest.param(request("How much does the red one cost?"), "time-bound", True, id="price"),
        pytest.param(request("What's my balance?"), "personal", True, id="balance"),
        pytest.param(request("My name is Ann, what suits me?"), "personal", True, id="introduction"),
        pytest.param(request(new_field=1), "unfamiliar", False, id="unknown field"),
        pytest.param(
            request([{"type": "hologram"}, {"type": "text", "text": "What is it?"}]),
            "unfamiliar",
            False,
            id="unknown block",
        ),
    ],
)
def test_only_the_very_same_request_is_answered(asked: Request, reason: str, faq: bool) -> None:
    assert permission(asked) == ExactOnly(reason, faq=faq)


@pytest.mark.parametrize(
    ("asked", "faq"),
    [
        pytest.param(request(temperature=0), True, id="low temperature"),
        pytest.param(request(tools=[TOOL], tool_choice={"type": "none"}), True, id="tools that may not be used"),
        pytest.param(request(mcp_servers=[], thread=None), True, id="state that is not used"),
        pytest.param(request(image(type="base64", data="x")), False, id="image inside"),
        pytest.param(request(stop_sequences=["END"]), False, id="stop sequences"),
        pytest.param(request(output_config={"format": {"type": "json_schema"}}), False, id="structured output"),
        pytest.param(request(output_config={"effort": "low"}), True, id="effort"),
        pytest.param(request("What do I do now?"), True, id="idiom with now"),
        pytest.param(asking(("user", "Hi"), ("assistant", "Hello"), ("user", "Yes, cancel it")), False, id="leans"),
        pytest.param(
            asking(("user", "Hi"), ("assistant", "Hello"), ("user", "How do I reset my router password?")),
            True,
            id="stands",
        ),
    ],
)
def test_similar_questions_may_answer(asked: Request, faq: bool) -> None:
    allowed = permission(asked)
    assert isinstance(allowed, SemanticLookup)
    assert allowed.faq is faq


def test_a_lookup_says_how_its_question_stands_in_the_conversation() -> None:
    opened = (("user", "What is sunburn?"), ("assistant", "A burn."))
    leaning = permission(asking(*opened, ("user", "Is it painful?")))
    assert isinstance(leaning, SemanticLookup)
    assert isinstance(leaning.standing, Leans)
    assert not leaning.faq
    told = permission(asking(("user", "Answer in French."), ("assistant", "Oui."), ("user", "What is a lichen?")))
    assert isinstance(told, SemanticLookup)
    assert isinstance(told.standing, Tied)
    assert not told.faq


def test_a_complete_text_message_is_stored() -> None:
    cited = [{"type": "text", "text": "Yes.", "citations": [{"type": "char_location"}]}]
    thought = [{"type": "thinking", "thinking": "", "signature": "x"}, *cited]
    assert storage_refusal(request(), message(), max_bytes=10_000) is None
    assert storage_refusal(request(), message(content=thought), max_bytes=10_000) is None
    assert storage_refusal(request(), message(stop_reason="stop_sequence"), max_bytes=10_000) is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"stop_reason": "max_tokens"}, "max-tokens", id="truncated"),
        pytest.param({"stop_reason": "refusal"}, "refusal", id="refusal"),
        pytest.param({"stop_reason": "pause_turn"}, "pause-turn", id="paused"),
        pytest.param({"stop_reason": "tool_use"}, "tool-use", id="tool use"),
        pytest.param({"stop_reason": "a\r\nheader"}, "unfamiliar-stop", id="unknown stop reason"),
        pytest.param({"stop_reason": None}, "incomplete", id="unfinished"),
        pytest.param({"type": "error"}, "not-a-message", id="error"),
        pytest.param({"usage": None}, "no-usage", id="no usage"),
        pytest.param({"usage": {"input_tokens": None, "output_tokens": 3}}, "no-usage", id="null usage"),
        pytest.param({"content": []}, "empty", id="no blocks"),
        pytest.param({"content": [{"type": "text", "text": " "}]}, "empty", id="blank"),
        pytest.param({"content": [{"type": "text", "text": "a"}, CALL]}, "tool-use", id="tool block"),
        pytest.param({"content": [{"type": "hologram"}]}, "unfamiliar-block", id="unknown block"),
        pytest.param({"content": ["text"]}, "unfamiliar-block", id="block that is no object"),
        pytest.param({"content": [{"type": "text", "text": "x" * 5000}]}, "too-large", id="size"),
        pytest.param({"container": {"id": "c"}}, "stateful", id="container"),
        pytest.param({"content": [{"type": "text", "text": "Use sk-ant-api03-abcdefghijklmn"}]}, "secret", id="key"),
    ],
)
def test_other_messages_are_not_stored(fields: dict[str, Any], reason: str) -> None:
    assert storage_refusal(request(), message(**fields), max_bytes=4000) == reason


@pytest.mark.parametrize(
    "question",
    [
        "Is AKIAABCDEFGHIJKLMNOP a key?",
        "-----BEGIN RSA PRIVATE KEY----- what is this?",
        "curl -H 'Authorization: Bearer abcdefghijklmnopqrstuvwxyz'",
        "password: hunter2hunter2",
    ],
)
def test_an_answer_to_a_question_with_a_secret_is_not_stored(question: str) -> None:
    assert storage_refusal(request(question), message(), max_bytes=10_000) == "secret"


def test_the_callers_word_and_the_requests_state_forbid_storing() -> None:
    assert storage_refusal(request(directives=Directives(no_store=True)), message(), max_bytes=10_000) == "no-store"
    assert storage_refusal(request(container="c"), message(), max_bytes=10_000) == "container"


def entry(**fields: Any) -> Entry:
    known = Entry(
        id="ent_1", scope=Scope("default", "0"), key="k", kind=Kind.LEARNED, question="q", message=message(),
        requested_model="m", served_model="m", cost_usd=0.0, created_at=1000.0, expires_at=2000.0,
    )  # fmt: skip
    return replace(known, **fields)


@pytest.mark.parametrize(
    ("stored", "asked", "now", "reason"),
    [
        pytest.param(entry(), request(), 1500.0, None, id="fits"),
        pytest.param(entry(), request(), 2000.0, "expired", id="expired"),
        pytest.param(entry(), request(max_tokens=4), 1500.0, "max-tokens", id="longer than asked for"),
        pytest.param(entry(), request(max_tokens=5), 1500.0, None, id="as long as asked for"),
        pytest.param(entry(), request(directives=Directives(max_age_seconds=499)), 1500.0, "max-age", id="too old"),
        pytest.param(entry(), request(directives=Directives(max_age_seconds=0)), 1001.0, "max-age", id="zero"),
        pytest.param(entry(kind=Kind.FAQ, expires_at=None, message=message("word " * 80, usage={})),
                     request(max_tokens=50), 9e9, "max-tokens", id="long FAQ answer"),
    ],
)  # fmt: skip
def test_an_entry_fits_or_says_why_not(stored: Entry, asked: Request, now: float, reason: str | None) -> None:
    assert fits(stored, asked, now=now) == reason
