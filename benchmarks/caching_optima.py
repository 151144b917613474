"""What each block of a trace costs at least, over its uses: by who knows them beforehand, and by who knows the odds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from caching_traffic import Law, Visit

from semcache.pricing import Model, Prices
from semcache.request import Request
from semcache.strategies.breakpoints.memory import TTL_SECONDS
from semcache.strategies.breakpoints.parting import Parting, parted
from semcache.strategies.breakpoints.prefix import Place, Prefix, prefix_of

_WAYS = ("", "5m", "1h")  # not written, written for so long


@dataclass(frozen=True)
class Use:
    """`prolonging` is the price of a token of what is read to hold it for an hour from now on."""

    at: float
    number: int  # of the visit in its session
    prolonging: float


@dataclass
class _Block:
    tokens: int = 0
    is_passing: bool = False
    uses: list[Use] = field(default_factory=list)
    sessions: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Rates:
    """Prices of a token: read, and by way of sending it when it is not held."""

    read: float
    fresh: dict[str, float]


@dataclass(frozen=True)
class _Course:
    """At one use: the best way to send what is not held, and up to which price a token is worth prolonging."""

    way: str
    prolongs_for: float


def prefix_at_best(visit: Visit, model: Model) -> Prefix:
    """The blocks of a request whose system prompt is parted where it begins to vary."""
    request = Request(visit.body)
    if not visit.seam:
        return prefix_of(request, model)
    parting = Parting("system", 0, None, visit.seam)
    return prefix_of(parted(request, parting, strategy=""), model, parting=parting)


def least_usd(trace: Sequence[Visit], law: Law, model: Model, prices: Prices) -> tuple[float, float]:
    """Dollars of input: the clairvoyant bound, and that of the best policy that knows the law and not the future.

    Each block is decided by itself, without Claude's limits. What is read can be held for an hour from then on by a
    mark of an hour on something new that stands behind it and comes again: for the price of the shortest such thing,
    divided among all before it. What sessions share is decided with knowledge of the future under both, so no policy
    that learns from what has come is expected below the second.
    """
    rates = Rates(
        float(prices.cache_read),
        {"": float(prices.input), "5m": float(prices.cache_write_5m), "1h": float(prices.cache_write_1h)},
    )
    blocks = _blocks(trace, model, rates)
    courses = _courses(law, rates, _usual_prolonging(blocks))
    foreseen = expected = 0.0
    for block in blocks:
        cheapest = cheapest_course(block.uses, rates)
        foreseen += block.tokens * cheapest
        if block.is_passing:
            expected += block.tokens * rates.fresh[""]
        else:
            expected += block.tokens * (cheapest if len(block.sessions) > 1 else _followed(block.uses, courses, rates))
    return foreseen / 1e6, expected / 1e6


def _blocks(trace: Sequence[Visit], model: Model, rates: Rates) -> list[_Block]:
    found: dict[str, _Block] = defaultdict(_Block)
    for visit in trace:
        before, places = 0, prefix_at_best(visit, model).places
        use = Use(visit.at, visit.use, _prolonging(places[: len(places) - visit.passing], found, rates))
        for number, place in enumerate(places):
            block = found[place.digest]
            block.tokens, before = place.reach_tokens - before, place.reach_tokens
            block.is_passing = number >= len(places) - visit.passing
            block.uses.append(use)
            block.sessions.add(visit.session)
    return list(found.values())


def _prolonging(places: Sequence[Place], known: Mapping[str, _Block], rates: Rates) -> float:
    new = next((number for number, place in enumerate(places) if place.digest not in known), 0)
    if not new:
        return float("inf")
    before = places[new - 1].reach_tokens
    return (places[new].reach_tokens - before) * (rates.fresh["1h"] - rates.fresh["5m"]) / before


def _usual_prolonging(blocks: Sequence[_Block]) -> list[float]:
    """By the number of the use, in the mean."""
    found: dict[int, list[float]] = defaultdict(list)
    for block in blocks:
        for use in block.uses:
            found[use.number].append(use.prolonging)
    return [fmean(found[number]) for number in range(max(found) + 1)]


def cheapest_course(uses: Sequence[Use], rates: Rates) -> float:
    """The least price a token of this block can cost over all its uses."""
    after = dict.fromkeys(_WAYS, 0.0)  # what the rest costs if the block was left held like this
    for number in range(len(uses) - 1, -1, -1):
        gap = uses[number].at - uses[number - 1].at if number else float("inf")
        unheld = min(rates.fresh[way] + after[way] for way in _WAYS)
        kept = {"5m": min(after["5m"], uses[number].prolonging + after["1h"]), "1h": after["1h"]}
        after = {"": unheld}
        for way, seconds in TTL_SECONDS.items():
            after[way] = min(rates.read + kept[way], unheld) if gap < seconds else unheld
    return after[""]


def _courses(law: Law, rates: Rates, prolonging: Sequence[float]) -> list[_Course]:
    """For each use, what is expected to be the cheapest."""
    in_time = {"": 0.0, "5m": law.soon, "1h": law.within_hour}
    following = dict.fromkeys(_WAYS, 0.0)  # what is expected from the next use on, by how it finds the block
    courses: list[_Course] = []
    for use in range(len(prolonging) - 1, -1, -1):
        later = {
            way: law.goes_on(use) * (chance * following[way] + (1 - chance) * following[""])
            for way, chance in in_time.items()
        }
        fresh = {way: rates.fresh[way] + later[way] for way in _WAYS}
        best = min(fresh.values())
        courses.insert(0, _Course(next(way for way in _WAYS if fresh[way] == best), later["5m"] - later["1h"]))
        short = rates.read + min(later["5m"], prolonging[use] + later["1h"])
        following = {"": best, "5m": short, "1h": rates.read + later["1h"]}
    return courses


def _followed(uses: Sequence[Use], courses: Sequence[_Course], rates: Rates) -> float:
    """What a token of this block comes to if it is written as the courses say."""
    total, held, until = 0.0, "", float("-inf")
    for use in uses:
        course = courses[use.number]
        if use.at >= until:
            held = course.way
            total += rates.fresh[held]
        else:
            total += rates.read
            if held == "5m" and use.prolonging < course.prolongs_for:
                held = "1h"
                total += use.prolonging
        until = use.at + TTL_SECONDS[held] if held else float("-inf")
    return total
