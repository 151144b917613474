"""Progress, for people only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(*, hidden: bool, total: int | None = None, what: str = "rows") -> Iterator[Callable[[int], None]]:
    """A progress bar on standard error; what it yields is told how many more are done. None: nobody knows how many."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    count = TextColumn(f"{{task.completed}} {what}")
    known = () if total is None else (BarColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    columns = (SpinnerColumn(), count, *known, TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)
