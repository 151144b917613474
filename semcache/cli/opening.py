"""Opens the cache that a command means, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semcache.client import SemanticCache


@contextmanager
def opened(data_dir: str | None = None, store: str | None = None, **arguments: Any) -> Iterator[SemanticCache]:
    """The cache of the settings in force, with these arguments on top. A running service sees the changes."""
    from semcache.client import SemanticCache
    from semcache.settings import load_settings

    settings = load_settings(data_dir=Path(data_dir) if data_dir else None, store=store, **arguments)
    with SemanticCache(settings) as cache:
        yield cache
