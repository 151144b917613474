"""Sizes at which the local store changes its ways; each was measured on two cores of an AMD EPYC (32 MB L3)."""

from __future__ import annotations

from dataclasses import dataclass

from semcache.stores.hit_writer import DELAY_SECONDS, MOST_PENDING


@dataclass(frozen=True)
class Tuning:
    """The defaults are for production; tests lower them to reach every path."""

    # A scope this small is read from SQLite whole at each search: 0.3 ms at 32 exemplars when none is remembered,
    # and no index memory at all for the very many scopes that are the history of one conversation.
    direct_exemplars: int = 32
    # Exact search of 384 dims: 0.04 ms at 1,000, 0.29 ms at 10,000, 0.65 ms at 16,384, 0.93 ms at 20,000 where it
    # leaves the CPU's cache, 5.2 ms at 100,000. The graph: 0.18 to 0.27 ms at all of these from 10,000 up, at
    # 0.15 ms an insertion instead of 0.01. In a request the gap is wider: a scan of all vectors also drives the
    # embedding model's weights out of the CPU's cache, so the graph pays from about 4,000 on.
    graph_exemplars: int = 4096
    # Dead rows make a graph search longer and emptier; a rebuild costs 0.13 ms a row, in the background.
    dead_share: float = 0.3
    # Index memory of all loaded scopes; the least recently searched are let go first.
    memory_bytes: int = 512 * 1024 * 1024
    # Rows remembered between searches: fetching 16 of them from SQLite takes 0.15 ms.
    remembered_bytes: int = 64 * 1024 * 1024
    # Snapshots are written again when this share of a scope has changed, and on close.
    unsaved_share: float = 0.1
    hits_pending: int = MOST_PENDING
    hits_delay_seconds: float = DELAY_SECONDS
