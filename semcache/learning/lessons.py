"""What a request leaves to do once its caller has been served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from semcache.decision.audit_schedule import AuditPlan
from semcache.entry import Considered, Embedding, Entry, Hit, Miss
from semcache.exchange import Answer
from semcache.message import Message
from semcache.request import Request

if TYPE_CHECKING:
    from semcache.request import Vector

# Stores a fresh answer to the request it was made for, unless the generation in which it was asked for has passed.
Keep = Callable[[Message, int | None], Entry | None]


@dataclass(frozen=True)
class Asked:
    """A question as the store knows it: where it was looked up, and its vector."""

    text: str = field(repr=False)
    embedding: Embedding = field(repr=False)
    key: str


@dataclass(frozen=True)
class MissLesson:
    """A fresh answer came back: is it the answer of a candidate? `entry` is where it was stored, if it was."""

    asked: Asked
    namespace: str
    considered: tuple[Considered, ...]
    fresh: Message = field(repr=False)
    entry: Entry | None


@dataclass(frozen=True)
class ShadowLesson:
    """A fresh answer came back, where a hit would have been served; `keep` stores it, should it differ."""

    asked: Asked
    would_be: Hit
    fresh: Message = field(repr=False)
    request: Request = field(repr=False)
    keep: Keep = field(repr=False)


@dataclass(frozen=True)
class Audit:
    """A hit was served that is to be answered again upstream; `keep` stores the fresh answer, should it differ."""

    asked: Asked
    hit: Hit
    plan: AuditPlan
    request: Request = field(repr=False)
    keep: Keep = field(repr=False)


@dataclass(frozen=True)
class Refresh:
    """An answer was served that soon expires: it is asked anew, so that it does not go cold; `keep` stores it."""

    entry_id: str
    question: str = field(repr=False)
    request: Request = field(repr=False)
    keep: Keep = field(repr=False)


@dataclass(frozen=True)
class Report:
    """A person said whether an answer is right; `candidate` is the evidence there was for it."""

    namespace: str
    candidate: Considered
    is_right: bool


@dataclass(frozen=True)
class RouteLesson:
    """A routed request that is also asked of the other model, to see whether the cheaper one's answer is worse.

    `answered` went to the caller; `other` is the request for the model he was not answered by.
    """

    namespace: str
    category: str
    plan: AuditPlan
    question: str = field(repr=False)
    vector: Vector | None = field(repr=False)
    answered: Message = field(repr=False)
    other: Request = field(repr=False)
    answered_is_weaker: bool
    was_named: bool  # the caller named the dearer model


def missed(miss: Miss, answer: Answer) -> MissLesson | None:
    """What there is to learn of a fresh answer; None: nothing came near, or somebody else's request learns it."""
    if miss.question is None or miss.embedding is None or not miss.considered or answer.message.coalesced:
        return None
    asked = Asked(miss.question, miss.embedding, miss.key)
    return MissLesson(asked, miss.scope.namespace, miss.considered, answer.message, answer.stored)


def shadowed(
    would_be: Hit | Miss | None, request: Request, answer: Answer, keep: Keep
) -> ShadowLesson | MissLesson | Hit | None:
    """What there is to learn where a request was decided about, but answered upstream."""
    match would_be:
        case Hit(embedding=Embedding() as embedding) as hit:
            return ShadowLesson(Asked(hit.question or "", embedding, hit.key), hit, answer.message, request, keep)
        case Hit() as hit:
            return hit
        case Miss() as miss:
            return missed(miss, answer)
    return None


Lesson = MissLesson | ShadowLesson | Audit | Refresh | Report | RouteLesson
