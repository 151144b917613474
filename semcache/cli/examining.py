"""`semcache doctor`: is everything there, intact and up to date; each finding with its remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semcache.cli.finding import Finding, Level, fail, ok
from semcache.cli.output import json_option, print_json, store_options
from semcache.errors import SemcacheError

if TYPE_CHECKING:
    from semcache.settings import Settings

Check = Callable[["Settings"], Iterator[Finding]]

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command()
@click.option("--online", is_flag=True, help="Also see whether the upstream can be reached.")
@store_options
@json_option
def doctor(online: bool, as_json: bool, **where: str | None) -> None:
    """Check settings, embedding model, store, index, disk, prices and, if asked, the upstream.

    The exit code is 1 where anything failed; warnings do not count.
    """
    findings = list(_examined(online=online, **where))
    if as_json:
        print_json([_view(finding) for finding in findings])
    else:
        for finding in findings:
            click.secho(f"{finding.level.value:>4}  ", fg=_COLOURS[finding.level], nl=False)
            click.echo(f"{finding.what}: {finding.finding}" + (f"; {finding.remedy}" if finding.remedy else ""))
    if any(finding.level is Level.FAIL for finding in findings):
        raise click.exceptions.Exit(1)


def _examined(*, online: bool, data_dir: str | None, store: str | None) -> Iterator[Finding]:
    from semcache.settings import load_settings

    try:
        settings = load_settings(data_dir=Path(data_dir) if data_dir else None, store=store)
    except SemcacheError as error:
        yield fail("settings", str(error))
        return
    yield ok("settings", "understood")
    for what, check in _checks(online=online):
        yield from _guarded(what, check, settings)


def _checks(*, online: bool) -> list[tuple[str, Check]]:
    from semcache.cli import model_checks, state_checks

    checks: list[tuple[str, Check]] = [
        ("access", state_checks.access),
        ("threads", state_checks.threads),
        ("models directory", model_checks.models_dir),
        ("embedding model", model_checks.embedding_model),
        ("scorer", model_checks.scorer),
        ("disk", state_checks.disk),
        ("store", state_checks.store),
        ("prices", model_checks.prices),
        ("Claude models", model_checks.claude_models),
        ("routing", model_checks.routing),
    ]
    return [*checks, ("upstream", model_checks.upstream)] if online else checks


def _guarded(what: str, check: Check, settings: Settings) -> Iterator[Finding]:
    """One check that cannot be made does not keep the others from being made."""
    try:
        yield from check(settings)
    except SemcacheError as error:
        yield fail(what, " ".join(str(error).split()))
    except OSError as error:
        yield fail(what, f"{error.filename}: {error.strerror}", "give this user the right to read it")


def _view(finding: Finding) -> dict[str, Any]:
    return {
        "level": finding.level.value,
        "what": finding.what,
        "finding": finding.finding,
        "remedy": finding.remedy,
    }
