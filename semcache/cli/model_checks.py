"""The doctor's checks of what is data: the embedding model, its scorer, prices, and Claude's models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from semcache.cli.finding import Finding, fail, ok, warn

if TYPE_CHECKING:
    from semcache.pricing import PriceBook
    from semcache.settings import Settings

_PRICES_OLD_AFTER = timedelta(days=90)
_RETIRING_WITHIN = timedelta(days=60)


def models_dir(settings: Settings) -> Iterator[Finding]:
    from semcache.embedders.manifest import find_manifest

    folder, manifest = _models_dir(settings), find_manifest(_models_dir(settings))
    if not folder.is_dir():
        yield fail(
            "models directory", f"{folder} is not there", "run `semcache models build`, or set SEMCACHE_MODELS_DIR"
        )
    elif manifest.parent != folder:
        yield warn("models directory", f"{folder} has no manifest; {manifest} is read", "set SEMCACHE_MODELS_DIR")
    else:
        yield ok("models directory", str(folder))


def embedding_model(settings: Settings) -> Iterator[Finding]:
    """Opening it compares every file with its checksum."""
    from semcache.embedders.opening import open_embedder

    embedder = open_embedder(settings.embedder, models_dir=_models_dir(settings))
    yield ok("embedding model", f"{embedder.fingerprint} is intact")
    embedder.close()


def scorer(settings: Settings) -> Iterator[Finding]:
    """What is known of the embedding model's similarities before any label has come in."""
    from semcache.errors import SettingsError
    from semcache.opening import open_prior

    try:
        prior = open_prior(settings.embedder, models_dir=_models_dir(settings))
    except SettingsError as error:
        yield fail("scorer", str(error), "run benchmarks/train_scorer.py --write models/scorer.toml")
    else:
        yield ok("scorer", f"{len(prior.weights)} weights for {settings.embedder}")


def prices(settings: Settings) -> Iterator[Finding]:
    age = today() - _book(settings).checked
    said = f"checked {age.days} days ago"
    if age > _PRICES_OLD_AFTER:
        yield warn("prices", said, "compare models/claude.toml with Claude's price page")
    else:
        yield ok("prices", said)


def claude_models(settings: Settings) -> Iterator[Finding]:
    """Those that are going, and those that have gone although the manifest does not say so."""
    from semcache.pricing.model import Lifecycle

    book, day = _book(settings), today()
    yield ok("Claude models", f"{sum(model.answers_on(day) for model in book.models)} are known that answer today")
    for model in book.models:
        if model.retires_at is None:
            continue
        if model.lifecycle is Lifecycle.RETIRED:
            yield ok("Claude models", f"{model.id} retired on {model.retires_at}")
        elif model.retires_at <= day:
            finding = f"{model.id} retired on {model.retires_at}, and models/claude.toml does not say so"
            yield warn("Claude models", finding, "update models/claude.toml, and move its callers to a successor")
        elif model.retires_at <= day + _RETIRING_WITHIN:
            yield warn("Claude models", f"{model.id} retires on {model.retires_at}", "move its callers to a successor")


def routing(settings: Settings) -> Iterator[Finding]:
    """Whether every arm that misses may be sent to answers today, and goes on doing so."""
    from semcache.strategies.routing.table import find_routing_table, load_routing_table

    book, day = _book(settings), today()
    table = load_routing_table(find_routing_table(_models_dir(settings)), book, settings.routing)
    arms = {str(arm): arm.model for arm in (*table.ladder, *(task.arm for task in table.tasks.values()))}
    for name, model in arms.items():
        if not model.answers_on(day):
            yield fail("routing", f"{name} no longer answers", "name another model in [routing] of semcache.toml")
        elif model.retires_at is not None and model.retires_at <= day + _RETIRING_WITHIN:
            yield warn("routing", f"{name} retires on {model.retires_at}", "name its successor in [routing]")
    yield ok("routing", f"simple, moderate, complex: {', '.join(map(str, table.ladder))}")


def upstream(settings: Settings) -> Iterator[Finding]:
    """Asks what Claude Code asks when it starts; any answer will do."""
    import asyncio

    from semcache.opening import open_upstream
    from semcache.upstream.upstream import UpstreamRequest

    async def status() -> int:
        opened = open_upstream(settings, _book(settings))
        try:
            response = await opened.open(UpstreamRequest("HEAD", "/api/hello"))
            await response.aclose()
            return response.status
        finally:
            await opened.aclose()

    yield ok("upstream", f"{settings.upstream} answers ({asyncio.run(status())})")


def today() -> date:
    return datetime.now().astimezone().date()


def _models_dir(settings: Settings) -> Path:
    from semcache.opening import find_models_dir

    return find_models_dir(settings)


def _book(settings: Settings) -> PriceBook:
    from semcache.pricing import PriceBook, find_claude_manifest

    return PriceBook.load(find_claude_manifest(_models_dir(settings)))
