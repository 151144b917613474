"""`semcache savings`: what was saved, and by which strategy."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import click

from semcache.cli.opening import opened
from semcache.cli.output import Duration, json_option, money, print_json, print_table, store_options
from semcache.stores.ledger_book import DIMENSIONS

_COLUMNS = ("requests", "tokens", "billed", "unassisted $", "paid $", "saved $")


@click.command()
@click.option("--since", type=Duration(), help="Only the last 90m, 12h, 7d, …")
@click.option("--namespace", help="Only this namespace.")
@click.option("--label", help="Only the service key of this label.")
@click.option("--model", help="Only requests to, or answered by, this model.")
@click.option("--tag", help="Only requests with this tag.")
@click.option("--by", type=click.Choice(DIMENSIONS), help="Group by this.")
@click.option("--prices-of", type=click.DateTime(["%Y-%m-%d"]), help="As if the prices of this day had held.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV and nothing else.")
@store_options
@json_option
def savings(since: float | None, as_csv: bool, as_json: bool, **options: Any) -> None:
    """What was spent and saved, and by which strategy. A running service books what it answered once a second."""
    from semcache.savings_view import savings_csv, savings_view
    from semcache.stores.ledger_book import LedgerQuery

    where = {name: options.pop(name) for name in ("data_dir", "store")}
    day: datetime | None = options.pop("prices_of")
    by = options.pop("by")
    query = LedgerQuery(None if since is None else time.time() - since, by=() if by is None else (by,), **options)
    with opened(**where) as cache:
        report = cache.savings(query, prices_of=None if day is None else day.date())
    if as_csv:
        click.echo(savings_csv(report), nl=False)
    elif as_json:
        print_json(savings_view(report))
    else:
        print_savings(savings_view(report), by)


def print_savings(view: dict[str, Any], by: str | None) -> None:
    """A report's tables; `by` is what it is grouped by."""
    print_table(
        ("outcome", *_COLUMNS), _sums("outcome", [*view["outcomes"], {"outcome": "total", **view}]), right=_COLUMNS
    )
    if by is not None:
        print_table((by, *_COLUMNS), _sums("key", view["groups"]), right=_COLUMNS)
    if view["waterfall"] or view["caused"]:
        columns = ("strategy", "saved $", "of the bill", "bill then $")
        print_table(columns, _waterfall(view), right=columns[1:])
    if view["projection"] is not None:
        saved, cost = (_money(view["projection"][f"{what}_usd_per_month"]) for what in ("saved", "cost"))
        click.echo(f"a month: ${saved} saved, ${cost} paid ({view['projection']['assumption']})")


def _money(text: str) -> str:
    return money(Decimal(text))


def _sums(name: str, rows: Iterable[dict[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (
            row[name],
            row["requests"],
            _tokens(row, ""),
            _tokens(row, "billed_"),
            *(_money(row[amount]) for amount in ("baseline_usd", "cost_usd", "saved_usd")),
        )
        for row in rows
    ]


def _tokens(row: dict[str, Any], whose: str) -> str:
    return f"{row[f'{whose}input_tokens'] + row[f'{whose}output_tokens']:,}"


def _waterfall(view: dict[str, Any]) -> list[tuple[object, ...]]:
    from semcache.savings_view import bill_steps

    rows: list[tuple[object, ...]] = [("(as it came)", "", "", _money(view["baseline_usd"]))]
    for step in bill_steps(view):
        share = f"{step.share_of_baseline:.1%}"
        rows.append((step.name, _money(step.saved_usd), share, _money(step.remaining_usd)))
    return rows
