"""Which models are to be left alone for a while, because they said so or did not answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock

from semcache.errors import UpstreamError, UpstreamStatus, UpstreamTimeout
from semcache.request import Headers, Request

FAILING_STATUSES = frozenset({429, 500, 502, 503, 504, 529})
_REST_SECONDS = 5.0  # where Claude does not say how long
_LONGEST_REST_SECONDS = 600.0
_MOST_KEPT = 4_096


def is_failing_over(error: UpstreamError) -> bool:
    """Whether another model may do better: this one is overloaded, limited, or silent."""
    if isinstance(error, UpstreamStatus):
        return error.status in FAILING_STATUSES
    return isinstance(error, UpstreamTimeout)


class Health:
    """Limits hold for a credential and a model; what is broken is broken for all. Thread-safe."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}
        self._lock = Lock()

    def note(self, request: Request, model: str, error: UpstreamError, *, now: float) -> None:
        """A model has failed: until when it is left alone."""
        seconds = rest_seconds(error, now=now)
        with self._lock:
            if len(self._until) >= _MOST_KEPT:
                self._until = {key: until for key, until in self._until.items() if until > now}
            self._until[self._key(request, model)] = now + seconds

    def is_resting(self, request: Request, model: str, *, now: float) -> bool:
        return self._until.get(self._key(request, model), 0.0) > now

    @staticmethod
    def _key(request: Request, model: str) -> tuple[str, str]:
        return request.caller.credential, model


def rest_seconds(error: UpstreamError, *, now: float) -> float:
    """What `retry-after-ms` or `retry-after` (seconds or a date, RFC 9110 §10.2.3) asks for."""
    told = _told(error.headers, now) if isinstance(error, UpstreamStatus) else None
    return min(max(_REST_SECONDS if told is None else told, 0.0), _LONGEST_REST_SECONDS)


def _told(headers: Headers, now: float) -> float | None:
    named: Mapping[str, str] = dict(headers)
    try:
        if "retry-after-ms" in named:
            return float(named["retry-after-ms"]) / 1000
        if "retry-after" not in named:
            return None
        text = named["retry-after"]
        if text.strip().replace(".", "", 1).isdigit():
            return float(text)
        at = parsedate_to_datetime(text)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - datetime.fromtimestamp(now, UTC).timestamp()
    except (ValueError, TypeError):
        return None
