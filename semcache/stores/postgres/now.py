"""The one place that decides whose clock the store goes by: the server's, or one that was given to it."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]


class Now:
    """The time as SQL. Two replicas with different clocks agree on it as long as neither brings its own."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self.offset_seconds = 0.0  # of the server's clock from ours, as measured last

    @property
    def of_statement(self) -> str:
        """When the statement began: asked for once, however many rows are compared with it."""
        return "(SELECT extract(epoch FROM statement_timestamp())::float8)" if self._clock is None else self._given()

    @property
    def of_moment(self) -> str:
        """Now, also for a statement that has waited for a lock."""
        return "extract(epoch FROM clock_timestamp())::float8" if self._clock is None else self._given()

    @property
    def given(self) -> float | None:
        """For functions in the database (`functions.py`); None: they go by the server's."""
        return None if self._clock is None else float(self._clock())

    def here(self) -> float:
        """The time without asking the server: of hits, whose counters are written later."""
        return time.time() + self.offset_seconds if self._clock is None else self._clock()

    def _given(self) -> str:
        assert self._clock is not None
        return f"{float(self._clock())!r}::float8"
