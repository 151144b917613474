"""The best fixed policy of marks, chosen after the fact: for each kind of place never, 5 minutes, or an hour."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from caching_optima import prefix_at_best
from caching_traffic import Visit

from semcache.pricing import Model, Prices
from semcache.strategies.breakpoints.memory import PREVIOUS, TTL_SECONDS
from semcache.strategies.breakpoints.planning import kinds_of
from semcache.strategies.breakpoints.prefix import LOOKBACK_BLOCKS, MOST_MARKS, Prefix

Policy = Mapping[str, str | None]


@dataclass(frozen=True)
class _Read:
    """A request of the trace, read once for all policies."""

    at: float
    prefix: Prefix
    kinds: tuple[tuple[int, str], ...]


def best_fixed_usd(trace: Sequence[Visit], model: Model, prices: Prices) -> tuple[float, Policy]:
    """Dollars of input under the best policy, and the policy."""
    read = []
    for visit in trace:
        prefix = prefix_at_best(visit, model)
        kinds = ((place, "later" if kind == PREVIOUS else kind) for place, kind in kinds_of(prefix))
        read.append(_Read(visit.at, prefix, tuple(sorted(kinds))))
    policies = enumerate(_policies({kind for each in read for _, kind in each.kinds}))
    priced = ((_cost(read, policy, model, prices), place, policy) for place, policy in policies)
    cost, _, policy = min(priced, key=lambda each: each[:2])
    return cost / 1e6, policy


def _policies(kinds: Iterable[str]) -> Iterator[Policy]:
    """For each kind that the trace has."""
    known = sorted(kinds)
    for ttls in product((None, "5m", "1h"), repeat=len(known)):
        yield dict(zip(known, ttls, strict=True))


def _cost(trace: Sequence[_Read], policy: Policy, model: Model, prices: Prices) -> float:
    plain, read_price = float(prices.input), float(prices.cache_read)
    write = {"5m": float(prices.cache_write_5m), "1h": float(prices.cache_write_1h)}
    held: dict[str, tuple[float, str]] = {}
    total = 0.0
    for visit in trace:
        places = visit.prefix.places
        marks = [(place, ttl) for place, kind in visit.kinds if (ttl := policy[kind]) is not None][-MOST_MARKS:]
        marks = [(place, _no_longer(marks, number)) for number, (place, _) in enumerate(marks)]
        marks = [mark for mark in marks if places[mark[0]].reach_tokens >= model.min_cacheable_tokens]
        hit = next(
            (
                place
                for mark, _ in reversed(marks)
                for place in range(mark, max(-1, mark - LOOKBACK_BLOCKS), -1)
                if held.get(places[place].digest, (0.0, ""))[0] > visit.at
            ),
            None,
        )
        read = 0 if hit is None else places[hit].reach_tokens
        hour = max((places[place].reach_tokens for place, ttl in marks if ttl == "1h"), default=0)
        until_hour = max(read, hour)
        last = max(until_hour, places[marks[-1][0]].reach_tokens) if marks else 0
        total += read * read_price + (until_hour - read) * write["1h"] + (last - until_hour) * write["5m"]
        total += (visit.prefix.tokens - last) * plain
        if hit is not None:
            ttl = held[places[hit].digest][1]
            held[places[hit].digest] = visit.at + TTL_SECONDS[ttl], ttl
        for place, ttl in marks:
            held[places[place].digest] = visit.at + TTL_SECONDS[ttl], ttl
    return total


def _no_longer(marks: Sequence[tuple[int, str]], number: int) -> str:
    """An hour behind five minutes is refused: such a mark falls back to five minutes."""
    return "5m" if any(ttl == "5m" for _, ttl in marks[: number + 1]) else "1h"
