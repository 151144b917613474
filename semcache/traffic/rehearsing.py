"""Runs traffic through the whole pipeline, in its own time, against the simulator and its prices."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from semcache.assembly import Brought
from semcache.client import SemanticCache
from semcache.decision.sameness.local import LocalJudge
from semcache.decision.sameness.outcomes import Different, Pairing, Same
from semcache.embedders.embedder import Embedder
from semcache.entry import Hit, HitKind
from semcache.errors import SemcacheError
from semcache.exchange import Answer
from semcache.portal import CallersPortal
from semcache.pricing import PriceBook
from semcache.request import Json, Request
from semcache.savings import SavingsReport
from semcache.settings import Settings
from semcache.traffic.reciting import Reciter, RecordedJudge, is_unknown
from semcache.traffic.recorded import Recorded
from semcache.upstream.simulator import BatchConduct, Conduct, Simulator

_SETTLE_SECONDS = 60.0
_MOST_IN_A_BATCH = 1000
_SECONDS_BETWEEN = 10.0  # requests that carry no time
_LEAST_SECONDS = 0.001


@dataclass
class Tally:
    """What came of the requests so far. `wrong` of `judged` similar hits gave another answer than was recorded."""

    requests: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    similar: int = 0
    judged: int = 0
    wrong: int = 0

    def as_json(self) -> Json:
        return {**self.__dict__, "outcomes": dict(self.outcomes), "failed": dict(self.failed)}

    @classmethod
    def from_json(cls, body: Json) -> Tally:
        return cls(**{**body, "outcomes": Counter(body["outcomes"]), "failed": Counter(body["failed"])})


@dataclass(frozen=True)
class Standing:
    """Where a rehearsal stands: what it needs, beside its store, to go on from here.

    `truths`: of the entries that are stored; `randomness`: the state of what chooses the audits; `prompts`: what
    Claude's prompt cache holds.
    """

    now: float
    tally: Tally
    truths: dict[str, str]
    randomness: tuple[Any, ...]
    prompts: list[Any]

    def as_json(self) -> Json:
        return {**self.__dict__, "tally": self.tally.as_json()}

    @classmethod
    def from_json(cls, body: Json) -> Standing:
        version, state, gauss = body["randomness"]
        randomness = (version, tuple(state), gauss)
        return cls(float(body["now"]), Tally.from_json(body["tally"]), body["truths"], randomness, body["prompts"])


@dataclass(frozen=True)
class Rehearsed:
    """A whole rehearsal: the tally, the ledger's report, and what the simulator billed."""

    tally: Tally
    savings: SavingsReport
    bill_usd: Decimal


