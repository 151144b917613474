"""`semcache import`, `stats`, `purge` and `feedback`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semcache.cli.opening import opened
from semcache.cli.output import Duration, json_option, print_json, print_table, store_options
from semcache.cli.progress import progress

if TYPE_CHECKING:
    from semcache.batching.message_batch import Counts
    from semcache.client import SemanticCache
    from semcache.curation import ImportReport


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@click.option("--namespace", default="default", show_default=True, help="Namespace whose requests it answers.")
@click.option("--tags", default="", help="Tags for every row, comma-separated.")
@click.option("--model", help="Answer only requests to this model.")
@click.option("--system", help="Answer only requests with this system prompt.")
@click.option("--warm", is_flag=True, help="Ask Claude, at half price, the questions whose answer is empty.")
@click.option("--upstream", help="Whom --warm asks: claude, simulator, or a base URL; see SEMCACHE_UPSTREAM.")
@click.option("--format", "kind", type=click.Choice(["csv", "jsonl", "markdown"]), help="Default: by the file's name.")
@store_options
@json_option
def import_(files: tuple[str, ...], kind: str | None, tags: str, warm: bool, as_json: bool, **options: Any) -> None:
    """Import FAQ FILES (CSV, JSONL, Markdown with question headings). Importing again changes nothing.

    Rows in error are named by file and line and lose no others; the exit code is 1 where no row was good. With --warm,
    what Claude says to a question without an answer is no part of the FAQ: it is known, for --model and --system, as
    if somebody had asked it, and grows old like any learned answer.
    """
    from semcache.faq import FaqFormat
    from semcache.wire import read_tags

    where = {name: options.pop(name) for name in ("data_dir", "store", "upstream")}
    chosen = FaqFormat(kind) if kind else None
    views = {}
    with opened(**where) as cache, progress(hidden=as_json) as advance:
        for file in files:
            report = cache.import_faq(Path(file), format=chosen, tags=read_tags(tags), on_progress=advance, **options)
            views[file] = _view(report, _warmed(cache, report, tags=read_tags(tags), **options) if warm else None)
    if as_json:
        print_json(views)
    else:
        for file, view in views.items():
            _print_import(file, view)
    if all(view["errors"] and not any(view.get(name) for name in _GOOD) for view in views.values()):
        raise click.exceptions.Exit(1)


_GOOD = ("added", "updated", "unchanged", "asked")


def _warmed(
    cache: SemanticCache, report: ImportReport, *, tags: tuple[str, ...], model: str | None, **options: Any
) -> Counts:
    """Ask the questions without an answer, in one batch, and take them out of the errors."""
    from semcache.batching.message_batch import Counts
    from semcache.faq import Unanswered

    asked = [row for row in report.errors if isinstance(row, Unanswered)]
    report.errors = [row for row in report.errors if not isinstance(row, Unanswered)]
    if not asked:
        return Counts()
    given = {**options, "tags": tags, **({} if model is None else {"model": model})}
    found = cache.batch([row.question for row in asked], **given)
    found.forget()
    return found.counts


def _view(report: ImportReport, warmed: Counts | None) -> dict[str, Any]:
    from semcache.service.views import import_view

    view = import_view(report)
    return view if warmed is None else {**view, "asked": warmed.total, "answered": warmed.succeeded}


def _print_import(file: str, view: dict[str, Any]) -> None:
    asked = f", {view['answered']} of {view['asked']} questions answered" if view.get("asked") else ""
    click.echo(f"{file}: {view['added']} added, {view['updated']} updated, {view['unchanged']} unchanged{asked}")
    for error in view["errors"]:
        click.echo(f"{file}:{error['line']}: {error['problem']}", err=True)


@click.command()
@store_options
@json_option
def stats(as_json: bool, **where: Any) -> None:
    """How full the cache is."""
    with opened(**where) as cache:
        figures = asdict(cache.stats())
    if as_json:
        print_json(figures)
    else:
        rows = [(name.replace("_", " "), f"{value:,}") for name, value in figures.items()]
        print_table(("what", "how many"), rows, right=("how many",))


@click.command()
@click.option("--tag", help="Entries with this tag.")
@click.option("--namespace", help="Entries of this namespace.")
@click.option("--model", help="Entries requested of, or served by, this model.")
@click.option("--kind", type=click.Choice(["learned", "faq"]), help="Learned answers, or curated ones.")
@click.option("--older-than", type=Duration(), help="Entries stored longer ago than 90m, 12h, 7d, …")
@click.option("--near", help="Entries with a question near this text.")
@click.option("--similarity", type=click.FloatRange(-1, 1), help="How near, as cosine.  [default: 0.85]")
@click.option("--entry", "entry_ids", multiple=True, help="The entry of this id; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_options
@json_option
def purge(dry_run: bool, yes: bool, as_json: bool, **options: Any) -> None:
    """Remove the entries that meet every condition given. Says how many, and asks before it removes them."""
    where = {name: options.pop(name) for name in ("data_dir", "store")}
    conditions = _conditions(**options)
    if as_json and not dry_run and not yes:
        raise click.UsageError("--json cannot ask; add --yes to remove, or --dry-run to count")
    with opened(**where) as cache:
        count = cache.purge(**conditions, dry_run=True)
        if count and not dry_run:
            if not yes:
                click.confirm(f"remove {count} {'entry' if count == 1 else 'entries'}?", abort=True, err=True)
            count = cache.purge(**conditions)
    if as_json:
        print_json({"removed": count, "dry_run": dry_run})
    else:
        click.echo(f"{count} {'entry' if count == 1 else 'entries'} {'would be ' if dry_run else ''}removed")


def _conditions(older_than: float | None, **options: Any) -> dict[str, Any]:
    """What the cache is told to purge by."""
    from semcache.entry import Kind

    given = {name: value for name, value in options.items() if value not in (None, ())}
    if older_than is not None:
        given["created_before"] = time.time() - older_than
    if not given.keys() - {"similarity"}:
        raise click.UsageError("name at least one condition; to remove everything, purge by --namespace")
    if "similarity" in given and "near" not in given:
        raise click.UsageError("--similarity says how near to --near TEXT; give that too")
    if not given.get("near", "some").strip():
        raise click.UsageError("--near: empty; give the text to be near to")
    return {name: Kind(value) if name == "kind" else value for name, value in given.items()}


@click.command()
@click.argument("answer")
@click.argument("verdict", type=click.Choice(["right", "wrong"]))
@click.option("--question", help="The question it was served for, if another than is known.")
@store_options
@json_option
def feedback(answer: str, verdict: str, question: str | None, as_json: bool, **where: Any) -> None:
    """Say that ANSWER was right or wrong: the id of an entry, or of a message or request that it was served under.

    A wrong answer is not served for that question, or near it, again.
    """
    from semcache.service.quality_views import correction_view

    with opened(**where) as cache:
        found = cache.feedback(answer, right=verdict == "right", question=question)
        if found is None:
            raise click.ClickException(
                f"there is no answer {answer}; give the id in the x-semcache-entry header, or that of the message"
            )
        cache.settle(_SETTLED_WITHIN_SECONDS)
    view: dict[str, Any] = {**correction_view(found, shows_texts=True), "verdict": verdict}
    if as_json:
        print_json(view)
        return
    click.echo(f"{view['entry']}: noted as {verdict}; {_EFFECTS[view['effect'], verdict]}")
    affected = view["affected"]
    for wording in affected["wordings"]:
        click.echo(f"also known for: {wording}")
    if affected["servings"]:
        last = affected["recent_servings"][0]["message"]
        click.echo(f"served or stored {affected['servings']} times of late, last as {last}")


_SETTLED_WITHIN_SECONDS = 5.0
_EFFECTS = {
    ("removed", "wrong"): "it is removed, and not remembered when it comes again",
    ("learned", "wrong"): "it is not served for that question, or near it, again",
    ("learned", "right"): "it is known for that question now",
    ("unchanged", "right"): "nothing had to change",
}
