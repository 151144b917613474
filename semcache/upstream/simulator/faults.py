"""Faults on demand: errors, broken streams and slowness, injected by the test or asked for by a header."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase

from semcache.errors import InvalidRequest
from semcache.request import Json

FAULT_HEADER = "x-simulator-fault"
# Status of each error that can be asked for, and the type it goes by.
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_HANG_SECONDS = 3600.0


class FaultKind(Enum):
    """What goes wrong."""

    STATUS = "status"  # an error status instead of an answer
    MID_STREAM_ERROR = "mid_stream_error"  # an error event after the stream has begun
    TRUNCATED = "truncated"  # the body ends early, as if it were complete
    TORN = "torn"  # the connection breaks in the middle of the body
    SLOW = "slow"  # a pause before each chunk
    DELAYED = "delayed"  # a pause before the head
    HANG = "hang"  # no head for an hour


@dataclass(frozen=True)
class Fault:
    """One fault. Where there are no events, in JSON and JSON lines, a mid-stream error is a 529 instead."""

    kind: FaultKind
    status: int = 500
    retry_after_seconds: float | None = None
    seconds: float = 0.05  # the pause of SLOW and DELAYED
    after_events: int = 6  # how many events come before the stream breaks

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `429;retry-after=2`, `slow;seconds=0.1`, `truncated;after=3`; raises `InvalidRequest`."""
        name, *options = (part.strip() for part in text.split(";"))
        try:
            given = {key.strip(): float(value) for key, _, value in (option.partition("=") for option in options)}
            if name.isdigit():
                return cls.of_status(int(name), retry_after_seconds=given.get("retry-after"))
            return cls(
                FaultKind(name),
                seconds=given.get("seconds", cls.seconds),
                after_events=int(given.get("after", cls.after_events)),
            )
        except ValueError:
            known = ", ".join([*(str(status) for status in ERROR_TYPES), *(kind.value for kind in FaultKind)])
            raise InvalidRequest(f"{FAULT_HEADER}: use one of {known}, with ;retry-after= ;seconds= ;after=") from None

    @classmethod
    def of_status(cls, status: int, *, retry_after_seconds: float | None = None) -> Fault:
        """An error status; a 429 says when to come back unless told otherwise."""
        if status not in ERROR_TYPES:
            raise ValueError(f"status: use one of {', '.join(map(str, ERROR_TYPES))}")
        if status == 429 and retry_after_seconds is None:
            retry_after_seconds = 1.0
        return cls(FaultKind.STATUS, status, retry_after_seconds)

    @property
    def head_delay_seconds(self) -> float:
        match self.kind:
            case FaultKind.HANG:
                return _HANG_SECONDS
            case FaultKind.DELAYED:
                return self.seconds
            case _:
                return 0.0


@dataclass
class _Planned:
    fault: Fault
    times: int | None
    when: Callable[[Json], bool]
    route: str


class FaultPlan:
    """Injected faults, oldest first. Not thread-safe: its owner holds the lock."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []

    def add(self, fault: Fault, *, times: int | None, when: Callable[[Json], bool] | None, route: str) -> None:
        self._planned.append(_Planned(fault, times, when or _always, route))

    def clear(self) -> None:
        self._planned.clear()

    def claim(self, body: Json, route: str) -> Fault | None:
        """The first fault that concerns this body, sent to this method and path; it is used up by one."""
        for planned in self._planned:
            if planned.times != 0 and fnmatchcase(route, planned.route) and planned.when(body):
                if planned.times is not None:
                    planned.times -= 1
                return planned.fault
        return None


def _always(body: Json) -> bool:
    return True
