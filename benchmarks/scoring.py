"""Counts what became of each request, and says how sure the rates are."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from workloads import Judge, Row, Verdict


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

    def count(self, *, is_repeat: bool, asked: Row, stored: Row | None, judges: tuple[Judge, Judge]) -> None:
        """Book one request; `stored` is the row whose answer was served, None: none was."""
        self.requests += 1
        self.repeats += is_repeat
        if stored is None:
            return
        if stored.text == asked.text and is_repeat:
            self.identical += 1
            return
        self.similar += 1
        self.new_wordings += not is_repeat
        verdict, strict = (judge(asked, stored) for judge in judges)
        self.wrong += verdict is Verdict.WRONG
        self.unjudged += verdict is Verdict.UNJUDGED
        self.strict_wrong += strict is Verdict.WRONG

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Tally)))

    def figures(self) -> dict[str, Any]:
        """Rates in per cent, of requests and of hits, with Wilson 95 % intervals; hits that nobody judged left out."""
        judged = self.similar - self.unjudged
        return {
            "requests": self.requests,
            "hit_rate": percent(self.identical + self.similar, self.requests),
            "exact_repeat_rate": percent(self.repeats, self.requests),
            "new_wording_hit_rate": percent(self.new_wordings, self.requests - self.repeats),
            "error_rate": percent(self.wrong, self.requests),
            "error_rate_interval": wilson(self.wrong, self.requests),
            "false_hit_rate": percent(self.wrong, self.identical + judged),
            "similar_false_hit_rate": percent(self.wrong, judged),
            "similar_false_hit_rate_interval": wilson(self.wrong, judged),
            "unjudged_rate": percent(self.unjudged, self.requests),
            "strict_error_rate": percent(self.strict_wrong, self.requests),
            "strict_similar_false_hit_rate": percent(self.strict_wrong, self.similar),
        }


def summed(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())


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
