"""Counts what became of each request, and says how sure the rates are."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from truth import Judge, Row, Verdict

CURVE_STEP = 100  # requests between two points of a cold-start curve
COLD_STARTS = (500, 1000, 5000)


class Outcome(NamedTuple):
    """What became of one request; a miss has no verdicts."""

    is_repeat: bool
    is_identical: bool = False  # served the answer to the very same text
    verdict: Verdict | None = None
    strict: Verdict | None = None


@dataclass
class Tally:
    """Requests of one run. Exact repeats are counted apart: any cache serves those."""

    requests: int = 0
    repeats: int = 0  # the same text was asked before
    identical: int = 0  # served the answer to the very same text
    similar: int = 0  # served the answer to another text
    new_wordings: int = 0  # of those, to a text that was asked for the first time
    wrong: int = 0
    unjudged: int = 0
    strict_wrong: int = 0
    outdated: int = 0  # identical, and wrong by now: the truth has changed since

    def count(self, *, is_repeat: bool, asked: Row, stored: Row | None, judges: tuple[Judge, Judge]) -> None:
        """Book one request; `stored` is the row whose answer was served, None: none was."""
        if stored is None:
            self.book(asked, Outcome(is_repeat))
            return
        verdict, strict = (judge(asked, stored) for judge in judges)
        self.book(asked, Outcome(is_repeat, is_repeat and stored.text == asked.text, verdict, strict))

    def book(self, asked: Row, outcome: Outcome) -> None:
        self.requests += 1
        self.repeats += outcome.is_repeat
        if outcome.verdict is None:
            return
        if outcome.is_identical:
            self.identical += 1
            self.outdated += outcome.verdict is Verdict.WRONG
            return
        self.similar += 1
        self.new_wordings += not outcome.is_repeat
        self.wrong += outcome.verdict is Verdict.WRONG
        self.unjudged += outcome.verdict is Verdict.UNJUDGED
        self.strict_wrong += outcome.strict is Verdict.WRONG

    @property
    def hits(self) -> int:
        return self.identical + self.similar

    @property
    def hit_share(self) -> float:
        return self.hits / self.requests if self.requests else 0.0

    @property
    def error_share(self) -> float:
        """Wrong answers by request, what the data leaves unjudged not among them."""
        return (self.wrong + self.outdated) / self.requests if self.requests else 0.0

    @property
    def strict_error_share(self) -> float:
        return (self.strict_wrong + self.outdated) / self.requests if self.requests else 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Tally)))

    def figures(self) -> dict[str, Any]:
        """Rates in per cent, of requests and of hits, with Wilson 95 % intervals; hits that nobody judged left out."""
        judged = self.similar - self.unjudged
        return {
            "requests": self.requests,
            "hit_rate": percent(self.hits, self.requests),
            "exact_repeat_rate": percent(self.repeats, self.requests),
            "new_wording_hit_rate": percent(self.new_wordings, self.requests - self.repeats),
            "error_rate": percent(self.wrong + self.outdated, self.requests),
            "error_rate_interval": wilson(self.wrong + self.outdated, self.requests),
            "false_hit_rate": percent(self.wrong + self.outdated, self.identical + judged),
            "similar_false_hit_rate": percent(self.wrong, judged),
            "similar_false_hit_rate_interval": wilson(self.wrong, judged),
            "unjudged_rate": percent(self.unjudged, self.requests),
            "strict_error_rate": percent(self.strict_wrong + self.outdated, self.requests),
            "strict_similar_false_hit_rate": percent(self.strict_wrong, self.similar),
        }


@dataclass
class Trace(Tally):
    """The tally of one run that also remembers how it grew, and what became of each class."""

    curve: list[Tally] = field(default_factory=list)  # as it stood after each CURVE_STEP requests
    by_class: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))

    def book(self, asked: Row, outcome: Outcome) -> None:
        super().book(asked, outcome)
        self.by_class[asked.class_id].book(asked, outcome)
        if self.requests % CURVE_STEP == 0:
            self.curve.append(self.so_far())

    def so_far(self) -> Tally:
        return summed([self])

    def after(self, requests: int) -> Tally | None:
        """The first requests alone; None: the run was shorter, or is not cut at this place."""
        return next((tally for tally in self.curve if tally.requests == requests), None)


def summed(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())


def cold_start(runs: Sequence[Trace], *, marks: Sequence[int] = COLD_STARTS) -> dict[str, dict[str, float | None]]:
    """Hit and error rates within the first requests, over all runs that were so long."""
    found: dict[str, dict[str, float | None]] = {}
    for mark in marks:
        first = summed(tally for run in runs if (tally := run.after(mark)) is not None)
        found[f"first {mark}"] = {
            "hit_rate": percent(first.hits, first.requests),
            "error_rate": percent(first.wrong + first.outdated, first.requests),
        }
    return found


@dataclass(frozen=True)
class Hindsight:
    """The best of several settings of one cache for an error rate, as if it had been known beforehand which that is."""

    hit_share: float  # between the two settings that enclose the error rate, mixed to meet it exactly
    within: Tally | None  # the best single setting that keeps within it


def in_hindsight(settings: Sequence[Tally], max_error_share: float, *, strict: bool = False) -> Hindsight:
    """What a cache could have served at a bounded error rate; `settings` from the loosest to the strictest."""
    tallies = [*settings, Tally()]  # the strictest of all serves nothing
    points = [(_error_of(tally, strict=strict), tally.hit_share) for tally in tallies]
    reachable = [hits for error, hits in points if error <= max_error_share]
    for (error, hits), (stricter_error, stricter_hits) in pairwise(points):
        if stricter_error <= max_error_share < error:
            share = (max_error_share - stricter_error) / (error - stricter_error)
            reachable.append(stricter_hits + share * (hits - stricter_hits))
    return Hindsight(max(reachable), best_within(settings, max_error_share, strict=strict))


def best_within(tallies: Iterable[Tally], max_error_share: float, *, strict: bool = False) -> Tally | None:
    """The one with the highest hit rate among those that keep within an error rate."""
    within = (tally for tally in tallies if _error_of(tally, strict=strict) <= max_error_share)
    return max(within, key=lambda tally: tally.hit_share, default=None)


def _error_of(tally: Tally, *, strict: bool) -> float:
    return tally.strict_error_share if strict else tally.error_share


Statistic = Callable[[Tally, Tally], float]


def hit_ratio(ours: Tally, theirs: Tally) -> float:
    return ours.hit_share / theirs.hit_share if theirs.hits else math.inf


def bootstrap(
    ours: Sequence[Trace],
    theirs: Sequence[Trace],
    *,
    statistic: Statistic = hit_ratio,
    draws: int = 1000,
    chance: random.Random,
) -> tuple[float, float]:
    """A 95 % interval of a statistic of two caches run over the same streams.

    Classes are drawn, not rows (wordings of one class stand or fall together), and both caches get the same draw.
    """
    classes = sorted({name for run in (*ours, *theirs) for name in run.by_class})
    mine, yours = (_by_class(runs, classes) for runs in (ours, theirs))
    found = []
    for _ in range(draws):
        drawn = np.bincount(chance.choices(range(len(classes)), k=len(classes)), minlength=len(classes))
        found.append(statistic(Tally(*(drawn @ mine).tolist()), Tally(*(drawn @ yours).tolist())))
    found.sort()
    return found[round(0.025 * (draws - 1))], found[round(0.975 * (draws - 1))]


def _by_class(runs: Sequence[Trace], classes: Sequence[str]) -> NDArray[np.int64]:
    """A row for each class, a column for each field of `Tally`."""
    tallies = (summed(run.by_class[name] for run in runs if name in run.by_class) for name in classes)
    return np.array([[getattr(tally, field.name) for field in fields(Tally)] for tally in tallies], np.int64)


def percent(part: int, whole: int) -> float | None:
    """Per cent, to two digits; None of nothing."""
    return round(100 * part / whole, 2) if whole else None


def wilson(successes: int, trials: int, *, z: float = 1.96) -> tuple[float, float] | None:
    """The Wilson score interval of a share, in per cent (Wilson 1927); 95 % unless told."""
    if not trials:
        return None
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 100 / (1 + z * z / trials)
    return round(max(0.0, (centre - spread) * scale), 2), round(min(100.0, (centre + spread) * scale), 2)
