"""Where the time of one request goes: laps that follow each other, so that they add up to the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter


class Stage:
    """The stages of a request, in their order. A lap ends a stage; what is not reached has none."""

    READ = "read"  # the body has arrived and been understood
    QUEUE = "queue"  # a worker thread was free
    IDENTIFY = "identify"  # scope, exact key, and whether it may be looked up
    EXACT = "exact"  # the very same request was looked for
    EMBED = "embed"  # the forward pass
    NEAREST = "nearest"  # the index was asked
    DECIDE = "decide"  # evidence was weighed
    SERVE = "serve"  # a stored answer was made the caller's
    SHAPE = "shape"  # spending limits, routing, and everything else that makes a miss cheaper
    UPSTREAM = "upstream"  # until the upstream's answer was whole
    STORE = "store"  # the answer was stored and noted for learning
    BOOK = "book"  # the ledger priced it
    REPLY = "reply"  # headers and body were made


STAGES = tuple(value for name, value in vars(Stage).items() if name.isupper())
Lap = tuple[str, float, float]  # stage, its beginning and its end in seconds of the clock


class Stopwatch:
    """One request's. A lap costs a reading of the clock and a place in a list: 0.1 µs."""

    __slots__ = ("_clock", "_ends", "began_at")

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._ends: list[tuple[str, float]] = []
        self.began_at = clock()

    def lap(self, stage: str) -> None:
        """The stage ends now; it began where the last one ended."""
        self._ends.append((stage, self._clock()))

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return self._clock() - self.began_at

    def laps(self) -> Iterator[Lap]:
        """Every lap so far; a stage may have several."""
        began = self.began_at
        for stage, ended in self._ends:
            yield stage, began, ended
            began = ended

    def stages(self) -> dict[str, float]:
        """Seconds by stage, in the order in which they were first reached."""
        spent: dict[str, float] = {}
        last = self.began_at
        for stage, ended in self._ends:
            spent[stage] = spent.get(stage, 0.0) + ended - last
            last = ended
        return spent


class _Stopped(Stopwatch):
    """For requests that nobody times."""

    __slots__ = ()

    def lap(self, stage: str) -> None:
        return


UNTIMED: Stopwatch = _Stopped(lambda: 0.0)
