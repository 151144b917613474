"""`semcache store`: moving house."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from functools import partial

import click

from semcache.cli.output import CommandLine, json_option, print_json
from semcache.cli.progress import progress


@click.group(cls=CommandLine)
def store() -> None:
    """What holds the cache: move it to another store."""


@store.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--embedder", help="Embedding model of the target; texts of another are embedded anew.")
@json_option
def copy(source: str, target: str, embedder: str | None, as_json: bool) -> None:
    """Copy all that the store FROM holds into the store TO, but for batches. Both are store URLs, as in SEMCACHE_STORE.

    Both may be in use. Interrupted, it goes on when called again; called once more after the service has changed
    over, it brings what came in meanwhile.
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
        opened = partial(open_store, data_dir=settings.data_dir, space=model.fingerprint, dims=model.dims, limits=room)
        with closing(opened(source)) as old, closing(opened(target)) as new:
            total = old.stats().entries
            if total > new.stats().entries + settings.max_entries:
                raise StoreError(f"TO may hold {settings.max_entries} entries (SEMCACHE_MAX_ENTRIES), FROM has {total}")
            with progress(hidden=as_json, total=total, what="entries") as advance:
                report = move(old, new, embed_many=model.embed_many, on_progress=lambda place: advance(1))
            waiting = len(old.batches.unended()) if hasattr(old, "batches") else 0
    if as_json:
        print_json({**asdict(report), "batches_left_behind": waiting})
        return
    click.echo(
        f"{report.entries} entries copied ({report.known} known already, {report.withdrawn} withdrawn), "
        f"{report.embedded} texts embedded anew, {report.ledger_rows} rows of the ledger, "
        f"{report.observations} labels and audits, {report.documents} documents, {report.servings} servings"
    )
    if waiting:
        click.echo(f"{waiting} batches under way stay behind: let the old service finish them", err=True)
