"""What the command line prints: tables for people, JSON for programs, one line for an error."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import click

from semcache.errors import SemcacheError

F = TypeVar("F", bound=Callable[..., Any])

_UNSEEN_WIDTH = 160  # columns where nobody's terminal says how many there are
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class CommandLine(click.Group):
    """Turns what we raise on purpose into one line on standard error and exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # arguments and answers may hold what no terminal can show
                stream.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except SemcacheError as error:
            if ctx.params.get("debug"):
                raise
            raise click.ClickException(" ".join(str(error).split())) from error


class Duration(click.ParamType[float]):
    """Seconds, from a number with a unit: 50ms, 90s, 15m, 7d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|[smhdw])", str(value).strip().lower())
        if found is None:
            self.fail(f"{value!r} is no duration; write it like 90s, 15m, 12h, 7d or 2w", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


class ServiceUrl(click.ParamType[str]):
    """A base URL, without the slash at its end."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        url = str(value).strip().rstrip("/")
        if not url.startswith(("http://", "https://")):
            self.fail(f"{value!r} does not begin with http:// or https://", param, ctx)
        return url


def json_option(command: F) -> F:
    """Adds `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")(command)


def store_options(command: F) -> F:
    """Adds the options that say which cache is meant."""
    command = click.option("--store", help="Store URL; see SEMCACHE_STORE.")(command)
    return click.option("--data-dir", type=click.Path(), help="Where the state lives; see SEMCACHE_DATA_DIR.")(command)


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
    """A table; the columns named in `right` are numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console(markup=False, highlight=False, width=None if sys.stdout.isatty() else _UNSEEN_WIDTH)
    console.print(table)


def money(amount: Decimal | float | None) -> str:
    """Dollars; small amounts keep their digits. Empty: no price is known."""
    if amount is None:
        return ""
    return f"{amount:,.2f}" if not -1 < amount < 1 else f"{amount:.6f}"


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else getattr(value, "value", str(value))
