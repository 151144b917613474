"""The dashboard: one page and what it is made of, from the package, under a strict content security policy."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

PREFIX = "/semcache/dashboard"
# Nothing from anywhere else, no script or style but the files below, and no text that becomes markup.
_POLICY = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "connect-src 'self'",
        "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        "require-trusted-types-for 'script'", "trusted-types 'none'",
    )
)  # fmt: skip
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
_SCRIPT, _STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
_SCRIPTS = (
    "api", "costs", "decisions", "dialogs", "dom", "entries", "entry", "format", "lookup", "main", "overview", "proof",
    "purge", "theme", "waterfall",
)  # fmt: skip
_ASSETS = {
    "page.css": ("page.css", _STYLE),
    "uplot.css": ("vendor/uplot.css", _STYLE),
    "uplot.js": ("vendor/uplot.js", _SCRIPT),
    "icon.svg": ("icon.svg", "image/svg+xml"),
    **{f"{name}.js": (f"{name}.js", _SCRIPT) for name in _SCRIPTS},
}


class _File(NamedTuple):
    content: bytes
    media_type: str
    etag: str


def wants_page(request: Request) -> bool:
    """Whether it is a browser that asks."""
    return "text/html" in request.headers.get("accept", "")


def front_page(request: Request) -> Response:
    return _served(request, _read("index.html", "text/html; charset=utf-8"))


async def asset(request: Request) -> Response:
    """One of the files of the page; any other name is not there."""
    known = _ASSETS.get(request.path_params["name"])
    if known is None:
        return Response("there is no such file\n", 404, media_type="text/plain", headers=_HEADERS)
    return _served(request, _read(*known))


def _served(request: Request, file: _File) -> Response:
    headers = {**_HEADERS, "etag": file.etag, "vary": "accept"}
    if file.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


@cache
def _read(path: str, media_type: str) -> _File:
    content = files("semcache.service").joinpath("dashboard", *path.split("/")).read_bytes()
    return _File(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:20]}"')