class VirtualClock:
    """Time as the traffic has it; never stands still from one request to the next, so that they have an order."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def reach(self, at: float | None) -> None:
        self.now = self.now + _SECONDS_BETWEEN if at is None else max(self.now + _LEAST_SECONDS, at)


@dataclass(frozen=True)
class Stage:
    """What rehearsals are held with: one price book and one open embedder for all of them."""

    settings: Settings
    prices: PriceBook
    embedder: Embedder
    assumed_output_tokens: int = 250  # of answers that were not recorded

    def under(self, settings: Settings) -> Stage:
        return replace(self, settings=settings)


class Rehearsal:
    """One run with one set of settings. Blocking; use as a context, or `close`."""

    def __init__(self, stage: Stage, *, began_at: float, standing: Standing | None = None) -> None:
        """`standing`: that of one whose store lies in the folder of the settings, to go on from there."""
        self.clock = VirtualClock(began_at if standing is None else standing.now)
        self.tally = Tally() if standing is None else standing.tally
        self._truths: dict[str, str] = {} if standing is None else standing.truths
        self._randomness = random.Random(0)  # replays repeat
        self._reciter = Reciter(stage.prices, assumed_output_tokens=stage.assumed_output_tokens)
        self._judge = RecordedJudge(LocalJudge(stage.embedder.embed))
        quick = Conduct(  # thinking that was recorded was signed elsewhere, and behind a prompt that we had shaped
            batches=BatchConduct(seconds=0.0, is_shuffled=False), calls_kept=0, checks_thinking=False
        )
        self._simulator = Simulator(stage.prices, answers=self._reciter, clock=self.clock, conduct=quick)
        if standing is not None:
            self._randomness.setstate(standing.randomness)
            self._simulator.hold_prompts(standing.prompts)
        brought = Brought(embedder=stage.embedder, judge=self._judge, randomness=self._randomness)
        settings = replace(stage.settings, coalesce=False)  # one request at a time
        self.cache = SemanticCache(
            settings, portal=CallersPortal(), upstream=self._simulator, brought=brought, clock=self.clock
        )

    def __enter__(self) -> Rehearsal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.cache.close()

    def run(self, traffic: Iterable[Recorded], on_progress: Callable[[int], None] = lambda count: None) -> None:
        """Take the next requests; those that can wait, and follow each other, go together."""
        for can_wait, some in itertools.groupby(traffic, key=lambda each: each.can_wait):
            if can_wait:
                for portion in _portions(some):
                    self._batch(portion)
                    on_progress(self.tally.requests)
                continue
            for each in some:
                self._one(each)
                on_progress(self.tally.requests)

    def standing(self) -> Standing:
        prompts = self._simulator.held_prompts()
        return Standing(self.clock.now, self.tally, self._truths, self._randomness.getstate(), prompts)

    def result(self) -> Rehearsed:
        """What has come of all so far."""
        return Rehearsed(self.tally, self.cache.savings(), self._simulator.bill_usd)

    def _one(self, recorded: Recorded) -> None:
        self.clock.reach(recorded.at)
        self._reciter.begin(recorded)
        self.tally.requests += 1
        try:
            answer = self.cache.answer(self._request(recorded))
        except SemcacheError as error:
            self.tally.failed[getattr(error, "status", None) or type(error).__name__] += 1
            return
        self._reciter.answered(answer.message.model)
        self._count(recorded, answer)
        self.cache.settle(_SETTLE_SECONDS)

    def _batch(self, portion: Sequence[Recorded]) -> None:
        for recorded in portion:
            self.clock.reach(recorded.at)
        self._reciter.begin(*portion)
        asked = [{"custom_id": f"r{place}", "params": each.params} for place, each in enumerate(portion)]
        first = portion[0]
        found = self.cache.batch(asked, **_directives(first))
        self.tally.requests += len(portion)
        self.tally.outcomes["batch"] += found.counts.succeeded
        if missing := found.counts.total - found.counts.succeeded:
            self.tally.failed["batch"] += missing
        found.forget()
        self.cache.settle(_SETTLE_SECONDS)

    def _request(self, recorded: Recorded) -> Request:
        like = self.cache.parts.request("", **_directives(recorded))
        body = {name: value for name, value in recorded.params.items() if name != "stream"}
        return replace(like, body=body)

    def _count(self, recorded: Recorded, answer: Answer) -> None:
        if answer.stored is not None and recorded.truth is not None:
            self._truths[answer.stored.id] = recorded.truth
        match answer.lookup:
            case Hit(kind=kind, entry=entry):
                self.tally.outcomes[kind.value] += 1
                if kind is not HitKind.EXACT:
                    self.tally.similar += 1
                    self._judge_hit(recorded, answer, self._truths.get(entry.id))
            case _:
                self.tally.outcomes["miss"] += 1

    def _judge_hit(self, recorded: Recorded, answer: Answer, truth: str | None) -> None:
        """By the truth where the file knows it, else by the local judge against what was recorded."""
        if recorded.truth is not None and truth is not None:
            self.tally.judged += 1
            self.tally.wrong += recorded.truth != truth
            return
        if recorded.response is None or is_unknown(answer.message):
            return
        asked = str(recorded.params.get("messages", [{}])[-1].get("content", ""))
        stored = answer.lookup.entry.question if isinstance(answer.lookup, Hit) else ""
        match self._judge.compare(Pairing(asked, recorded.response, stored, answer.message)):
            case Same():
                self.tally.judged += 1
            case Different():
                self.tally.judged += 1
                self.tally.wrong += 1


def _directives(recorded: Recorded) -> dict[str, Any]:
    return {name: getattr(recorded, name) for name in ("namespace", "task", "tags", "no_store")}


def _portions(requests: Iterable[Recorded]) -> Iterator[list[Recorded]]:
    """Requests of one kind that follow each other, so many at a time."""
    alike = itertools.groupby(requests, key=_directives)
    for _, some in alike:
        while portion := list(itertools.islice(some, _MOST_IN_A_BATCH)):
            yield portion
