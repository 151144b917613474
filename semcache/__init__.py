"""semcache: a semantic response cache for the Claude API: right, or not served.

Names are imported when first used, so `import semcache` loads no model, index or web framework.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semcache.client import AsyncSemanticCache, SemanticCache
    from semcache.entry import Bypass, Entry, Hit, Lookup, Miss
    from semcache.errors import SemcacheError
    from semcache.exchange import Answer
    from semcache.sdk import Anthropic, AsyncAnthropic
    from semcache.settings import Settings

__version__ = "0.1.0"

_HOMES = {
    "Answer": "exchange",
    "Anthropic": "sdk",
    "AsyncAnthropic": "sdk",
    "AsyncSemanticCache": "client",
    "Bypass": "entry",
    "Entry": "entry",
    "Hit": "entry",
    "Lookup": "entry",
    "Miss": "entry",
    "SemanticCache": "client",
    "SemcacheError": "errors",
    "Settings": "settings",
}

__all__ = [
    "Answer",
    "Anthropic",
    "AsyncAnthropic",
    "AsyncSemanticCache",
    "Bypass",
    "Entry",
    "Hit",
    "Lookup",
    "Miss",
    "SemanticCache",
    "SemcacheError",
    "Settings",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"semcache.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
