"""`semcache batch`: files of requests in, results out, at half price where they can wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semcache.cli.opening import opened
from semcache.cli.output import F, ServiceUrl, json_option, print_json, print_table, store_options
from semcache.cli.progress import bar, counting

if TYPE_CHECKING:
    from semcache.batching.requests import BatchRequest
    from semcache.cli.batch_calls import BatchCalls
    from semcache.request import Json

_STANDARD_URL = "http://127.0.0.1:8080"
_COUNTS = ("processing", "succeeded", "errored", "canceled", "expired")

url_option = click.option(
    "--url",
    type=ServiceUrl(),
    envvar="SEMCACHE_URL",
    default=_STANDARD_URL,
    show_default=True,
    help="The running service; see SEMCACHE_URL.",
)


@click.group()
def batch() -> None:
    """Requests that can wait: answered from memory at once and for nothing, the rest at half price."""


def params_options(command: F) -> F:
    """Adds the options for what the lines of a file leave out."""
    for option in (
        click.option(
            "--max-tokens", type=click.IntRange(min=1), default=1024, show_default=True, help="Of lines without."
        ),
        click.option("--system", help="System prompt of lines without one."),
        click.option("--model", default="claude-sonnet-5-5", show_default=True, help="Model of lines without one."),
    ):
        command = option(command)
    return command


@batch.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@params_options
@url_option
@json_option
def submit(file: Path, url: str, as_json: bool, **options: Any) -> None:
    """Hand in FILE (.jsonl, .csv, or - for JSON lines on standard input) and print the id of the batch.

    A line is {"custom_id": …, "params": {…}} as in Claude's API, or holds a prompt: a string, or prompt and perhaps
    custom_id, model, system, max_tokens. The first row of a CSV names its columns.
    """
    from semcache.cli.batch_calls import BatchCalls

    view = BatchCalls(url).create(_requests(file, options))
    print_json(view) if as_json else click.echo(view["id"])


@batch.command()
@click.argument("batch_id")
@click.option("--wait", is_flag=True, help="Until it has ended, with a progress bar.")
@url_option
@json_option
def status(batch_id: str, wait: bool, url: str, as_json: bool) -> None:
    """Say how far a batch is."""
    from semcache.cli.batch_calls import BatchCalls

    calls = BatchCalls(url)
    view = _waited(calls, batch_id) if wait else calls.retrieve(batch_id)
    print_json(view) if as_json else _print_batches([view])


@batch.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many, newest first.")
@url_option
@json_option
def list_(limit: int, url: str, as_json: bool) -> None:
    """List the batches of this credential."""
    from semcache.cli.batch_calls import BatchCalls

    views = BatchCalls(url).listed(limit)
    print_json(views) if as_json else _print_batches(views)


@batch.command()
@click.argument("batch_id")
@url_option
@json_option
def cancel(batch_id: str, url: str, as_json: bool) -> None:
    """Cancel a batch. What is answered by then is kept, and can be read."""
    from semcache.cli.batch_calls import BatchCalls

    view = BatchCalls(url).cancel(batch_id)
    print_json(view) if as_json else _print_batches([view])


@batch.command()
@click.argument("batch_id")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File; default: standard output.")
@url_option
@json_option
def results(batch_id: str, output: Path | None, url: str, as_json: bool) -> None:
    """Fetch the results, one JSON line for each request. Into a file, a download that broke off is continued."""
    from semcache.cli.batch_calls import BatchCalls

    calls = BatchCalls(url)
    if output is None:
        for line in calls.results(batch_id):
            click.echo(line, nl=False)
        return
    total = calls.retrieve(batch_id)["semcache"]["total"]
    with bar("fetching", total) as moved:
        count = calls.download(batch_id, output, on_line=moved)
    if as_json:
        print_json({"id": batch_id, "lines": count, "file": str(output)})
    else:
        click.echo(f"{count} results in {output}")


@batch.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="File; default: standard output.")
@params_options
@click.option("--namespace", help="Namespace the requests belong to.")
@click.option("--upstream", help="claude, simulator, or a base URL; see SEMCACHE_UPSTREAM.")
@click.option(
    "--url", type=ServiceUrl(), envvar="SEMCACHE_URL", help="Let this running service do it; see SEMCACHE_URL."
)
@store_options
@json_option
def run(file: Path, output: Path | None, url: str | None, as_json: bool, **options: Any) -> None:
    """Answer all of FILE (or -), wait, and write the results: in this process, or by a running service with --url.

    After an interrupt the batch is not lost: whoever opens the same store next, `semcache serve` too, goes on with it.
    """
    places = {name: options.pop(name) for name in ("data_dir", "store", "upstream")}
    namespace = options.pop("namespace")
    requests = _requests(file, options)
    if url is None:
        view = _run_here(requests, output, namespace=namespace, **places)
    else:
        view = _run_there(url, requests, output)
    if as_json:
        print_json(view)
    else:
        click.secho(_summary(view), dim=True, err=True)


def _run_here(requests: Iterator[BatchRequest], output: Path | None, *, namespace: str | None, **places: Any) -> Json:
    with opened(**places) as cache:
        with counting() as show:
            found = cache.batch(requests, on_progress=show, namespace=namespace)
        _write((line.content() for line in found), output)
        found.forget()
        return {"id": found.id, "request_counts": found.counts.body(), "file": str(output) if output else None}


def _run_there(url: str, requests: Iterator[BatchRequest], output: Path | None) -> Json:
    from semcache.cli.batch_calls import BatchCalls

    calls = BatchCalls(url)
    view = _waited(calls, calls.create(requests)["id"])
    if output is None:
        _write(calls.results(view["id"]), None)
    else:
        calls.download(view["id"], output)
    return {"id": view["id"], "request_counts": view["request_counts"], "file": str(output) if output else None}


def _requests(file: Path, options: dict[str, Any]) -> Iterator[BatchRequest]:
    from semcache.batches.files import read_requests

    return read_requests(file, {name: value for name, value in options.items() if value is not None})


def _waited(calls: BatchCalls, batch_id: str) -> Json:
    """The batch once it has ended."""
    with counting() as show:
        return calls.waited(batch_id, show)


def _write(lines: Iterable[bytes], output: Path | None) -> None:
    if output is None:
        for line in lines:
            click.echo(line, nl=False)
        return
    with output.open("wb") as file:
        file.writelines(lines)


def _print_batches(views: Iterable[Json]) -> None:
    rows = [
        (view["id"], view["processing_status"], *(view["request_counts"][name] for name in _COUNTS), view["created_at"])
        for view in views
    ]
    print_table(("batch", "status", *_COUNTS, "created"), rows, right=_COUNTS)


def _summary(view: Json) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in view["request_counts"].items() if count)
    return f"{view['id']}: {counts}"
