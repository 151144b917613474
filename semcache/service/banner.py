"""What the service says about itself when it starts."""

from __future__ import annotations

import textwrap
from urllib.parse import urlsplit

from semcache import __version__
from semcache.errors import StoreError
from semcache.service.parts import Parts
from semcache.settings import Settings

_SIMULATED = (
    "SIMULATOR: no answer comes from Claude.",
    "Misses go to a built-in simulation of the Messages API.",
    "For the real one: SEMCACHE_UPSTREAM=claude, or ANTHROPIC_API_KEY=…",
)
_OWN_KEY, _CALLERS_KEY = "ANTHROPIC_API_KEY where a caller brings none", "the key that each caller brings"
_OFF = ("THE CACHE IS OFF: every request goes to the upstream.",)


def banner(parts: Parts) -> str:
    """Address, upstream, store, embedder; in a frame, what must not be overlooked."""
    settings = parts.settings
    lines = [
        f"semcache {__version__}  {address_of(settings)}",
        f"  upstream  {_upstream(parts)}",
        f"  store     {_store(parts)}",
        f"  embedder  {settings.embedder}",
        f"  access    {_access(settings)}",
    ]
    if parts.upstream.name == "simulator":
        lines += _framed(_SIMULATED)
    if parts.fault:
        lines += _framed((*_OFF, *textwrap.wrap(parts.fault, width=76)))
    return "\n".join(["", *lines, ""]) + "\n"


def address_of(settings: Settings) -> str:
    """The base URL to give to a client."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _upstream(parts: Parts) -> str:
    match parts.settings.upstream:
        case "simulator":
            return "simulator"
        case "claude":
            has_key = parts.settings.anthropic_api_key is not None
            return "claude, with " + (_OWN_KEY if has_key else _CALLERS_KEY)
        case url:
            return url


def _store(parts: Parts) -> str:
    if parts.assembly is None:
        return "none"
    try:
        stats = parts.assembly.store.stats()
    except StoreError as error:
        return f"in trouble: {error}"
    held = f"{stats.entries:,} {'entry' if stats.entries == 1 else 'entries'}, {stats.faq_entries:,} of them FAQ"
    return f"{_place(parts.settings)}: {held}"


def _place(settings: Settings) -> str:
    """Where the store lives, without the password that a URL may hold."""
    if settings.store == "local:":
        return str(settings.data_dir)
    if "://" not in settings.store:
        return settings.store
    url = urlsplit(settings.store)
    return f"{url.scheme}://{url.hostname or ''}{url.path}"


def _access(settings: Settings) -> str:
    callers = f"{len(settings.api_keys)} service keys" if settings.api_keys else "no service key required"
    admin = "admin by key" if settings.admin_key else "admin from this machine only"
    return f"{callers}; {admin}"


def _framed(lines: tuple[str, ...]) -> list[str]:
    width = max(map(len, lines))
    rule = "━" * (width + 4)
    return ["", f"┏{rule}┓", *(f"┃  {line.ljust(width)}  ┃" for line in lines), f"┗{rule}┛"]
