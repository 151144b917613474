"""Progress, for people only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semcache.batching.message_batch import Counts


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


@contextmanager
def counting(*, hidden: bool = False) -> Iterator[Callable[[Counts], None]]:
    """A progress bar that is shown how a batch stands."""
    with bar("answering", None, hidden=hidden) as moved:
        seen = 0

        def show(counts: Counts) -> None:
            nonlocal seen
            ended = counts.total - counts.processing
            moved(ended - seen, counts.total)
            seen = ended

        yield show


@contextmanager
def bar(what: str, total: int | None, *, hidden: bool = False) -> Iterator[Callable[..., None]]:
    """A progress bar on standard error, where somebody looks at it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=hidden or not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task(what, total=total)

        def moved(count: int = 1, of: int | None = None) -> None:
            progress.update(task, advance=count, total=total if of is None else of)

        yield moved
