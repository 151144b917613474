"""Lessons whose questions can wait: put aside with what has been answered so far, and begun anew with the answer.

A lesson asks all its questions before it changes anything, and each under a name of its own. So it can be left at any
question and worked through from its beginning later: what is known by then is not asked again, nor booked.

A lesson of a miss that may withdraw an answer asks at once (`Working.is_urgent`): until then the answer may be served.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from semcache.errors import SemcacheError, UpstreamError
from semcache.exchange import Call
from semcache.learning.lessons import Audit, MissLesson, Refresh, RouteLesson, ShadowLesson
from semcache.message import Message

Send = Callable[[Call], Message]  # blocking; raises `UpstreamError`
Known = Mapping[str, Message | UpstreamError]  # what became of a lesson's questions, by name
Patient = MissLesson | ShadowLesson | Audit | RouteLesson | Refresh  # lessons that can be put aside


class Postponed(SemcacheError):
    """A lesson has come to a question that can wait."""

    def __init__(self, call: Call) -> None:
        super().__init__(f"{call.name}: to be answered later")
        self.call = call


@dataclass(frozen=True)
class Postponement:
    """A lesson, the answers it has, which are paid for, and the question it waits for."""

    lesson: Patient = field(repr=False)
    known: Mapping[str, Message] = field(repr=False)
    call: Call = field(repr=False)


class Room(Protocol):
    """Where lessons wait. Thread-safe; never fails."""

    def take(self, postponement: Postponement) -> None:
        """Have the question answered in time, and give the lesson back with `Learning.resume`."""
        ...


def answering(known: Known, send: Send, *, is_patient: bool) -> Send:
    """A way to ask that knows these answers. What is not known is sent or, where it may wait, raises `Postponed`."""

    def ask(call: Call) -> Message:
        match known.get(call.name) if call.name else None:
            case UpstreamError() as error:
                raise error
            case Message() as message:
                return message
        if is_patient and call.name:
            raise Postponed(call)
        return send(call)

    return ask
