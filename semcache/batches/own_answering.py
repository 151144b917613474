"""How batches of our own are told from callers', and what is done with the answers that come back for them."""

from __future__ import annotations

from semcache.batches.answering import MustBeSent
from semcache.drivers import begin
from semcache.exchange import Call, Exchange, send_upstream
from semcache.ledger import Ledger
from semcache.message import Message
from semcache.request import Request
from semcache.stores.batch_store import BatchRecord

OWNER = "semcache"  # of our own batches, in place of the HMAC of a credential: no caller has it


def is_own(record: BatchRecord) -> bool:
    """Whether it is a batch of our own: of jobs that wait, or an errand."""
    return record.credential == OWNER or errand_outcome(record) is not None


def errand_owner(outcome: str) -> str:
    """In place of a credential, for errands whose answers are booked under this outcome."""
    return f"{OWNER}/{outcome}"


def errand_outcome(record: BatchRecord) -> str | None:
    """What the answers of an errand are booked as; None: it is none."""
    owner, is_errand, outcome = record.credential.partition("/")
    return outcome if is_errand and owner == OWNER else None


class OwnAnswering:
    """Our own questions are not looked up, stored or booked here: the lessons see to that."""

    def look_up(self, request: Request) -> MustBeSent:
        exchange = send_upstream(request)
        call = begin(exchange)
        assert isinstance(call, Call)  # it has nothing else to say
        return MustBeSent(call, exchange)

    def settle(self, request: Request, shaped: bytes, message: Message, exchange: Exchange | None = None) -> Message:
        if exchange is not None:
            exchange.close()
        return message

    def book_copy(self, request: Request, shaped: bytes, message: Message) -> None:
        """No question of ours is a copy of another."""


class ErrandAnswering(OwnAnswering):
    """Books what comes back when it comes: it is paid for, whether or not anybody fetches it."""

    def __init__(self, ledger: Ledger, outcome: str) -> None:
        self._ledger = ledger
        self._outcome = outcome

    def settle(self, request: Request, shaped: bytes, message: Message, exchange: Exchange | None = None) -> Message:
        self._ledger.book_overhead(self._outcome, request.caller.namespace, request.model, message)
        return super().settle(request, shaped, message, exchange)
