"""Nothing that a caller or an upstream says is in the log, the metrics, the traces, or an error of ours."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from worlds import Place, Said, Script, Seen, served, settings, spoken

from semcache.service.app import create_app
from semcache.service.logs import DiscreetFormatter, JsonFormatter
from semcache.service.otel import OpenTelemetry

# One word for each place in which something may be said, and none of them a word of ours.
MARK = "zqx"
PLACES = (
    "prompt", "system", "tool", "schema", "metadata", "apikey", "bearer", "namespace", "tag", "answer", "fault", "beta",
    "history", "document", "stop", "header", "query", "task", "broken",
)  # fmt: skip
MARKS = {place: f"{MARK}{place}{MARK}" for place in PLACES}


@dataclass
class Watched:
    """A service all of whose words are collected."""

    place: Place
    script: Script
    log: io.StringIO
    exporter: InMemorySpanExporter

    def said(self) -> str:
        spans = "\n".join(span.to_json() for span in self.exporter.get_finished_spans())
        return self.place.http("GET", "/metrics").text + self.log.getvalue() + spans


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with ExitStack() as stack:
        log, exporter, script = io.StringIO(), InMemorySpanExporter(), Script(spoken())
        for as_json in (False, True):
            stack.enter_context(logged(log, as_json=as_json))
        chosen = settings(tmp_path, upstream=stack.enter_context(served(script, lifespan="off")), audits=True)
        app = create_app(chosen, tracing=OpenTelemetry(SimpleSpanProcessor(exporter)))
        yield Watched(Place(chosen, stack.enter_context(served(app))), script, log, exporter)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Watched]:
    """Where the operator wants texts in the log."""
    with ExitStack() as stack:
        log, script = io.StringIO(), Script(spoken(MARKS["answer"]))
        stack.enter_context(logged(log, as_json=True))
        chosen = settings(tmp_path, upstream=stack.enter_context(served(script, lifespan="off")), log_texts=True)
        place = Place(chosen, stack.enter_context(served(create_app(chosen))))
        yield Watched(place, script, log, InMemorySpanExporter())


class logged:
    """The service's own log at DEBUG, through the formatter that it has in earnest."""

    def __init__(self, stream: io.StringIO, *, as_json: bool) -> None:
        self._handler = logging.StreamHandler(stream)
        form = "%(levelname)s %(name)s %(message)s"
        self._handler.setFormatter(JsonFormatter() if as_json else DiscreetFormatter(form))
        self._logger = logging.getLogger("semcache")

    def __enter__(self) -> None:
        self._level = self._logger.level
        self._logger.setLevel(logging.DEBUG)
        self._logger.addHandler(self._handler)

    def __exit__(self, *_: object) -> None:
        self._logger.setLevel(self._level)
        self._logger.removeHandler(self._handler)


def body(**changes: Any) -> dict[str, Any]:
    """A request with something to hide in every part of it."""
    tool = {
        "name": MARKS["tool"],
        "description": MARKS["tool"],
        "input_schema": {"type": "object", "title": MARKS["schema"]},
    }
    plain = {
        "model": "claude-haiku-5-5",
        "max_tokens": 100,
        "system": [{"type": "text", "text": MARKS["system"]}],
        "metadata": {"user_id": MARKS["metadata"]},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": MARKS["document"]}]},
            {"role": "assistant", "content": MARKS["history"]},
            {"role": "user", "content": f"How do I reset {MARKS['prompt']}?"},
        ],
    }
    return {**plain, **({"tools": [tool]} if changes.pop("with_tools", False) else {}), **changes}


HEADERS = (
    {},
    {"x-semcache-namespace": MARKS["namespace"], "x-semcache-tags": MARKS["tag"]},
    {"authorization": f"Bearer {MARKS['bearer']}", "x-trace-of-mine": MARKS["header"]},
    {"anthropic-beta": MARKS["beta"], "x-semcache-mode": "shadow"},
    {"cache-control": "no-cache", "x-semcache-task": MARKS["task"]},
    {"cache-control": "only-if-cached"},
    {"x-semcache-mode": MARKS["header"]},
    {"cache-control": f"max-age={MARKS['header']}"},
    {"x-semcache-strategies": MARKS["header"]},
    {"content-encoding": MARKS["header"]},
)
BODIES = (
    body(),
    body(stream=True),
    body(with_tools=True),
    body(messages=[{"role": "user", "content": f"What is {MARKS['prompt']}?"}]),
    body(messages=[{"role": "user", "content": f"What is {MARKS['prompt']}, please?"}]),
    body(messages=MARKS["prompt"]),
    body(stop_sequences=[MARKS["stop"]], unheard_of=MARKS["broken"]),
    body(model="auto"),
)


def failing(seen: Seen) -> Said:
    return Said(
        [json.dumps({"type": "error", "error": {"type": "api_error", "message": MARKS["fault"]}}).encode()], 500
    )


def torn(seen: Seen) -> Said:
    stream = (("content-type", "text/event-stream"),)
    return Said([b"event: x\ndata: " + MARKS["fault"].encode(), b"\n\n"], headers=stream, is_torn=True)


def garbled(seen: Seen) -> Said:
    return Said([MARKS["fault"].encode()])


def ours(response: Any) -> str:
    """What the response says in our own words: a body of ours where it is an error of ours, never Claude's."""
    is_ours = response.status_code >= 400 and "semcache" not in response.headers.get("cache-status", "")
    return response.text if is_ours else ""


@pytest.mark.slow
def test_no_word_of_a_caller_or_an_upstream_is_said_again(watched: Watched) -> None:
    place, script = watched.place, watched.script
    keyed = {"x-api-key": MARKS["apikey"]}
    said = []
    fine, broken = spoken(MARKS["answer"]), (failing, torn, garbled)
    asked = [(fine, *each) for each in product(HEADERS, BODIES)]
    asked += [(each, HEADERS[number % 4], sent) for each in broken for number, sent in enumerate(BODIES)]
    with httpx2.Client(base_url=place.url, timeout=20, trust_env=False) as client:
        for script.answer, headers, sent in asked:
            said.append(ours(client.post("/v1/messages", json=sent, headers={**keyed, **headers})))
    for raw in (b"", MARKS["broken"].encode(), b'{"model": "' + MARKS["broken"].encode() + b'"', b"\xff" * 20):
        said.append(place.http("POST", "/v1/messages", content=raw, headers=keyed).text)
    for path in ("lookup", "feedback", "purge", "import", "entries"):
        said.append(ours(place.http("POST", f"/semcache/v1/{path}", json={"question": MARKS["prompt"]}, headers=keyed)))
    place.http("GET", f"/v1/unheard-of?x={MARKS['query']}", headers=keyed)
    everything = "\n".join([*said, watched.said()])
    assert everything.count("outcome=") > len(asked)
    assert not [place for place, mark in MARKS.items() if mark in everything]
    assert MARK not in everything


def test_texts_are_in_the_log_where_they_are_asked_for_and_keys_even_then_not(told: Watched) -> None:
    key = "sk-ant-api03-" + "A1b2C3d4" * 8
    told.place.ask(f"How do I reset {MARKS['prompt']} with {key}?", headers={"x-api-key": MARKS["apikey"]})
    lines = [json.loads(line) for line in told.log.getvalue().splitlines()]
    line = next(each for each in lines if each["message"] == "request")
    assert MARKS["prompt"] in line["question"]
    assert line["answer"] == MARKS["answer"]
    assert "[secret " in line["question"]
    assert key not in told.log.getvalue()
    assert MARKS["apikey"] not in told.log.getvalue()
