"""Traces for OpenTelemetry: the only module that knows its packages, which come with `semcache[otel]`.

One span for each request, with the lookup, the forward pass, the wait for the upstream and the storing as children, and
one for each call upstream. They carry numbers and names, never a text of a request or an answer, nor a credential.
"""

from __future__ import annotations

import os
from dataclasses import replace
from time import perf_counter, time_ns

from opentelemetry import context as contexts
from opentelemetry import trace as traces
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from semcache import __version__
from semcache.request import Headers
from semcache.service.ending import Ending
from semcache.stopwatch import Stage, Stopwatch
from semcache.upstream.upstream import UpstreamRequest

_CONTEXT_HEADERS = ("traceparent", "tracestate")
_W3C = TraceContextTextMapPropagator()
_CHILDREN = {  # stages that belong together are one span
    **dict.fromkeys((Stage.IDENTIFY, Stage.EXACT, Stage.NEAREST, Stage.DECIDE, Stage.SERVE), "semcache lookup"),
    Stage.EMBED: "semcache embed",
    Stage.UPSTREAM: "semcache upstream",
    Stage.STORE: "semcache store",
}
_BAD = frozenset({"upstream-error", "abandoned"})
_LONGEST_NAME = 80


def otlp_exporter() -> SpanExporter:
    """OTLP over HTTP, to where the standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT`, …) say."""
    return OTLPSpanExporter()


class OpenTelemetry:
    """Keeps to `tracing.Tracing`, with a provider of its own. Sampling is by the standard variables."""

    def __init__(self, processor: SpanProcessor) -> None:
        name = os.environ.get("OTEL_SERVICE_NAME", "semcache")
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": name, "service.version": __version__}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("semcache", __version__)

    @classmethod
    def exporting(cls, exporter: SpanExporter) -> OpenTelemetry:
        """Spans go out in batches, from a thread of their own; what cannot be delivered is dropped."""
        return cls(BatchSpanProcessor(exporter))

    def visit(self, headers: Headers) -> _Visit:
        given = {name: value for name, value in headers if name in _CONTEXT_HEADERS}
        parent = _W3C.extract(given, context=Context())
        span = self._tracer.start_span("POST /v1/messages", context=parent, kind=SpanKind.SERVER)
        contexts.attach(traces.set_span_in_context(span, parent))  # of this request's task, and ends with it
        return _Visit(self._tracer, span)

    def call(self, request: UpstreamRequest) -> tuple[UpstreamRequest, _Call]:
        model = request.model[:_LONGEST_NAME]
        span = self._tracer.start_span(f"chat {model}".strip(), kind=SpanKind.CLIENT)
        span.set_attributes({**_system(), "gen_ai.request.model": model})
        given: dict[str, str] = {}
        _W3C.inject(given, context=traces.set_span_in_context(span))
        kept = tuple(each for each in request.headers if each[0] not in _CONTEXT_HEADERS)
        return replace(request, headers=(*kept, *given.items())), _Call(span)

    def close(self) -> None:
        self._provider.shutdown()


class _Call:
    def __init__(self, span: Span) -> None:
        self._span = span

    def first_byte(self) -> None:
        self._span.add_event("first byte")

    def end(self, result: str) -> None:
        if result.isdigit():
            self._span.set_attribute("http.response.status_code", int(result))
        if result != "200":
            self._span.set_attribute("error.type", result)
            self._span.set_status(Status(StatusCode.ERROR, result))
        self._span.end()


class _Visit:
    def __init__(self, tracer: traces.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._began = perf_counter(), time_ns()

    def end(self, ending: Ending, stopwatch: Stopwatch) -> None:
        if not self._span.is_recording():
            return
        self._span.set_attributes(_attributes(ending))
        for name, began, ended in _children(stopwatch):
            context = traces.set_span_in_context(self._span)
            child = self._tracer.start_span(name, context=context, start_time=self._at(began))
            child.end(self._at(ended))
        if ending.outcome in _BAD:
            self._span.set_attribute("error.type", ending.reason)
            self._span.set_status(Status(StatusCode.ERROR, ending.reason))
        self._span.end()

    def give_up(self) -> None:
        if self._span.is_recording():
            self._span.set_status(Status(StatusCode.ERROR, "unforeseen"))
            self._span.end()

    def _at(self, seconds: float) -> int:
        """A reading of the stopwatch as the time of day, in nanoseconds."""
        reading, at = self._began
        return at + int((seconds - reading) * 1e9)


def _children(stopwatch: Stopwatch) -> list[tuple[str, float, float]]:
    """Laps that follow each other and belong to one span, joined."""
    spans: list[tuple[str, float, float]] = []
    previous = ""
    for stage, began, ended in stopwatch.laps():
        name = _CHILDREN.get(stage, "")
        if name and name == previous:
            spans[-1] = (name, spans[-1][1], ended)
        elif name:
            spans.append((name, began, ended))
        previous = name
    return spans


def _system() -> dict[str, AttributeValue]:
    return {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.system": "anthropic"}


def _attributes(ending: Ending) -> dict[str, AttributeValue]:
    known: dict[str, AttributeValue | None] = {
        **_system(),
        "http.response.status_code": ending.status,
        "gen_ai.request.model": ending.requested_model,
        "gen_ai.response.model": ending.model,
        "semcache.outcome": ending.outcome,
        "semcache.reason": ending.reason,
        "semcache.request_id": ending.request_id,
        "semcache.cost_usd": None if ending.cost_usd is None else float(ending.cost_usd),
        "semcache.saved_usd": None if ending.saved_usd is None else float(ending.saved_usd),
    }
    if ending.usage is not None:
        known["gen_ai.usage.input_tokens"] = ending.usage.prompt_tokens
        known["gen_ai.usage.output_tokens"] = ending.usage.output_tokens
    known |= {f"semcache.stage.{stage}_ms": round(seconds * 1000, 3) for stage, seconds in ending.stages.items()}
    return {name: value for name, value in known.items() if value not in ("", None)}
