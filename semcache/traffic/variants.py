"""The same traffic under other settings: each strategy left out, each alone, and nothing at all."""

from __future__ import annotations

from dataclasses import replace

from semcache.policy import ESCORTS
from semcache.request import Mode
from semcache.settings import Settings

CACHING = "response caching"
AS_SET, UNASSISTED = "as set", "unassisted"


def variants(settings: Settings) -> dict[str, Settings]:
    """Settings by name: as they are first, then the ablations. What only helps another strategy is not one itself."""
    names = [name for name in settings.strategies if name not in ESCORTS]
    found = {AS_SET: settings, UNASSISTED: replace(settings, mode=Mode.OFF, strategies=())}
    if settings.mode is not Mode.OFF:
        found[f"without {CACHING}"] = replace(settings, mode=Mode.OFF)
        found[f"only {CACHING}"] = replace(settings, strategies=())
    escorts = tuple(name for name in settings.strategies if name in ESCORTS)
    for name in names:
        others = tuple(each for each in settings.strategies if each != name)
        found[f"without {name}"] = replace(settings, strategies=others)
        found[f"only {name}"] = replace(settings, mode=Mode.OFF, strategies=(name, *escorts))
    return found
