"""Everything that can go wrong, as one tree.

SemcacheError
├── SettingsError           a setting is unknown or has a wrong value
├── ManifestError           a data file under models/ is unreadable or inconsistent
├── InvalidRequest          the caller's request cannot be understood            400
├── NotAllowed              the credential or its permission is missing          401, 403
├── NotCached               `only-if-cached`, and nothing in the cache           504
├── BudgetExceeded          a spending limit refuses the miss                    429
├── StoreError
│   ├── StoreUnavailable    the store cannot be read or written now
│   ├── Overtaken           an answer came too late to be stored
│   ├── StoreTooNew         the store was written by a newer version
│   └── IndexMismatch       an index does not belong to the store beside it
├── EmbedderError
│   ├── MissingExtra        an optional package is not installed
│   └── MissingModel        the embedding model has not been built
└── UpstreamError
    ├── UpstreamStatus      Claude answered with an error; its bytes are kept
    ├── UpstreamTimeout     Claude did not answer in time                        504
    ├── UpstreamUnreachable no connection to Claude                              502
    └── UpstreamTorn        the answer ended before it was complete              502
"""

from __future__ import annotations

import json


class SemcacheError(Exception):
    """Root of everything that semcache raises on purpose."""


class SettingsError(SemcacheError):
    """A setting is unknown or has a wrong value; the message names it and the remedy."""


class ManifestError(SemcacheError):
    """A data file under `models/` is unreadable or inconsistent."""


class InvalidRequest(SemcacheError):
    """The caller's request cannot be understood; the message names the field and the remedy."""


class NotAllowed(SemcacheError):
    """The credential is missing or may not do this."""

    def __init__(self, message: str, *, authenticated: bool = False) -> None:
        super().__init__(message)
        self.authenticated = authenticated


class NotCached(SemcacheError):
    """The caller asked for a cached answer only, and there is none (RFC 9111 §5.2.1.7)."""


class BudgetExceeded(SemcacheError):
    """A spending limit refuses to send this request upstream; `retry_after_seconds` until it begins anew."""

    def __init__(self, message: str, *, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class StoreError(SemcacheError):
    """The store failed."""


class StoreUnavailable(StoreError):
    """The store cannot be read or written now."""


class Overtaken(StoreError):
    """What was to be stored has been invalidated meanwhile, or somebody else answers for it by now."""


class StoreTooNew(StoreError):
    """The store was written by a newer version of semcache."""


class IndexMismatch(StoreError):
    """An index does not belong to the store or the embedding model beside it."""


class EmbedderError(SemcacheError):
    """A text could not be embedded."""


class MissingExtra(EmbedderError):
    """An optional package is not installed; the message names the extra that brings it."""


class MissingModel(EmbedderError):
    """The embedding model has not been built; the message names the command that builds it."""


class UpstreamError(SemcacheError):
    """The call to Claude failed. `lookup` is what the cache had said before, for the headers; `hint` what may help."""

    lookup: object = None
    hint: str = ""


class UpstreamStatus(UpstreamError):
    """Claude answered with an error status; `headers` and `body` are kept as they came."""

    def __init__(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        super().__init__(f"upstream answered {status}{_told(body)}")
        self.status = status
        self.headers = headers
        self.body = body


class UpstreamTimeout(UpstreamError):
    """Claude did not answer in time."""


class UpstreamUnreachable(UpstreamError):
    """There is no connection to Claude."""


class UpstreamTorn(UpstreamError):
    """Claude's answer ended, or turned into an error, before it was complete."""


def _told(body: bytes) -> str:
    """What an error body in Claude's shape says, for whoever asked."""
    try:
        error = json.loads(body)["error"]
        return f": {error['type']}: {error['message']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
