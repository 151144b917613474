"""`semcache replay`: what your own traffic would have cost, strategy by strategy."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semcache.cli.output import json_option, money, print_json, print_table

if TYPE_CHECKING:
    from semcache.request import Json
    from semcache.settings import Settings
    from semcache.traffic.recorded import Recorded
    from semcache.traffic.rehearsing import Rehearsed, Stage

    Run = Callable[[Settings, Path | None], Rehearsed]


@click.command()
@click.argument("traffic", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", default="claude-sonnet-5-5", show_default=True, help="Model of lines that name none.")
@click.option("--as-model", help="Send everything to this model, such as auto, whatever the lines name.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=1024, show_default=True, help="Of lines without.")
@click.option("--system", help="System prompt of lines without one.")
@click.option("--faq", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A FAQ to import first.")
@click.option("--mode", type=click.Choice(["off", "exact", "semantic"]), help="How far the cache may go.")
@click.option("--strategies", help="As SEMCACHE_STRATEGIES: all, none, or names split by commas.")
@click.option("--ablations", is_flag=True, help="Also run it with each strategy left out, and with each alone.")
@click.option("--limit", type=click.IntRange(min=1), help="Only so many requests.")
@click.option("--output-tokens", type=click.IntRange(min=1), default=250, show_default=True,
              help="Length of answers that were not recorded.")  # fmt: skip
@click.option("--work", type=click.Path(file_okay=False, path_type=Path), help="Folder to go on in after an interrupt.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the report as a page, too.")
@json_option
def replay(traffic: Path, as_json: bool, html: Path | None, **options: Any) -> None:
    """Run TRAFFIC through the whole pipeline, in its own time, against the simulator: nothing is sent to Claude.

    A line is what `semcache serve --record` wrote, a Messages body, {"prompt": …}, or a JSON string; a .txt file has a
    prompt in each line.
    """
    from semcache.traffic.page import page
    from semcache.traffic.report import ReplayReport
    from semcache.traffic.variants import AS_SET, variants

    stage, began = _stage(options), time.monotonic()
    chosen = variants(stage.settings) if options["ablations"] else {AS_SET: stage.settings}
    found = {name: _rehearsed(stage.under(settings), traffic, options, name) for name, settings in chosen.items()}
    main = found.pop(AS_SET)
    report = ReplayReport(traffic.name, main, found, stage.assumed_output_tokens, time.monotonic() - began)
    view = report.view()
    if html is not None:
        html.write_text(page(view), "utf-8")
    print_json(view) if as_json else _print(view)


def _stage(options: dict[str, Any]) -> Stage:
    from semcache.embedders.opening import open_embedder
    from semcache.opening import find_models_dir
    from semcache.pricing import PriceBook, find_claude_manifest
    from semcache.request import Mode
    from semcache.settings import load_settings
    from semcache.settings_tables import strategies
    from semcache.traffic.rehearsing import Stage

    settings = load_settings()
    if options["mode"] is not None:
        settings = replace(settings, mode=Mode(options["mode"]))
    if options["strategies"] is not None:
        settings = replace(settings, strategies=strategies(options["strategies"]))
    models_dir = find_models_dir(settings)
    prices = PriceBook.load(find_claude_manifest(models_dir))
    embedder = open_embedder(settings.embedder, models_dir=models_dir)
    return Stage(settings, prices, embedder, options["output_tokens"])


def _rehearsed(stage: Stage, traffic: Path, options: dict[str, Any], name: str) -> Rehearsed:
    """One run in a folder of its own: the one that may go on, or one that is gone afterwards."""
    if options["work"] is not None:
        folder = options["work"] / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        return _run(stage, folder, traffic, options, name)
    with tempfile.TemporaryDirectory(prefix="semcache-replay-") as folder:
        return _run(stage, Path(folder), traffic, options, name)


def _run(stage: Stage, folder: Path, traffic: Path, options: dict[str, Any], name: str) -> Rehearsed:
    from semcache.traffic.rehearsing import Rehearsal
    from semcache.traffic.resuming import Keeper, go_back

    standing = go_back(folder)
    requests = _requests(traffic, options)
    first = next(_requests(traffic, options), None)
    began_at = first.at if first is not None and first.at is not None else time.time()
    settings = replace(stage.settings, store="local:", data_dir=folder, embedder=stage.settings.embedder)
    total = _count(traffic, options["limit"])
    with Rehearsal(stage.under(settings), began_at=began_at, standing=standing) as rehearsal, _bar(name, total) as show:
        if standing is None and options["faq"] is not None:
            rehearsal.cache.import_faq(options["faq"])
        for _ in range(rehearsal.tally.requests):
            next(requests, None)
        keeper = Keeper(folder, rehearsal)

        def on_progress(count: int) -> None:
            show(count)
            keeper.note(count)

        rehearsal.run(requests, on_progress)
        keeper.keep()
        return rehearsal.result()


def _requests(traffic: Path, options: dict[str, Any]) -> Iterator[Recorded]:
    import itertools

    from semcache.traffic.recorded import read_traffic

    defaults = {name: options[name] for name in ("model", "max_tokens", "system") if options[name] is not None}
    as_model = options["as_model"]
    for each in itertools.islice(read_traffic(traffic, defaults), options["limit"]):
        yield each if as_model is None else replace(each, params={**each.params, "model": as_model})


def _count(traffic: Path, limit: int | None) -> int:
    with traffic.open("rb") as file:
        lines = sum(1 for line in file if line.strip())
    return lines if limit is None else min(limit, lines)


@contextmanager
def _bar(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """Progress on standard error, where somebody looks at it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    counted = TextColumn("{task.description} {task.completed:,.0f} of {task.total:,.0f} requests")
    columns = (counted, BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as progress:
        task = progress.add_task(name, total=total)
        yield lambda count: progress.update(task, completed=count)


def _print(view: Json) -> None:
    from semcache.cli.savings import print_savings

    print_savings(view["savings"], None)
    hits = view["hits"]
    kinds = ", ".join(f"{hits[kind]:,} {kind}" for kind in ("exact", "semantic", "faq", "miss", "batch"))
    click.echo(f"{view['requests']:,} requests in {view['seconds']} s: {kinds}")
    click.echo(f"answered from memory: {_rate(hits['rate'], hits['rate_interval'])}")
    false_rate = _rate(hits["false_rate"], hits["false_rate_interval"])
    click.echo(f"wrong among similar hits: {false_rate}, of {hits['judged']:,} judged")
    if view["ablations"]:
        columns = ("settings", "cost $", "more than as set $", "saved", "hits")
        rows = [
            (row["name"], money(float(row["cost_usd"])), money(float(row["more_usd"])), f"{row['saved_share']:.1%}",
             f"{row['hits']:,}")
            for row in view["ablations"]
        ]  # fmt: skip
        print_table(columns, rows, right=columns[1:])
    for reason, count in view["failed"].items():
        click.echo(f"refused: {reason}: {count:,}", err=True)


def _rate(rate: float | None, interval: tuple[float, float] | None) -> str:
    if rate is None or interval is None:
        return "unknown"
    return f"{rate:.2%} ({interval[0]:.2%} to {interval[1]:.2%})"
