"""Under which circumstances all requests of a batch are asked: who, with which headers, under which directives."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property

from semcache.request import Caller, Directives, Headers, Json, Request, encode_json
from semcache.tenants import CREDENTIAL_HEADERS, Tenants
from semcache.wire import forwarded_headers, read_directives

_DIRECTIVES = frozenset(
    {"cache-control", "x-semcache-mode", "x-semcache-tags", "x-semcache-task", "x-semcache-strategies"}
)
# About the one request that created the batch.
_OF_THE_CREATE = frozenset(
    {
        "host", "connection", "content-length", "content-encoding", "content-type", "transfer-encoding", "expect",
        "accept", "accept-encoding", "idempotency-key",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """`headers` are those that go upstream, without the credential, which is kept apart."""

    caller: Caller
    headers: Headers
    said: Headers = ()  # the headers that hold directives
    query: str = ""
    credential: Headers = field(default=(), repr=False)

    @classmethod
    def of(cls, headers: Headers, tenants: Tenants, *, caller: Caller, query: str = "") -> Asked:
        """What the headers of a create say. Raises `InvalidRequest`."""
        said = tuple((name, value) for name, value in headers if name in _DIRECTIVES)
        read_directives(said)
        passed = [each for each in forwarded_headers(headers, tenants) if each[0] not in _OF_THE_CREATE]
        kept = tuple(each for each in passed if each[0] not in CREDENTIAL_HEADERS)
        credential = tuple(each for each in passed if each[0] in CREDENTIAL_HEADERS)
        return cls(caller, kept, said, query, credential)

    @classmethod
    def like(cls, request: Request) -> Asked:
        """As this request is asked."""
        kept = [each for each in request.headers if each[0] not in _OF_THE_CREATE]
        credential = tuple(each for each in kept if each[0] in CREDENTIAL_HEADERS)
        plain = tuple(each for each in kept if each[0] not in CREDENTIAL_HEADERS)
        return cls(request.caller, plain, _said(request.directives), request.query, credential)

    @classmethod
    def parse(cls, raw: bytes, credential: Headers) -> Asked:
        """What `content` has written, with the credential it left out."""
        given = json.loads(raw)
        return cls(
            Caller(**given["caller"]), _pairs(given["headers"]), _pairs(given["said"]), given["query"], credential
        )

    def content(self) -> bytes:
        """All but the credential."""
        given = {"caller": asdict(self.caller), "headers": self.headers, "said": self.said, "query": self.query}
        return encode_json(given)

    @cached_property
    def directives(self) -> Directives:
        return read_directives(self.said)

    @property
    def sent_headers(self) -> Headers:
        """What goes with every request upstream."""
        return (("content-type", "application/json"), *self.headers, *self.credential)

    def request(self, params: Json) -> Request:
        """One of the batch's requests, as if it had come by itself."""
        return Request(
            params, caller=self.caller, directives=self.directives, headers=self.sent_headers, query=self.query
        )


def _said(directives: Directives) -> Headers:
    """Directives as the headers that say them. A check of answers cannot be said, and is left out."""
    wish = directives.strategies
    names = wish.without if wish.only is None else wish.only
    strategies = ",".join(sorted(names if wish.only is not None else {f"-{name}" for name in names}))
    wishes = {
        "no-cache": directives.no_cache,
        "no-store": directives.no_store,
        "only-if-cached": directives.only_if_cached,
    }
    control = [name for name, holds in wishes.items() if holds]
    if directives.max_age_seconds is not None:
        control.append(f"max-age={int(directives.max_age_seconds)}")
    said = {
        "x-semcache-mode": directives.mode.value,
        "x-semcache-tags": ",".join(directives.tags),
        "x-semcache-task": directives.task,
        "x-semcache-strategies": strategies or ("none" if wish.only is not None else ""),
        "cache-control": ", ".join(control),
    }
    return tuple((name, value) for name, value in said.items() if value)


def _pairs(given: list[list[str]]) -> Headers:
    return tuple((name, value) for name, value in given)
