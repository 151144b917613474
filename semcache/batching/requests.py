"""The body of a batch creation: read and checked on the way in, written on the way out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from semcache.batching.array_reading import ArrayReader
from semcache.errors import InvalidRequest
from semcache.request import Json, encode_json

MAX_REQUESTS = 100_000
MAX_BODY_BYTES = 256_000_000
FRAME_BYTES = len(b'{"requests":[]}')

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_FIELDS = ("custom_id", "params")
_NOT_IN_BATCHES = ("speed", "thread", "context_hint", "cache_hint", "betas")


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """One request of a batch. Whether its params are any good shows later, as with Claude."""

    custom_id: str
    params: Json = field(repr=False)


class CreateReader:
    """Reads a creation in chunks of any size. Every complaint is an `InvalidRequest` that names its field."""

    def __init__(self, *, max_requests: int = MAX_REQUESTS) -> None:
        self._reader = ArrayReader("requests")
        self._max_requests = max_requests
        self._ids: set[str] = set()
        self._count = 0

    def feed(self, chunk: bytes) -> list[BatchRequest]:
        """The requests that are complete with this chunk."""
        return [self._checked(item) for item in self._reader.feed(chunk)]

    def finish(self) -> list[BatchRequest]:
        """The last ones, when the body has ended."""
        found = [self._checked(item) for item in self._reader.finish()]
        if self._count == 0:
            raise InvalidRequest("requests: List should have at least 1 item after validation, not 0")
        return found

    def _checked(self, item: Any) -> BatchRequest:
        where = f"requests.{self._count}"
        self._count += 1
        if self._count > self._max_requests:
            raise InvalidRequest(f"requests: List should have at most {self._max_requests} items after validation")
        if not isinstance(item, dict):
            raise InvalidRequest(f"{where}: Input should be a valid dictionary")
        for name in _FIELDS:
            if name not in item:
                raise InvalidRequest(f"{where}.{name}: Field required")
        for name in item:
            if name not in _FIELDS:
                raise InvalidRequest(f"{where}.{name[:100]}: Extra inputs are not permitted")
        self._check_id(f"{where}.custom_id", item["custom_id"])
        if not isinstance(item["params"], dict):
            raise InvalidRequest(f"{where}.params: Input should be a valid dictionary")
        return BatchRequest(item["custom_id"], item["params"])

    def _check_id(self, where: str, custom_id: Any) -> None:
        if problem := custom_id_problem(custom_id):
            raise InvalidRequest(f"{where}: {problem}")
        if custom_id in self._ids:
            raise InvalidRequest(f"{where}: `{custom_id}` occurs before; each custom_id may occur once in a batch")
        self._ids.add(custom_id)


def read_create(raw: bytes, *, max_requests: int = MAX_REQUESTS) -> list[BatchRequest]:
    """The requests of a body that is there as a whole."""
    reader = CreateReader(max_requests=max_requests)
    return [*reader.feed(raw), *reader.finish()]


def custom_id_problem(custom_id: Any) -> str | None:
    """Why Claude would not take it."""
    if not isinstance(custom_id, str):
        return "Input should be a valid string"
    return None if _CUSTOM_ID.fullmatch(custom_id) else "String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"


def params_problem(params: Json) -> str | None:
    """Why Claude would not do this in a batch, though in real time it might; such a request ends as errored."""
    if params.get("stream") is True:
        return "stream: streaming is not supported in batches"
    if params.get("max_tokens") == 0 and params["max_tokens"] is not False:
        return "max_tokens: Input should be greater than or equal to 1"
    named = next((name for name in _NOT_IN_BATCHES if params.get(name) is not None), None)
    return None if named is None else f"{named}: Extra inputs are not permitted"


def write_request(custom_id: str, params: Json) -> bytes:
    """One request as it stands in a body."""
    return encode_json({"custom_id": custom_id, "params": params})


def write_create(requests: Iterable[bytes]) -> bytes:
    """The body that creates a batch of these written requests."""
    return b'{"requests":[' + b",".join(requests) + b"]}"
