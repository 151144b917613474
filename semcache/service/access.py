"""Who may use the admin endpoints, and which browsers may use any of ours."""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.types import Scope

from semcache.errors import NotAllowed
from semcache.request import Headers
from semcache.settings import Settings
from semcache.tenants import CREDENTIAL_HEADERS
from semcache.wire import lower_headers

ADMIN_KEY_HEADER = "x-semcache-admin-key"
_FORWARDED = frozenset({"forwarded", "x-forwarded-for", "x-real-ip", "via"})


class AdminGate:
    """Lets in whoever shows the admin key; where none is configured, whoever sits at this machine.

    "At this machine" takes all of: bound to a loopback address, a loopback peer, a loopback name in
    Host (a page that rebinds its DNS name to 127.0.0.1 still sends its own), and no proxy between.
    """

    def __init__(self, settings: Settings) -> None:
        self._key = (settings.admin_key or "").encode()
        self._is_bound_to_loopback = is_loopback(settings.host)

    def admit(self, scope: Scope) -> None:
        """Raises `NotAllowed` for everyone else."""
        headers = lower_headers(scope["headers"])
        refuse_foreign_pages(headers)
        if self._key:
            if not self.shows_key(headers):
                raise NotAllowed(f"{ADMIN_KEY_HEADER}: missing or wrong; show the key set as SEMCACHE_ADMIN_KEY")
        elif not self._is_local(scope, headers):
            raise NotAllowed(
                "admin endpoints answer only on this machine until SEMCACHE_ADMIN_KEY is set", authenticated=True
            )

    def admits(self, scope: Scope) -> bool:
        try:
            self.admit(scope)
        except NotAllowed:
            return False
        return True

    def shows_key(self, headers: Headers) -> bool:
        """Whether an admin key is configured and these headers carry it."""
        given = dict(headers)
        scheme, _, token = given.get("authorization", "").partition(" ")
        shown = given.get(ADMIN_KEY_HEADER) or (token.strip() if scheme.lower() == "bearer" else "")
        return bool(self._key) and hmac.compare_digest(shown.encode("latin-1", "replace"), self._key)

    def _is_local(self, scope: Scope, headers: Headers) -> bool:
        names = dict(headers)
        peer = scope["client"][0] if scope.get("client") else ""
        return (
            self._is_bound_to_loopback
            and is_loopback(peer)
            and is_loopback(_hostname(names.get("host", "")))
            and _FORWARDED.isdisjoint(names)
        )


def refuse_foreign_pages(headers: Headers) -> None:
    """Refuse requests that a page of another site makes a browser send. Raises `NotAllowed`."""
    given = dict(headers)
    origin, site = given.get("origin"), given.get("sec-fetch-site", "none")
    is_foreign = origin is not None and urlsplit(origin).netloc != given.get("host", "")
    if is_foreign or site not in ("none", "same-origin"):
        raise NotAllowed("origin: pages of other sites may not use this endpoint", authenticated=True)


def refuse_stowaways(headers: Headers) -> None:
    """Refuse foreign pages that bring no credential: they would spend the service's own."""
    if CREDENTIAL_HEADERS.isdisjoint(name for name, _ in headers):
        refuse_foreign_pages(headers)


def is_loopback(host: str) -> bool:
    """Whether a name or address can only mean this machine."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _hostname(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
