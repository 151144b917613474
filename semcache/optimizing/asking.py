"""How Claude is asked while a prompt is being optimised: every call is paid for and booked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from semcache.exchange import Call
from semcache.ledger import Ledger
from semcache.message import Message
from semcache.request import Json, Request

OUTCOME = "optimise"  # of our rows in the ledger


@dataclass(frozen=True)
class Asking:
    """`like` is an empty request with the credential, the namespace and the headers of all calls."""

    send: Callable[[Call], Message]
    ledger: Ledger
    like: Request = field(repr=False)

    @property
    def namespace(self) -> str:
        return self.like.caller.namespace

    def ask(self, body: Json) -> Message:
        """Raises `UpstreamError`."""
        request = replace(self.like, body={name: value for name, value in body.items() if name != "stream"})
        message = self.send(Call(request))
        self.ledger.book_overhead(OUTCOME, self.namespace, request.model, message)
        return message
