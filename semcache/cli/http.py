"""The few plain requests that the command line sends to a service's own endpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import click

_TIMEOUT_SECONDS = 60


def send(url: str, body: bytes | None = None) -> Mapping[str, str]:
    """GET, or POST where there is a body; the headers of the answer. Shows SEMCACHE_ADMIN_KEY where it is set."""
    if not url.startswith(("http://", "https://")):
        raise click.ClickException(f"{url}: expected a URL that begins with http:// or https://")
    key = os.environ.get("SEMCACHE_ADMIN_KEY")
    request = Request(url, data=body, headers={"x-semcache-admin-key": key} if key else {})
    try:
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            return {name.lower(): value for name, value in response.headers.items()}
    except HTTPError as error:
        raise click.ClickException(
            f"{url} answered {error.code}: {error.read(500).decode('utf-8', 'replace')}"
        ) from None
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise click.ClickException(f"nothing answers at {url} ({reason}); start the service with: make run") from None
