"""The few plain requests that the command line sends to a service's own endpoints."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import click

NOBODY_THERE = "nothing answers at {url}; start the service with `make run` or `semcache serve`, or name it with --url"
_TIMEOUT_SECONDS = 60
_LONGEST_ERROR_BYTES = 10_000


def send(
    url: str, path: str, body: bytes | None = None, *, content_type: str = "application/octet-stream"
) -> Mapping[str, str]:
    """GET, or POST where there is a body; the headers of the answer. Shows SEMCACHE_ADMIN_KEY where it is set."""
    return _sent(url, path, body, content_type=content_type)[0]


def fetch(url: str, path: str) -> Any:
    """GET; the JSON of the answer."""
    try:
        return json.loads(_sent(url, path, None, content_type="application/json")[1])
    except ValueError:
        raise click.ClickException(f"{url}{path.partition('?')[0]} answered nothing that can be read") from None


def _sent(url: str, path: str, body: bytes | None, *, content_type: str) -> tuple[Mapping[str, str], bytes]:
    key = os.environ.get("SEMCACHE_ADMIN_KEY")
    headers = {"content-type": content_type, **({"x-semcache-admin-key": key} if key else {})}
    request = Request(url + path, data=body, headers=headers)
    try:
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            return {name.lower(): value for name, value in response.headers.items()}, response.read()
    except HTTPError as error:
        with error:
            problem = _told(error.read(_LONGEST_ERROR_BYTES))
        raise click.ClickException(f"{url}{path.partition('?')[0]} answered {error.code}: {problem}") from None
    except (OSError, HTTPException, ValueError):
        raise click.ClickException(NOBODY_THERE.format(url=url)) from None


def told(body: object) -> str:
    """What an error body in Claude's shape says."""
    match body:
        case {"error": {"type": str(kind), "message": str(message)}}:
            return f"{kind}: {message}"
        case _:
            return "nothing that can be read"


def _told(raw: bytes) -> str:
    try:
        return told(json.loads(raw))
    except ValueError:
        return told(None)
