"""`semcache deployment`: example files for several machines, as this version is tried with."""

from __future__ import annotations

from importlib.resources import files

import click

_FILES = ("nginx.conf", "semcache.service", "postgres.toml", "postgres.sql", "redis.toml", "redis.conf")


@click.command()
@click.argument("file", required=False, type=click.Choice(_FILES), metavar="[FILE]")
def deployment(file: str | None) -> None:
    """Print an example file for several machines; without FILE, what there is.

    `semcache deployment nginx.conf > /etc/nginx/nginx.conf`, then change the addresses in it.
    """
    if file is None:
        click.echo("\n".join(_FILES))
    else:
        click.echo(files("semcache.deployment").joinpath(file).read_text("utf-8"), nl=False)
