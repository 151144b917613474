"""Claude's prompt cache: what a request reads, what it writes, and what is left to pay in full."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from semcache.message import Usage
from semcache.upstream.simulator.prompt import Prompt

LOOKBACK_BLOCKS = 20  # positions tried per breakpoint, the breakpoint itself being the first
TTL_SECONDS = {"5m": 300.0, "1h": 3600.0}
_SWEEP_EVERY = 4096
Held = tuple[str, float, float]  # digest of a prefix in hex, its TTL in seconds, when it expires


@dataclass
class _Entry:
    ttl_seconds: float
    expires_at: float


@dataclass(frozen=True)
class Reckoning:
    """What the cache does for one request. Its writes are readable only once it is committed."""

    usage: Usage  # the input side; no output yet
    started_at: float
    writes: tuple[tuple[bytes, float], ...] = ()  # prefix digest, TTL in seconds


@dataclass(frozen=True)
class _Breakpoint:
    place: int
    ttl: str


class PromptCache:
    """Entries by prefix digest. Not thread-safe: its owner holds the lock."""

    def __init__(self) -> None:
        self._entries: dict[bytes, _Entry] = {}
        self._sweep_at = _SWEEP_EVERY

    def reckon(self, prompt: Prompt, scope: bytes, *, minimum_tokens: int, now: float) -> Reckoning:
        """Look up a prompt; what it hits lives on for its TTL from now, the request's start."""
        reach = _running_totals(prompt)
        breakpoints = [
            _Breakpoint(place, block.ttl)
            for place, block in enumerate(prompt.blocks)
            if block.ttl is not None and reach[place] >= minimum_tokens
        ]
        if not breakpoints:
            return Reckoning(Usage(input_tokens=prompt.tokens), now)
        digests = prompt.prefix_digests(scope)
        hit = self._furthest_hit(breakpoints, digests, now)
        self._refresh([point.place for point in breakpoints if point.place <= hit] + [hit], digests, now)
        writes = tuple((digests[point.place], TTL_SECONDS[point.ttl]) for point in breakpoints if point.place > hit)
        return Reckoning(_usage(breakpoints, hit, reach), now, writes)

    def commit(self, reckoning: Reckoning) -> None:
        """The response has begun: what it wrote can now be read. TTL runs from the request's start."""
        for digest, ttl_seconds in reckoning.writes:
            expires_at = reckoning.started_at + ttl_seconds
            known = self._entries.get(digest)
            if known is None or known.expires_at < expires_at:
                self._entries[digest] = _Entry(ttl_seconds, expires_at)
        if len(self._entries) >= self._sweep_at:
            self._sweep(reckoning.started_at)

    def held(self) -> list[Held]:
        """All that it holds, to be held again by another."""
        return [(digest.hex(), each.ttl_seconds, each.expires_at) for digest, each in self._entries.items()]

    def hold(self, held: Iterable[Held]) -> None:
        self._entries |= {bytes.fromhex(digest): _Entry(ttl, expires_at) for digest, ttl, expires_at in held}

    def _furthest_hit(self, breakpoints: list[_Breakpoint], digests: list[bytes], now: float) -> int:
        """The place of the longest cached prefix that some breakpoint looks back to; -1: none."""
        for point in reversed(breakpoints):
            for place in range(point.place, max(-1, point.place - LOOKBACK_BLOCKS), -1):
                if self._is_live(digests[place], now):
                    return place
        return -1

    def _is_live(self, digest: bytes, now: float) -> bool:
        entry = self._entries.get(digest)
        return entry is not None and now < entry.expires_at

    def _refresh(self, places: list[int], digests: list[bytes], now: float) -> None:
        for place in places:
            if place >= 0 and self._is_live(digests[place], now):
                entry = self._entries[digests[place]]
                entry.expires_at = max(entry.expires_at, now + entry.ttl_seconds)

    def _sweep(self, now: float) -> None:
        self._entries = {digest: entry for digest, entry in self._entries.items() if now < entry.expires_at}
        self._sweep_at = max(_SWEEP_EVERY, 2 * len(self._entries))


def _running_totals(prompt: Prompt) -> list[int]:
    totals, total = [], 0
    for block in prompt.blocks:
        total += block.tokens
        totals.append(total)
    return totals


def _usage(breakpoints: list[_Breakpoint], hit: int, reach: list[int]) -> Usage:
    """With A the hit, B the last 1h breakpoint after it, C the last one: read A, write B-A at 1h, C-B at 5m."""
    read = reach[hit] if hit >= 0 else 0
    one_hour = max((reach[point.place] for point in breakpoints if point.ttl == "1h"), default=0)
    until_one_hour = max(read, one_hour)
    until_last = max(until_one_hour, reach[breakpoints[-1].place])
    return Usage(
        input_tokens=reach[-1] - until_last,
        cache_write_5m_tokens=until_last - until_one_hour,
        cache_write_1h_tokens=until_one_hour - read,
        cache_read_tokens=read,
    )
