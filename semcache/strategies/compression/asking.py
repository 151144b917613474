"""Whether a request asks about the whole conversation, so that nothing of it may be left out."""

from __future__ import annotations

import re

from semcache.strategies.compression.phrases import folded, phrases

_LONGEST = 4_000  # characters from either end: material that somebody pastes asks nothing
_SPACE = re.compile(r"\s+")


def asks_about_everything(text: str) -> bool:
    """As in: summarise our conversation; what did I say first; everything so far."""
    heard = text if len(text) <= 2 * _LONGEST else f"{text[:_LONGEST]} {text[-_LONGEST:]}"
    return phrases().everything.search(_SPACE.sub(" ", folded(heard))) is not None
