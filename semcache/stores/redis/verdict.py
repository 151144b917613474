"""What a server cannot do, or does in a way that costs answers: said at the start, by `/readyz` and by the doctor."""

from __future__ import annotations

from collections.abc import Iterator

from semcache.stores.redis.link import Server

EXACT_ONLY = "has no vector sets: only exact repeats and exact FAQ wordings are answered, and no similar question"
POLICY = "the vectors of a whole scope are one key, and may vanish at once when memory is full, ledger and batches too"


def objections(server: Server) -> Iterator[str]:
    """Each with its remedy."""
    if not server.has_vectors:
        yield f"{server.version} {EXACT_ONLY}; use Redis 8 or newer"
    if server.loses_keys:
        yield f"maxmemory-policy is {server.policy}: {POLICY}; set volatile-ttl, volatile-lru or noeviction"
