"""`semcache models`: which embedding models there are, and building them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semcache.cli.opening import opened
from semcache.cli.output import json_option, print_json, print_table, store_options

if TYPE_CHECKING:
    from semcache.embedders.originals import Origin


@click.group()
def models() -> None:
    """Embedding models."""


@models.command()
@click.argument("name", required=False)
@click.option("--force", is_flag=True, help="Build again what is built already.")
@json_option
def build(name: str | None, force: bool, as_json: bool) -> None:
    """Build NAME: a model of embedders.toml (default), a hub name, or a folder that sentence-transformers loads."""
    from semcache.embedders.build import build_model
    from semcache.embedders.built import read_built
    from semcache.embedders.opening import SENTENCE_TRANSFORMERS
    from semcache.embedders.originals import origin_of, resolve_source
    from semcache.opening import find_models_dir
    from semcache.settings import load_settings

    settings = load_settings()
    models_dir = find_models_dir(settings)
    source = resolve_source(name or settings.embedder.removeprefix(SENTENCE_TRANSFORMERS), models_dir=models_dir)
    origin = origin_of(source)
    folder = models_dir / origin.name
    refuse_original(origin, folder)
    if force:
        require_built_from(folder, origin)
    with replacing(folder) if force else nullcontext(models_dir) as room:
        build_model(source, models_dir=room, progress=_progress())
    if as_json:
        print_json({"name": origin.name, "folder": folder, "fingerprint": read_built(folder).fingerprint})
    else:
        click.echo(f"{folder} is ready")


@models.command()
@store_options
@json_option
def reembed(as_json: bool, **where: Any) -> None:
    """Embed anew what another model embedded. The service does it by itself when it starts."""
    with opened(**where) as cache:
        count = cache.reembed()
    if as_json:
        print_json({"entries": count})
    else:
        click.echo(f"{count} {'entry' if count == 1 else 'entries'} embedded anew")


@models.command("list")
@json_option
def list_(as_json: bool) -> None:
    """The models of embedders.toml, whether they are built, and whether the decision has a scorer for them."""
    from semcache.decision.scorer import find_scorers, load_scorer
    from semcache.embedders.manifest import find_manifest, read_manifest
    from semcache.opening import find_models_dir
    from semcache.settings import load_settings

    models_dir = find_models_dir(load_settings())
    scorers = find_scorers(models_dir)
    rows = [
        {
            "name": spec.name,
            "dims": spec.dims,
            "window_tokens": spec.window_tokens,
            "licence": spec.licence,
            "built": (models_dir / spec.name / "built.json").is_file(),
            "scorer": load_scorer(scorers, spec.name) is not None,
        }
        for spec in read_manifest(find_manifest(models_dir)).values()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(tuple(rows[0]) if rows else (), [tuple(row.values()) for row in rows])


def refuse_original(origin: Origin, folder: Path) -> None:
    """What is built replaces the folder of its name: that must not be the original, or what holds it."""
    if origin.spec is not None or origin.place is None or not Path(origin.place).is_dir():
        return
    place, target = Path(origin.place).resolve(), folder.resolve()
    if place == target or target in place.parents:
        raise click.UsageError(f"{place}: what is built would take the place of the original; move it elsewhere")


def require_built_from(folder: Path, origin: Origin) -> None:
    """Only what was built from this source may be replaced. Raises `EmbedderError` for what cannot be read."""
    from semcache.embedders.built import BUILT_FILE, read_built

    if not folder.exists():
        return
    if not (folder / BUILT_FILE).is_file():
        raise click.UsageError(f"{folder}: not a built model; --force would remove it, so move it elsewhere")
    if (source := read_built(folder).source) != origin.label:
        raise click.UsageError(f"{folder}: built from {source}, not from {origin.label}; rename the new model")


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yields where to build anew; what was built then takes the folder's place. If that fails, nothing has changed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        room, old = Path(scratch) / "new", Path(scratch) / "old"
        yield room
        if folder.exists():
            folder.rename(old)
        try:
            (room / folder.name).rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise


def _progress() -> Callable[[str, float], None]:
    """Each step once, on standard error."""
    shown: set[str] = set()

    def progress(step: str, share: float) -> None:
        if step not in shown:
            shown.add(step)
            click.echo(f"{share:4.0%}  {step}", err=True)

    return progress
