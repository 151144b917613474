"""How long a conversation goes on: from how many of those that came this far went on."""

from __future__ import annotations

import json
from threading import Lock

from semcache.journal import Journalled, operation

MOST_TURNS = 200  # longer conversations are counted as this long
_PRIOR_WEIGHT, _PRIOR_GOES_ON = 8.0, 0.75
_LONGEST_AHEAD = 60.0


class RemainingTurns(Journalled):
    """Counts, for each number of user turns, the requests that had so many. Thread-safe, a few kilobytes.

    A conversation that reaches turn n + 1 has been at turn n before, so the share of n that went on is the count of
    n + 1 over that of n; a request that is sent twice counts twice in both.
    """

    def __init__(self) -> None:
        self._reached = [0.0] * (MOST_TURNS + 2)
        self._lock = Lock()

    @operation
    def note(self, turns: int) -> None:
        """A request with so many user turns was seen."""
        with self._lock:
            self._reached[min(turns, MOST_TURNS)] += 1

    def expected(self, turns: int) -> float:
        """How many more turns are to be expected after this one: the sum of the chances of each."""
        chance, total = 1.0, 0.0
        for turn in range(turns, MOST_TURNS):
            chance *= self._goes_on(turn)
            total += chance
            if chance < 0.01 or total > _LONGEST_AHEAD:
                break
        return min(total, _LONGEST_AHEAD)

    def to_bytes(self) -> bytes:
        with self._lock:
            return json.dumps(self._reached).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        counts = [float(count) for count in json.loads(content)]
        if len(counts) != MOST_TURNS + 2:
            raise ValueError("another number of turns")
        with self._lock:
            self._reached = counts

    def _goes_on(self, turns: int) -> float:
        reached, went_on = self._reached[min(turns, MOST_TURNS)], self._reached[min(turns + 1, MOST_TURNS)]
        prior = _PRIOR_WEIGHT * _PRIOR_GOES_ON
        return (min(went_on, reached) + prior) / (reached + _PRIOR_WEIGHT)
