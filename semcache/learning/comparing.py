"""Asks the judge of sameness, and Claude where it is uncertain and Claude is to be asked; books what that costs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import TypeVar

from semcache.canonical import digest
from semcache.decision.routing.worse import Comparison, compared
from semcache.decision.sameness.judge import Judge, judged
from semcache.decision.sameness.outcomes import Different, Pairing, Same
from semcache.errors import UpstreamError
from semcache.exchange import Call
from semcache.ledger import Ledger
from semcache.message import Message

logger = logging.getLogger(__name__)

Send = Callable[[Call], Message]
T = TypeVar("T")


class Comparing:
    """Blocking; for the background only. Where Claude is to be asked and cannot be, what was uncertain stays so."""

    def __init__(self, judge: Judge, ledger: Ledger, *, claude_model: str | None) -> None:
        self._judge = judge
        self._ledger = ledger
        self._claude_model = claude_model

    @property
    def asks_claude(self) -> bool:
        return self._claude_model is not None

    def verdict(self, pairing: Pairing, *, namespace: str, send: Send | None) -> bool | None:
        """Whether the two answers are the same; None: unknown."""
        model = self._claude_model if send is not None else None
        about = digest([pairing.asked, pairing.fresh.text, pairing.stored_question, pairing.stored.text])
        sameness = self._run(judged(self._judge, pairing, claude_model=model), about, namespace, send)
        match sameness:
            case Same():
                return True
            case Different():
                return False
            case _:
                return None

    def comparison(
        self, question: str, *, stronger: Message, weaker: Message, namespace: str, send: Send
    ) -> Comparison:
        """Whether the cheaper model's answer is materially worse than the dearer one's."""
        judging = compared(self._judge, question, stronger=stronger, weaker=weaker, claude_model=self._claude_model)
        about = digest([question, stronger.text, weaker.text])
        return self._run(judging, about, namespace, send) or Comparison.UNKNOWN

    def _run(self, judging: Generator[Call, Message, T], about: str, namespace: str, send: Send | None) -> T | None:
        """None: Claude could not be asked."""
        asked = 0
        try:
            call = next(judging)
            while True:
                assert send is not None  # without it no model was named, and nothing is asked
                message = send(replace(call, name=f"judge/{about}/{asked}"))
                asked += 1
                self._ledger.book_overhead("judge", namespace, call.request.model, message)
                call = judging.send(message)
        except StopIteration as stop:
            outcome: T = stop.value
            return outcome
        except UpstreamError as error:
            logger.warning("the judge %s could not be asked: %s", self._claude_model, type(error).__name__)
            return None
        finally:
            judging.close()
