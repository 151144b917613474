"""`semcache store`: moving house, and upkeep."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from semcache.cli.opening import opened
from semcache.cli.output import CommandLine, json_option, print_json, store_options
from semcache.cli.progress import progress
from semcache.errors import SettingsError


@click.group(cls=CommandLine)
def store() -> None:
    """What holds the cache: move it to another store, look after it."""


@store.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--embedder", help="Embedding model of the target; texts of another are embedded anew.")
@click.option("--anew", is_flag=True, help="Bring back what was copied before and has been removed from TO since.")
@json_option
def copy(source: str, target: str, embedder: str | None, anew: bool, as_json: bool) -> None:
    """Copy all that the store FROM holds into the store TO, but for batches. Both are store URLs, as in SEMCACHE_STORE.

    Both may be in use. Interrupted, it goes on when called again; called once more after the service has changed
    over, it brings what came in meanwhile. What was removed from TO since it was copied stays removed.
    """
    from semcache.embedders.opening import open_embedder
    from semcache.errors import StoreError
    from semcache.moving import move
    from semcache.opening import find_models_dir
    from semcache.settings import load_settings
    from semcache.stores.limits import Limits
    from semcache.stores.opening import open_store

    if source == target:
        raise click.ClickException("FROM and TO are one and the same store")
    settings = load_settings(embedder=embedder)
    room = Limits(max_entries=settings.max_entries, max_bytes=settings.max_bytes)
    with closing(open_embedder(settings.embedder, models_dir=find_models_dir(settings))) as model:
        opened_as = partial(
            open_store, data_dir=settings.data_dir, space=model.fingerprint, dims=model.dims, limits=room
        )
        with closing(opened_as(source)) as old, closing(opened_as(target)) as new:
            total = old.stats().entries
            if total > new.stats().entries + settings.max_entries:
                raise StoreError(f"TO may hold {settings.max_entries} entries (SEMCACHE_MAX_ENTRIES), FROM has {total}")
            with progress(hidden=as_json, total=total, what="entries") as advance:
                report = move(old, new, embed_many=model.embed_many, on_progress=lambda place: advance(1), anew=anew)
            waiting = len(old.batches.unended()) if hasattr(old, "batches") else 0
    if as_json:
        print_json({**asdict(report), "batches_left_behind": waiting})
        return
    click.echo(
        f"{report.entries} entries copied ({report.known} known already, {report.withdrawn} withdrawn), "
        f"{report.embedded} texts embedded anew, {report.ledger_rows} rows of the ledger, "
        f"{report.observations} labels and audits, {report.documents} documents, {report.servings} servings"
    )
    if report.left_out:
        click.echo(
            f"{report.left_out} entries were removed from TO since they were copied, and stay so (--anew brings them "
            "back); what came into FROM meanwhile was copied: if it was meant too, purge again",
            err=True,
        )
    if waiting:
        click.echo(f"{waiting} batches under way stay behind: let the old service finish them", err=True)


@store.command()
@store_options
@json_option
def maintain(as_json: bool, **where: Any) -> None:
    """Rebuild the vector indexes of PostgreSQL and clear away what was deleted, while others go on using it.

    Worth a cron job where semcache_vector_index=hnsw is set and answers come and go: daily, or after a large purge.
    """
    done = []
    with opened(**where) as cache:
        for each in _maintained(cache.parts.assembly.store):
            done.append({"what": each.what, "of": each.of})
            if not as_json:
                click.echo(f"{each.what} {each.of}")
    if as_json:
        print_json(done)


def _maintained(kept: Any) -> Iterator[Any]:
    """Raises `SettingsError` for a store that looks after itself."""
    if not hasattr(kept, "maintain"):
        raise SettingsError("store: this one looks after itself; only a postgresql:// store needs upkeep")
    yield from kept.maintain()
