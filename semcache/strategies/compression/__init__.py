"""Context compression: old turns in short, old tool results as stubs, the same on every later request."""

from __future__ import annotations

from semcache.strategies.compression.asking import asks_about_everything
from semcache.strategies.compression.compressing import Moment, compressed, uncompressed
from semcache.strategies.compression.economics import break_even_turns, pays
from semcache.strategies.compression.outcomes import Compression, Memory, NotCompressed, Sizes
from semcache.strategies.compression.reading import Means
from semcache.strategies.compression.recovery import restored
from semcache.strategies.compression.summary import summarised
from semcache.strategies.compression.terms import Share, Terms, Tokens

__all__ = [
    "Compression",
    "Means",
    "Memory",
    "Moment",
    "NotCompressed",
    "Share",
    "Sizes",
    "Terms",
    "Tokens",
    "asks_about_everything",
    "break_even_turns",
    "compressed",
    "pays",
    "restored",
    "summarised",
    "uncompressed",
]
