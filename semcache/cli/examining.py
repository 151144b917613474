"""`semcache doctor`: is everything there, intact and up to date; each finding with its remedy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from semcache.cli.output import json_option, print_json
from semcache.errors import SemcacheError

if TYPE_CHECKING:
    from semcache.pricing import PriceBook
    from semcache.settings import Settings

_PRICES_OLD_AFTER = timedelta(days=90)
_RETIRING_WITHIN = timedelta(days=60)
_LOW_DISK_BYTES = 1_000_000_000
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True)
class Finding:
    """One line of the report; `level` is ok, warn or fail."""

    level: str
    what: str
    finding: str
    remedy: str = ""


@click.command()
@click.option("--online", is_flag=True, help="Also see whether the upstream can be reached.")
@json_option
def doctor(online: bool, as_json: bool) -> None:
    """Check settings, embedding model, store, disk, prices and, if asked, the upstream."""
    findings = list(_examined(online=online))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.secho(f"{finding.level:>4}  ", fg=_COLOURS[finding.level], nl=False)
            click.echo(f"{finding.what}: {finding.finding}" + (f"; {finding.remedy}" if finding.remedy else ""))
    if any(finding.level == "fail" for finding in findings):
        raise click.exceptions.Exit(1)


def _examined(*, online: bool) -> Iterator[Finding]:
    from semcache.settings import load_settings

    try:
        settings = load_settings()
    except SemcacheError as error:
        yield Finding("fail", "settings", str(error))
        return
    yield Finding("ok", "settings", "understood")
    checks = [_access, _model, _calibration, _store, _disk, _prices, _models]
    for check in [*checks, _upstream] if online else checks:
        yield from _guarded(check, settings)


def _guarded(check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> Iterator[Finding]:
    try:
        yield from check(settings)
    except SemcacheError as error:
        yield Finding("fail", check.__name__.strip("_"), str(error))


def _access(settings: Settings) -> Iterator[Finding]:
    is_local = settings.host in ("127.0.0.1", "::1", "localhost")
    if not is_local and not settings.api_keys:
        yield Finding("warn", "access", f"{settings.host} is open to everyone", "set SEMCACHE_API_KEYS")
    if settings.api_keys and not settings.anthropic_api_key and settings.upstream == "claude":
        yield Finding("fail", "access", "service keys cannot be used at Claude", "set ANTHROPIC_API_KEY")
    file = settings.data_dir / "cache.sqlite3"
    if file.exists() and file.stat().st_mode & 0o007:
        yield Finding("warn", "access", f"{file} can be read by everyone on this machine", f"chmod o= {file}")


def _model(settings: Settings) -> Iterator[Finding]:
    from semcache.assembly import find_models_dir
    from semcache.embedders.opening import open_embedder

    embedder = open_embedder(settings.embedder, models_dir=find_models_dir(settings))
    yield Finding("ok", "embedding model", f"{embedder.fingerprint} is intact")
    embedder.close()


def _calibration(settings: Settings) -> Iterator[Finding]:
    from semcache.assembly import find_models_dir
    from semcache.embedders.opening import calibration_of

    calibration = calibration_of(settings.embedder, models_dir=find_models_dir(settings))
    remedy = "run benchmarks/calibrate_threshold.py --write models/embedders.toml"
    if calibration is None:
        yield Finding("fail", "calibration", f"{settings.embedder} has none", remedy)
    elif calibration.threshold_for(settings.error_budget) > 1:
        yield Finding("warn", "calibration", f"no similarity is safe enough for {settings.error_budget:.2%}", remedy)
    else:
        threshold = calibration.threshold_for(settings.error_budget)
        yield Finding(
            "ok", "calibration", f"similar from {threshold} on, for at most {settings.error_budget:.2%} wrong"
        )


def _store(settings: Settings) -> Iterator[Finding]:
    from semcache.assembly import find_models_dir
    from semcache.embedders.opening import open_embedder
    from semcache.stores.local.examination import problems_in
    from semcache.stores.opening import open_store

    scheme, _, rest = settings.store.partition(":")
    file = (Path(rest) if rest else settings.data_dir) / "cache.sqlite3"
    if scheme == "local" and not file.exists():
        yield Finding("ok", "store", f"{file} will be made at the first start")
        return
    problems = problems_in(file) if scheme == "local" else []
    if problems:
        yield Finding("fail", "store", f"{file}: {problems[0]}", "restore it from a backup, or move it aside")
        return
    embedder = open_embedder(settings.embedder, models_dir=find_models_dir(settings))
    store = open_store(settings.store, data_dir=settings.data_dir, space=embedder.fingerprint, dims=embedder.dims)
    figures = store.stats()
    yield Finding("ok", "store", f"{figures.entries} entries, {figures.faq_entries} of them FAQ, {figures.hits} hits")
    store.close()


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.data_dir if settings.data_dir.exists() else Path()
    free = shutil.disk_usage(folder).free
    level = "ok" if free > _LOW_DISK_BYTES else "warn"
    yield Finding(
        level, "disk", f"{free / 1e9:.1f} GB free", "" if level == "ok" else "make room, or set SEMCACHE_MAX_BYTES"
    )
    if not os.access(folder, os.W_OK):
        yield Finding("fail", "disk", f"{folder} cannot be written", "set SEMCACHE_DATA_DIR")


def _prices(settings: Settings) -> Iterator[Finding]:
    prices = _book(settings)
    age = _today() - prices.checked
    level = "warn" if age > _PRICES_OLD_AFTER else "ok"
    remedy = "compare models/claude.toml with the price page" if level == "warn" else ""
    yield Finding(level, "prices", f"checked {age.days} days ago", remedy)


def _models(settings: Settings) -> Iterator[Finding]:
    today = _today()
    for model in _book(settings).models:
        if model.retires_at is not None and today <= model.retires_at <= today + _RETIRING_WITHIN:
            yield Finding(
                "warn", "models", f"{model.id} retires on {model.retires_at}", "move its callers to a successor"
            )


def _upstream(settings: Settings) -> Iterator[Finding]:
    import asyncio

    from semcache.assembly import open_upstream
    from semcache.upstream.upstream import UpstreamRequest

    async def status() -> int:
        upstream = open_upstream(settings, _book(settings))
        try:
            response = await upstream.open(UpstreamRequest("HEAD", "/api/hello"))
            await response.aclose()
            return response.status
        finally:
            await upstream.aclose()

    yield Finding("ok", "upstream", f"{settings.upstream} answers ({asyncio.run(status())})")


def _book(settings: Settings) -> PriceBook:
    from semcache.assembly import find_models_dir
    from semcache.pricing import PriceBook, find_claude_manifest

    return PriceBook.load(find_claude_manifest(find_models_dir(settings)))


def _today() -> date:
    return datetime.now().astimezone().date()
