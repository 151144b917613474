"""`semcache models`: which embedding models there are, and building them."""

from __future__ import annotations

import click

from semcache.cli.opening import opened
from semcache.cli.output import json_option, print_json, print_table, store_options


@click.group()
def models() -> None:
    """Embedding models."""


@models.command()
@click.argument("name", required=False)
@click.option("--force", is_flag=True, help="Build again what is built already.")
def build(name: str | None, force: bool) -> None:
    """Build NAME: a model of embedders.toml (default), a hub name, or a folder that sentence-transformers loads."""
    import shutil

    from semcache.assembly import find_models_dir
    from semcache.embedders.build import build_model
    from semcache.embedders.originals import resolve_source
    from semcache.settings import load_settings

    settings = load_settings()
    models_dir = find_models_dir(settings)
    wanted = name or settings.embedder
    source = resolve_source(wanted, models_dir=models_dir)
    if force:
        shutil.rmtree(models_dir / getattr(source, "name", str(source)), ignore_errors=True)
    shown: set[str] = set()

    def progress(step: str, share: float) -> None:
        if step not in shown:
            shown.add(step)
            click.echo(f"{share:4.0%}  {step}", err=True)

    folder = build_model(source, models_dir=models_dir, progress=progress)
    click.echo(f"{folder} is ready")


@models.command()
@store_options
def reembed(data_dir: str | None, store: str | None) -> None:
    """Embed anew what another model embedded. The service does it by itself when it starts."""
    with opened(data_dir=data_dir, store=store) as cache:
        count = cache.reembed()
    click.echo(f"{count} entries embedded anew")


@models.command("list")
@json_option
def list_(as_json: bool) -> None:
    """The models of embedders.toml, and whether they are built."""
    from semcache.assembly import find_models_dir
    from semcache.embedders.manifest import find_manifest, read_manifest
    from semcache.settings import load_settings

    models_dir = find_models_dir(load_settings())
    rows = [
        {
            "name": spec.name,
            "dims": spec.dims,
            "window_tokens": spec.window_tokens,
            "licence": spec.licence,
            "built": (models_dir / spec.name / "built.json").is_file(),
            "calibrated": spec.calibration is not None,
        }
        for spec in read_manifest(find_manifest(models_dir)).values()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(tuple(rows[0]) if rows else (), [tuple(row.values()) for row in rows])
