"""Traces through the real service: one span for a request, its parts as children, the upstream call with our parent."""

from __future__ import annotations

import gzip
import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from worlds import MODEL, RESET, Place, Script, served, settings, spoken

from semcache.errors import SettingsError
from semcache.service.app import create_app
from semcache.service.otel import OpenTelemetry
from semcache.service.tracing import Untraced, open_tracing

CALLERS_TRACE, CALLERS_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = {"traceparent": f"00-{CALLERS_TRACE}-{CALLERS_SPAN}-01", "tracestate": "vendor=1"}
Traced = tuple[Place, Script, InMemorySpanExporter]


@pytest.fixture
def traced(tmp_path: Path) -> Iterator[Callable[..., Traced]]:
    with ExitStack() as stack:

        def make(script: Script, **changes: Any) -> Traced:
            exporter = InMemorySpanExporter()
            chosen = settings(tmp_path, upstream=stack.enter_context(served(script, lifespan="off")), **changes)
            app = create_app(chosen, tracing=OpenTelemetry(SimpleSpanProcessor(exporter)))
            return Place(chosen, stack.enter_context(served(app))), script, exporter

        yield make


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    spans = {span.name: span for span in exporter.get_finished_spans()}
    exporter.clear()
    return spans


def test_a_miss_is_one_trace_from_the_caller_to_the_upstream(traced: Callable[..., Traced]) -> None:
    place, script, exporter = traced(Script(spoken()))
    assert place.ask(RESET, headers=PARENT).status_code == 200
    spans = by_name(exporter)
    root, call = spans["POST /v1/messages"], spans[f"chat {MODEL}"]
    assert set(spans) == {root.name, call.name, "semcache lookup", "semcache upstream", "semcache store"}
    assert {span.context.trace_id for span in spans.values()} == {int(CALLERS_TRACE, 16)}
    assert root.parent is not None
    assert root.parent.span_id == int(CALLERS_SPAN, 16)
    assert {span.parent.span_id for span in spans.values() if span is not root} == {root.context.span_id}
    assert script.seen[0].header("traceparent") == [f"00-{CALLERS_TRACE}-{call.context.span_id:016x}-01"]
    assert script.seen[0].header("tracestate") == ["vendor=1"]


def test_spans_say_what_happened_and_what_it_cost(traced: Callable[..., Traced]) -> None:
    place, _, exporter = traced(Script(spoken()))
    answer = place.ask(RESET)
    root = by_name(exporter)["POST /v1/messages"]
    told = dict(root.attributes or {})
    assert {name: told[name] for name in told if not name.startswith("semcache.stage.")} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.system": "anthropic",
        "gen_ai.request.model": MODEL,
        "gen_ai.response.model": MODEL,
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "http.response.status_code": 200,
        "semcache.outcome": "miss",
        "semcache.reason": "no-candidate",
        "semcache.cost_usd": float(answer.headers["x-semcache-cost-usd"]),
        "semcache.saved_usd": float(answer.headers["x-semcache-saved-usd"]),
    }
    assert told["semcache.stage.upstream_ms"] > 0


def test_a_hit_has_a_lookup_and_no_call(traced: Callable[..., Traced]) -> None:
    place, script, exporter = traced(Script(spoken()))
    place.ask(RESET)
    exporter.clear()
    place.ask(RESET)
    spans = by_name(exporter)
    assert set(spans) == {"POST /v1/messages", "semcache lookup"}
    assert (spans["POST /v1/messages"].attributes or {})["semcache.outcome"] == "exact"
    root, lookup = spans["POST /v1/messages"], spans["semcache lookup"]
    assert root.start_time <= lookup.start_time <= lookup.end_time <= root.end_time
    assert len(script.seen) == 1


def test_a_stream_and_a_failure_are_traced_to_their_end(traced: Callable[..., Traced]) -> None:
    place, script, exporter = traced(Script(spoken()))
    assert place.ask(RESET, stream=True).status_code == 200
    assert (by_name(exporter)[f"chat {MODEL}"].attributes or {})["http.response.status_code"] == 200
    script.answer = spoken(status=529)
    assert place.ask("And now?").status_code == 529
    spans = by_name(exporter)
    for name in ("POST /v1/messages", f"chat {MODEL}"):
        assert spans[name].status.status_code is StatusCode.ERROR
        assert (spans[name].attributes or {})["error.type"] == "529"


def test_without_tracing_the_callers_headers_go_on_as_they_came(scripted: Callable[..., Place]) -> None:
    script = Script(spoken())
    scripted(script).ask(RESET, headers=PARENT)
    assert script.seen[0].header("traceparent") == [PARENT["traceparent"]]


def test_traces_are_off_unless_somebody_asks_for_them() -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    off = [(None, {}), (False, endpoint), (None, {**endpoint, "OTEL_SDK_DISABLED": "true"})]
    off.append((None, {**endpoint, "OTEL_TRACES_EXPORTER": "none"}))
    assert all(isinstance(open_tracing(wanted, given), Untraced) for wanted, given in off)


def test_without_its_packages_tracing_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("opentelemetry.exporter.otlp")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'semcache\[otel\]'"):
        open_tracing(True, {})


def test_nothing_of_opentelemetry_s_sdk_is_loaded_by_a_service_that_is_not_traced() -> None:
    script = "import sys, semcache.service.serving; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "opentelemetry.sdk" not in loaded


def test_spans_reach_a_collector_over_otlp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    received: list[bytes] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with (
        http.server.HTTPServer(("127.0.0.1", 0), Collector) as collector,
        served(Script(spoken()), lifespan="off") as up,
    ):
        thread = threading.Thread(target=collector.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        try:
            chosen = settings(tmp_path, upstream=up)
            tracing = open_tracing(None, {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
            with served(create_app(chosen, tracing=tracing)) as url:
                assert Place(chosen, url).ask(RESET).status_code == 200
        finally:
            collector.shutdown()
            thread.join()
    sent = [ExportTraceServiceRequest.FromString(body) for body in received]
    spans = [
        span for each in sent for group in each.resource_spans for scope in group.scope_spans for span in scope.spans
    ]
    assert {"POST /v1/messages", f"chat {MODEL}", "semcache store"} <= {span.name for span in spans}
