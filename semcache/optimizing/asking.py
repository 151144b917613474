"""How Claude is asked while a prompt is being optimised: every call is paid for and booked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from semcache.errors import UpstreamError
from semcache.exchange import Call
from semcache.ledger import Ledger
from semcache.message import Message
from semcache.request import Json, Request

logger = logging.getLogger(__name__)

OUTCOME = "optimise"  # of our rows in the ledger
_AT_ONCE = 4


class Later(Protocol):
    """Asks many questions at half price, and waits for the answers: one for each, or what it failed with, in order.

    Booked under `outcome`, once, whoever asks for them again. Raises `SemcacheError` where they cannot be asked.
    """

    def __call__(self, outcome: str, calls: Sequence[Call], /) -> list[Message | UpstreamError]: ...


@dataclass(frozen=True)
class Asking:
    """`like` is an empty request with the credential, the namespace and the headers of all calls.

    Without `later`, many questions are asked in real time, some at once.
    """

    send: Callable[[Call], Message]
    ledger: Ledger
    like: Request = field(repr=False)
    later: Later | None = field(default=None, repr=False)

    @property
    def namespace(self) -> str:
        return self.like.caller.namespace

    def ask(self, body: Json, *, name: str = "") -> Message:
        """In real time; by its name a question is known again. Raises `UpstreamError`."""
        call = self.call(body, name=name)
        message = self.send(call)
        self.ledger.book_overhead(OUTCOME, self.namespace, call.request.model, message)
        return message

    def ask_all(self, bodies: Sequence[Json]) -> list[Message | UpstreamError]:
        """What came of each, in order."""
        if self.later is not None:
            return self.later(OUTCOME, [self.call(body) for body in bodies])
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="semcache-optimise") as pool:
            return list(pool.map(self._asked, bodies))

    def call(self, body: Json, *, name: str = "") -> Call:
        """What is sent for a body: never a stream."""
        body = {name: value for name, value in body.items() if name != "stream"}
        return Call(replace(self.like, body=body), name=name)

    def _asked(self, body: Json) -> Message | UpstreamError:
        try:
            return self.ask(body)
        except UpstreamError as error:
            logger.warning("a request could not be tried: %s", type(error).__name__)
            return error
