"""What each block of a trace costs at least, over its uses: by who knows them beforehand, and by who knows the odds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from caching_traffic import Law, Visit

from semcache.pricing import Model, Prices
from semcache.request import Request
from semcache.strategies.breakpoints.memory import TTL_SECONDS
from semcache.strategies.breakpoints.parting import Parting, parted
from semcache.strategies.breakpoints.prefix import Prefix, prefix_of

_WAYS = ("", "5m", "1h")  # not written, written for so long


@dataclass
class _Block:
    tokens: int = 0
    is_passing: bool = False
    is_prolonged: bool = False  # what is written behind it comes again too
    uses: list[tuple[float, int]] = field(default_factory=list)  # when, and as the how manieth visit of its session
    sessions: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Rates:
    """Prices of a token: read, and by way of sending it when it is not held."""

    read: float
    fresh: dict[str, float]


def prefix_at_best(visit: Visit, model: Model) -> Prefix:
    """The blocks of a request whose system prompt is parted where it begins to vary."""
    request = Request(visit.body)
    if not visit.seam:
        return prefix_of(request, model)
    parting = Parting("system", 0, None, visit.seam)
    return prefix_of(parted(request, parting, strategy=""), model, parting=parting)


def least_usd(trace: Sequence[Visit], law: Law, model: Model, prices: Prices) -> tuple[float, float]:
    """Dollars of input: the clairvoyant bound, and that of the best policy that knows the law and not the future.

    Each block is decided by itself, without Claude's limits; and one that is read is held for an hour from then on for
    nothing where something new stands behind it that comes again, for a mark of an hour there costs no more than that.
    What sessions share is decided with knowledge of the future under both, so no policy that learns from what has come
    is expected below the second.
    """
    rates = _Rates(
        float(prices.cache_read),
        {"": float(prices.input), "5m": float(prices.cache_write_5m), "1h": float(prices.cache_write_1h)},
    )
    uses = max(visit.use for visit in trace) + 1
    courses = {prolongs: _courses(law, rates, uses, prolongs=prolongs) for prolongs in (False, True)}
    foreseen = expected = 0.0
    for block in _blocks(trace, model):
        cheapest = _cheapest_course([at for at, _ in block.uses], rates, prolongs=block.is_prolonged)
        foreseen += block.tokens * cheapest
        if block.is_passing:
            expected += block.tokens * rates.fresh[""]
        elif len(block.sessions) > 1:
            expected += block.tokens * cheapest
        else:
            course = courses[block.is_prolonged]
            expected += block.tokens * _followed(block.uses, course, rates, prolongs=block.is_prolonged)
    return foreseen / 1e6, expected / 1e6


def _blocks(trace: Sequence[Visit], model: Model) -> list[_Block]:
    found: dict[str, _Block] = defaultdict(_Block)
    for visit in trace:
        before, places = 0, prefix_at_best(visit, model).places
        for number, place in enumerate(places):
            block = found[place.digest]
            block.tokens, before = place.reach_tokens - before, place.reach_tokens
            block.is_passing = number >= len(places) - visit.passing
            block.is_prolonged = not visit.passing
            block.uses.append((visit.at, visit.use))
            block.sessions.add(visit.session)
    return list(found.values())


def _cheapest_course(times: Sequence[float], rates: _Rates, *, prolongs: bool) -> float:
    """The least price a token of this block can cost over all its uses."""
    after = dict.fromkeys(_WAYS, 0.0)  # what the rest costs if the block was left held like this
    for number in range(len(times) - 1, -1, -1):
        gap = times[number] - times[number - 1] if number else float("inf")
        unheld = min(rates.fresh[way] + after[way] for way in _WAYS)
        now = {"": unheld}
        for way, seconds in TTL_SECONDS.items():
            read = rates.read + (min(after.values()) if prolongs else after[way])
            now[way] = min(read, unheld) if gap < seconds else unheld
        after = now
    return after[""]


def _courses(law: Law, rates: _Rates, uses: int, *, prolongs: bool) -> list[str]:
    """For each use, the way that is expected to be the cheapest where the block is not held."""
    in_time = {"": 0.0, "5m": law.soon, "1h": law.within_hour}
    following = dict.fromkeys(_WAYS, 0.0)  # what is expected from the next use on, by how it finds the block
    ways: list[str] = []
    for use in range(uses - 1, -1, -1):
        later = {
            way: law.goes_on(use) * (chance * following[way] + (1 - chance) * following[""])
            for way, chance in in_time.items()
        }
        fresh = {way: rates.fresh[way] + later[way] for way in _WAYS}
        best = min(fresh.values())
        ways.insert(0, next(way for way in _WAYS if fresh[way] == best))
        read = {way: rates.read + (min(later.values()) if prolongs else later[way]) for way in TTL_SECONDS}
        following = {"": best, **read}
    return ways


def _followed(uses: Sequence[tuple[float, int]], courses: Sequence[str], rates: _Rates, *, prolongs: bool) -> float:
    """What a token of this block comes to if it is written as the courses say."""
    total, held, until = 0.0, "", float("-inf")
    for at, use in uses:
        if at < until:
            total += rates.read
            held = "1h" if prolongs else held
        else:
            held = courses[use]
            total += rates.fresh[held]
        until = at + TTL_SECONDS[held] if held else float("-inf")
    return total
