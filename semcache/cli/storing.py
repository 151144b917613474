"""`semcache store`: the upkeep of where answers are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from semcache.cli.opening import opened
from semcache.cli.output import json_option, print_json, store_options
from semcache.errors import SettingsError


@click.group()
def store() -> None:
    """Look after the store itself."""


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
