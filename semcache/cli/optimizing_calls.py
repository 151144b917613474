"""How `semcache optimize` asks Claude, what that has cost, and what is forgotten once it is over."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from semcache.cli.progress import counting

if TYPE_CHECKING:
    from semcache.batches.running import BatchResults
    from semcache.client import SemanticCache
    from semcache.errors import UpstreamError
    from semcache.exchange import Call
    from semcache.message import Message
    from semcache.optimizing.asking import Later


@dataclass
class Calls:
    """In real time or, where it `waits`, in batches that go on after an interrupt.

    `spent_usd` counts what earlier runs have paid for these answers; `unpriced` calls have no known price.
    """

    cache: SemanticCache = field(repr=False)
    waits: bool
    is_quiet: bool
    spent_usd: Decimal = Decimal(0)
    unpriced: int = 0
    _fetched: list[BatchResults] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        from semcache.optimizing.remembering import Remembered
        from semcache.stores.batch_store import batches_of

        if self.waits:  # before anything is paid for: not every store keeps batches
            batches_of(self.cache.parts.assembly.store)
        self._remembered = Remembered(self.cache.parts.assembly.store, self._carried)

    def send(self, call: Call) -> Message:
        """Raises `UpstreamError`."""
        message = self._remembered(call) if self.waits else self._carried(call)
        self._count(call, message)
        return message

    @property
    def later(self) -> Later | None:
        return self._in_a_batch if self.waits else None

    def end(self, *, is_done: bool) -> None:
        """Forget the batches; where all is done, what was asked in real time as well."""
        for results in self._fetched:
            results.forget()
        self._fetched.clear()
        if self.waits and is_done:
            self._remembered.forget()

    def _carried(self, call: Call) -> Message:
        passage: AbstractContextManager[Message] = self.cache.portal.enter(self.cache.flights.carry(call))
        with passage as message:
            return message

    def _in_a_batch(self, outcome: str, calls: Sequence[Call]) -> list[Message | UpstreamError]:
        from semcache.batches.errands import answers_of, run_errand
        from semcache.message import Message

        if not calls:
            return []
        if not self.is_quiet:
            said = f"{len(calls)} questions go as one batch; after an interrupt the same command goes on with it …"
            click.secho(said, dim=True, err=True)
        cache = self.cache
        with counting(hidden=self.is_quiet) as show:
            errand = run_errand(cache.parts.assembly, cache.flights, outcome, calls, on_progress=show)
            results = cache.portal.call(errand)
        self._fetched.append(results)
        answers = answers_of(results)
        for call, answer in zip(calls, answers, strict=True):
            if isinstance(answer, Message):
                self._count(call, answer)
        return answers

    def _count(self, call: Call, message: Message) -> None:
        cost_usd = self.cache.parts.assembly.ledger.cost_of_own(call.request.model, message)
        self.spent_usd += cost_usd or Decimal(0)
        self.unpriced += cost_usd is None
