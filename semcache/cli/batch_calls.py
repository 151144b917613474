"""What the command line asks a running service about batches: plain requests, so that big files stay on disk."""

from __future__ import annotations

import http.client
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import click

from semcache.batching.message_batch import Counts
from semcache.batching.requests import BatchRequest, write_request
from semcache.cli.http import NOBODY_THERE, told
from semcache.request import DEFAULT_VERSION, Json

_PATH = "/v1/messages/batches"
_TIMEOUT_SECONDS = 300
_LOOK_SECONDS = 0.5
_SOME_KEY = "semcache-cli"  # a service that passes credentials on to Claude will be told to use another
_LONGEST_ERROR_BYTES = 10_000


class BatchCalls:
    """The batch endpoints at `url`, with ANTHROPIC_API_KEY where it is set."""

    def __init__(self, url: str) -> None:
        self._url = url
        key = os.environ.get("ANTHROPIC_API_KEY") or _SOME_KEY
        self._headers = {"x-api-key": key, "anthropic-version": DEFAULT_VERSION, "content-type": "application/json"}

    def create(self, requests: Iterable[BatchRequest]) -> Json:
        """The new batch. The body is written to disk first: its length must be known, and memory may be short."""
        with tempfile.TemporaryFile() as body:
            body.write(b'{"requests":[')
            for number, each in enumerate(requests):
                body.write((b"," if number else b"") + write_request(each.custom_id, each.params))
            body.write(b"]}")
            length = body.tell()
            body.seek(0)
            return self._json("POST", _PATH, body, {"content-length": str(length)})

    def retrieve(self, batch_id: str) -> Json:
        return self._json("GET", f"{_PATH}/{batch_id}")

    def listed(self, limit: int) -> list[Json]:
        found: list[Json] = self._json("GET", f"{_PATH}?limit={limit}")["data"]
        return found

    def cancel(self, batch_id: str) -> Json:
        return self._json("POST", f"{_PATH}/{batch_id}/cancel", b"")

    def waited(self, batch_id: str, show: Callable[[Counts], None]) -> Json:
        """The batch, once it has ended; `show` is told how far it is."""
        while True:
            view = self.retrieve(batch_id)
            show(_so_far(view))
            if view["processing_status"] == "ended":
                return view
            time.sleep(_LOOK_SECONDS)

    def results(self, batch_id: str, *, skipped: int = 0) -> Iterator[bytes]:
        """Result lines behind so many, as they arrive."""
        with self._opened("GET", f"{_PATH}/{batch_id}/results?after={skipped}") as response:
            for line in response:
                if not line.endswith(b"\n"):
                    raise click.ClickException("the results broke off; ask again")
                yield line

    def download(self, batch_id: str, output: Path, *, on_line: Callable[[int], None] = lambda count: None) -> int:
        """All results into a file, going on where an earlier attempt broke off; how many there are."""
        part = output.with_name(f"{output.name}.{batch_id}.part")
        count = _whole_lines(part)
        on_line(count)
        with part.open("ab") as file:
            for line in self.results(batch_id, skipped=count):
                file.write(line)
                count += 1
                on_line(1)
        part.replace(output)
        return count

    def _json(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Json:
        with self._opened(method, path, body, headers) as response:
            try:
                view: Json = json.loads(response.read())
            except ValueError:
                raise click.ClickException(f"{self._url}{path} answered nothing that can be read") from None
        return view

    @contextmanager
    def _opened(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Iterator[IO[bytes]]:
        request = Request(self._url + path, data=body, headers={**self._headers, **(headers or {})}, method=method)
        try:
            with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
                yield response
        except HTTPError as error:
            with error:
                problem = _problem(error.read(_LONGEST_ERROR_BYTES))
            raise click.ClickException(f"{self._url} answered {error.code}: {problem}") from None
        except (OSError, http.client.HTTPException):
            raise click.ClickException(NOBODY_THERE.format(url=self._url)) from None


def _whole_lines(part: Path) -> int:
    """How many results an earlier attempt has left; a line it left unfinished is cut off."""
    if not part.exists():
        return 0
    count = whole_bytes = 0
    with part.open("rb+") as file:
        for line in file:
            if line.endswith(b"\n"):
                count, whole_bytes = count + 1, whole_bytes + len(line)
        file.truncate(whole_bytes)
    return count


def _so_far(view: Json) -> Counts:
    settled = view.get("semcache", {}).get("settled", {})
    total = sum(view["request_counts"].values())
    return Counts(processing=total - sum(settled.values()), **settled)


def _problem(raw: bytes) -> str:
    try:
        return told(json.loads(raw))
    except ValueError:
        return told(None)
