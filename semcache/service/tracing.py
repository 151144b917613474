"""What a tracer does for the service, and the one that does nothing. Only `otel` knows OpenTelemetry."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Protocol

from semcache.errors import SettingsError
from semcache.request import Headers
from semcache.service.ending import Ending
from semcache.stopwatch import Stopwatch
from semcache.upstream.upstream import UpstreamRequest

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class CallTrace(Protocol):
    """One call upstream, under way."""

    def first_byte(self) -> None: ...

    def end(self, result: str, /) -> None:
        """It is over: with a status, or a word for what went wrong."""
        ...


class VisitTrace(Protocol):
    """One request, under way."""

    def end(self, ending: Ending, stopwatch: Stopwatch, /) -> None:
        """It is over. May be called more than once; the first time counts."""
        ...

    def give_up(self) -> None:
        """It ended in a way that nobody foresaw, if nothing else was said before."""
        ...


class Tracing(Protocol):
    """Traces requests, and the calls upstream that are made for them."""

    def visit(self, headers: Headers) -> VisitTrace:
        """A request begins; the caller's trace goes on where he sent one (W3C traceparent)."""
        ...

    def call(self, request: UpstreamRequest) -> tuple[UpstreamRequest, CallTrace]:
        """A call begins; the request as it is to be sent, with our traceparent."""
        ...

    def close(self) -> None:
        """Send what is not sent."""
        ...


class _Nothing:
    def first_byte(self) -> None:
        return

    def end(self, *_: object) -> None:
        return

    def give_up(self) -> None:
        return


class Untraced:
    """For services that are not traced: headers pass as they came."""

    _nothing = _Nothing()

    def visit(self, headers: Headers) -> VisitTrace:
        return self._nothing

    def call(self, request: UpstreamRequest) -> tuple[UpstreamRequest, CallTrace]:
        return request, self._nothing

    def close(self) -> None:
        return


def open_tracing(wanted: bool | None, environment: Mapping[str, str]) -> Tracing:
    """OpenTelemetry where it is wanted, or where nothing is said and its standard variables name an endpoint.

    Raises `SettingsError` where its packages are missing.
    """
    if not (_is_configured(environment) if wanted is None else wanted):
        return Untraced()
    if importlib.util.find_spec("opentelemetry.sdk") is None or not _has_exporter():
        raise SettingsError(
            "traces: OpenTelemetry is not installed; pip install 'semcache[otel]', or set SEMCACHE_TRACES=false"
        )
    from semcache.service.otel import OpenTelemetry, otlp_exporter

    return OpenTelemetry.exporting(otlp_exporter())


def _is_configured(environment: Mapping[str, str]) -> bool:
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    off = off or environment.get("OTEL_TRACES_EXPORTER", "otlp") not in ("otlp", "")
    return not off and any(environment.get(name) for name in _ENDPOINTS)


def _has_exporter() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:  # a parent is missing
        return False
