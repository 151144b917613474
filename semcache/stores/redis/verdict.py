"""What a server cannot do, or does in a way that costs answers: said at the start, by the doctor and in the log."""

from __future__ import annotations

from collections.abc import Iterator

from semcache.stores.redis.link import Server

EXACT_ONLY = (
    "has no vector sets, so only exact repeats and exact FAQ wordings are answered, and no similar question; "
    "use Redis 8 or newer for those"
)


def objections(server: Server) -> Iterator[str]:
    """Each with its remedy."""
    if not server.has_vectors:
        yield f"{server.version} {EXACT_ONLY}"
    if server.policy.startswith("allkeys-"):
        yield (
            f"maxmemory-policy is {server.policy}: the vectors of a whole scope are one key, and may vanish at once, "
            "ledger and batches too; set volatile-ttl, volatile-lru or noeviction"
        )
