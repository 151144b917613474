"""Opens single parts as the settings name them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from semcache.decision.scorer import Scorer, find_scorers, load_scorer
from semcache.embedders.embedder import Embedder
from semcache.embedders.opening import model_name
from semcache.errors import SettingsError
from semcache.pricing import PriceBook
from semcache.settings import Settings
from semcache.spending import Limit
from semcache.spending import Limits as SpendingLimits
from semcache.stores.limits import Limits
from semcache.stores.opening import open_store
from semcache.stores.store import Store
from semcache.upstream.upstream import Upstream

Clock = Callable[[], float]
_DEMO_BATCH_SECONDS = 2.0  # of a batch of the simulator inside this process: somebody is trying things out


def open_settings_store(settings: Settings, embedder: Embedder, clock: Clock) -> Store:
    return open_store(
        settings.store,
        data_dir=settings.data_dir,
        space=embedder.fingerprint,
        dims=embedder.dims,
        clock=None if clock is time.time else clock,  # what is shared goes by one clock
        limits=Limits(max_entries=settings.max_entries, max_bytes=settings.max_bytes),
        is_shared=settings.workers > 1,
    )


def open_prior(embedder: str, *, models_dir: Path) -> Scorer:
    """The shipped scorer of an embedding model. Raises `SettingsError` where none was trained."""
    name = model_name(embedder, models_dir=models_dir)
    prior = load_scorer(find_scorers(models_dir), name)
    if prior is None:
        raise SettingsError(
            f"embedder: {embedder} has no scorer in scorer.toml, so nothing is known of when its similarities may be "
            "trusted; run benchmarks/train_scorer.py"
        )
    return prior


def open_upstream(settings: Settings, prices: PriceBook, *, clock: Clock = time.time) -> Upstream:
    """What stands behind the cache: Claude, the simulator, or whatever speaks Claude's API at a base URL."""
    if settings.upstream == "simulator":
        from semcache.samples import sample_answers
        from semcache.upstream.simulator import BatchConduct, Conduct, Simulator

        quick = Conduct(batches=BatchConduct(seconds=_DEMO_BATCH_SECONDS))
        return Simulator(prices, answers=sample_answers(), conduct=quick, clock=clock)
    from semcache.upstream.claude import CLAUDE_URL, ClaudeUpstream

    base_url = CLAUDE_URL if settings.upstream == "claude" else settings.upstream
    if not base_url.startswith(("http://", "https://")):
        raise SettingsError(f"upstream: use `claude`, `simulator` or a base URL, got {settings.upstream!r}")
    return ClaudeUpstream(
        base_url,
        api_key=settings.anthropic_api_key,
        connect_timeout_seconds=settings.connect_timeout_seconds,
        read_timeout_seconds=settings.read_timeout_seconds,
    )


def find_models_dir(settings: Settings) -> Path:
    """The models/ folder: the setting, ./models, or the repository's beside an editable install."""
    if settings.models_dir is not None:
        return settings.models_dir
    beside = Path(__file__).resolve().parents[1] / "models"
    here = Path("models")
    return here if (here / "embedders.toml").is_file() or not beside.is_dir() else beside


def spending_limits(settings: Settings) -> SpendingLimits:
    namespaces = settings.namespaces.items()
    return SpendingLimits(
        Limit(settings.usd_per_day, settings.tokens_per_day),
        Limit(settings.credential_usd_per_day, settings.credential_tokens_per_day),
        {name: Limit(each.usd_per_day, each.tokens_per_day) for name, each in namespaces},
        settings.soft_limit_share,
    )
