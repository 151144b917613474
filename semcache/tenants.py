"""Who may see what: credentials become partitions of a namespace, and never leave this module."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace

from semcache.errors import InvalidRequest, NotAllowed
from semcache.policy import Namespace, ServiceKey
from semcache.request import Caller, Headers

DEFAULT_NAMESPACE = "default"
CREDENTIAL_HEADERS = frozenset({"x-api-key", "authorization"})
_SHARED = "shared"
_LONGEST_NAMESPACE = 128


class Tenants:
    """Turns the credential of a request into a `Caller`. Holds only HMACs of what callers send."""

    def __init__(
        self, secret: bytes, *, keys: tuple[ServiceKey, ...] = (), namespaces: Mapping[str, Namespace] | None = None
    ) -> None:
        self._secret = secret
        self._labels = {self._seal(key.key): key.label for key in keys}
        self._namespaces = namespaces or {}

    def for_library(self) -> Tenants:
        """The same partitions without service keys: inside this process nobody has to show one."""
        open_to_all = {name: replace(rules, members=()) for name, rules in self._namespaces.items()}
        return Tenants(self._secret, namespaces=open_to_all)

    @property
    def requires_key(self) -> bool:
        return bool(self._labels)

    def admit(self, headers: Headers, *, namespace: str | None = None) -> Caller:
        """The caller behind these headers. Raises `NotAllowed`, `InvalidRequest`."""
        name = _checked_namespace(namespace or DEFAULT_NAMESPACE)
        credential = self._seal(credential_of(headers))
        label = self._labels.get(credential, "")
        if self.requires_key and not label:
            raise NotAllowed("x-api-key: not a key of this service; ask its operator for one")
        members = self._namespaces.get(name, Namespace()).members
        if members and label not in members:
            raise NotAllowed(f"x-semcache-namespace: this key may not use the namespace {name}", authenticated=True)
        return self._caller(name, credential, label)

    def local(self, credential: str = "", *, namespace: str | None = None) -> Caller:
        """The caller inside this process: the library and the command line need no service key."""
        return self._caller(_checked_namespace(namespace or DEFAULT_NAMESPACE), self._seal(credential), "")

    def forwarded(self, headers: Headers) -> Headers:
        """What may go upstream: the service's own keys never do."""
        if not self.requires_key:
            return headers
        return tuple((name, value) for name, value in headers if name not in CREDENTIAL_HEADERS)

    def _caller(self, namespace: str, credential: str, label: str) -> Caller:
        is_shared = self._namespaces.get(namespace, Namespace()).shared
        return Caller(namespace, _SHARED if is_shared else credential, credential, label)

    def _seal(self, credential: str) -> str:
        return hmac.new(self._secret, credential.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def credential_of(headers: Headers) -> str:
    """The API key or token, whichever header carries it; x-api-key wins, as at Claude. Empty: none."""
    given = {name: value for name, value in headers if name in CREDENTIAL_HEADERS}
    if "x-api-key" in given:
        return given["x-api-key"]
    scheme, _, token = given.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else given.get("authorization", "")


def _checked_namespace(name: str) -> str:
    if len(name) > _LONGEST_NAMESPACE or not name.isprintable():
        raise InvalidRequest(f"x-semcache-namespace: use at most {_LONGEST_NAMESPACE} printable characters")
    return name
