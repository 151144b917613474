"""Where marks pay: the cost of this request with each set of marks, less what the written prefix is worth later.

With w the price of a write, r that of a read, and an uncached pass 1, caching a prefix always costs p·r + (1 - p)·w a
use, where p is the chance that it comes again in time; so it pays where p > (w - 1) / (w - r), and one that is held is
worth w - r at its next use (Claude API §4, break-even). Marks inside a written prefix cost nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import product

from semcache.pricing import Model, Prices
from semcache.strategies.breakpoints.memory import PREVIOUS, SEAM, SHARED, Chances, PrefixMemory
from semcache.strategies.breakpoints.prefix import LOOKBACK_BLOCKS, MOST_MARKS, Prefix

_MILLIONTH = 1e-6
_MOST_CANDIDATES = 5
_SAME = 1e-9
TTLS = ("5m", "1h")
_TURN_ENDS = ("first", "later")


@dataclass(frozen=True, slots=True)
class Mark:
    """A breakpoint on the block at `place` of the prefix."""

    place: int
    ttl: str


@dataclass(frozen=True)
class Placement:
    """The marks that are added to the caller's, and what the request is expected to cost now.

    `value_usd` is what the marks are worth at the next use; `unassisted_usd` what the request costs as it came.
    """

    marks: tuple[Mark, ...]
    cost_usd: Decimal
    value_usd: Decimal
    unassisted_usd: Decimal
    because: str

    @property
    def net_usd(self) -> Decimal:
        return self.cost_usd - self.value_usd


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that could bear a mark, or bears the caller's, and how likely its prefix comes again."""

    place: int
    kind: str
    chances: Chances


@dataclass(frozen=True)
class Outlook:
    """A request's prefix with what is known of it."""

    prefix: Prefix
    candidates: tuple[Candidate, ...]  # in order
    held: Mapping[int, str]  # places up to which Claude is believed to hold the prompt, and for how long each use


def outlook_of(
    prefix: Prefix, memory: PrefixMemory, groups: Sequence[str], *, now: float, goes_on: float = 1.0
) -> Outlook:
    """What is known of this prefix; `goes_on` is the chance that the conversation does, if something is known of it."""
    ttls = ((number, memory.held_for(place.digest, now=now)) for number, place in enumerate(prefix.places))
    held = {number: ttl for number, ttl in ttls if ttl is not None}
    found: dict[int, str] = dict(kinds_of(prefix))
    if held and (deepest := max(held)) not in found:
        found[deepest] = PREVIOUS
    for number, place in enumerate(prefix.places):
        if place.ttl is not None:
            found.setdefault(number, "context")
    candidates, chances = [], Chances(1.0, 1.0, 1.0)
    for number in sorted(found):
        stands, kind = _told_by(number, found)
        within = [each for place, each in found.items() if place >= number]
        known = memory.chances(prefix.places[stands].digest, kind, groups, now=now, within=within)
        if kind in _TURN_ENDS and known.ever > goes_on:
            known = Chances(*(chance * goes_on / known.ever for chance in known))
        chances = Chances(*map(min, chances, known))  # whoever shares more shares less often
        candidates.append(Candidate(number, found[number], chances))
    return Outlook(prefix, tuple(candidates), held)


def _told_by(number: int, found: Mapping[int, str]) -> tuple[int, str]:
    """Whose record tells whether a place comes again: its own; of a turn that another has followed, the last one's."""
    if found[number] != PREVIOUS:
        return number, found[number]
    return next(((each, kind) for each, kind in sorted(found.items()) if kind in _TURN_ENDS), (number, "later"))


def best_placement(outlook: Outlook, model: Model, *, on: date) -> Placement:
    """The cheapest of all sets of marks that Claude allows beside the caller's."""
    prices = _prices(model, outlook.prefix.tokens, on)
    free = MOST_MARKS - outlook.prefix.marks
    fixed = _own_marks(outlook.prefix)
    taken = {mark.place for mark in fixed}
    open_to = [
        each
        for each in outlook.candidates
        if each.place not in taken
        and outlook.prefix.places[each.place].is_markable
        and outlook.prefix.places[each.place].reach_tokens >= model.min_cacheable_tokens
    ]
    pricing = _Pricing(outlook, prices, model.min_cacheable_tokens)
    unassisted = pricing.now(fixed)
    best: tuple[float, float, float, tuple[Mark, ...]] | None = None
    for added in _sets(open_to[-_MOST_CANDIDATES:] if free > 0 else [], free):
        marks = sorted((*fixed, *added), key=lambda mark: mark.place)
        if added and not _is_ordered(marks):
            continue
        cost, value = pricing.now(marks), pricing.later(marks)
        # Of equal sets the one with more marks: inside what is written anyway they are free, and others may read there.
        net = cost - value
        if best is None or net < best[0] - _SAME or (net < best[0] + _SAME and len(added) > len(best[3])):
            best = (net, cost, value, added)
    assert best is not None  # the empty set is among them
    _, cost, value, added = best
    return Placement(added, _usd(cost), _usd(value), _usd(unassisted), _told(outlook, added))


class _Pricing:
    """In units of a million dollars per token count: floats, for hundreds of sets are compared."""

    def __init__(self, outlook: Outlook, prices: Prices, minimum_tokens: int) -> None:
        self._outlook = outlook
        self._minimum = minimum_tokens
        self._read, self._input = float(prices.cache_read), float(prices.input)
        self._write = {"5m": float(prices.cache_write_5m), "1h": float(prices.cache_write_1h)}
        self._chances = {each.place: each.chances for each in outlook.candidates}
        self._anchors = [place for place, ttl in outlook.held.items() if ttl == "1h"]

    def now(self, marks: Sequence[Mark]) -> float:
        """What this request costs with these marks."""
        places = self._outlook.prefix.places
        marks = [mark for mark in marks if places[mark.place].reach_tokens >= self._minimum]
        total = self._outlook.prefix.tokens
        if not marks:
            return total * self._input
        read = self._held_by(marks)
        hour = max((places[mark.place].reach_tokens for mark in marks if mark.ttl == "1h"), default=0)
        until_hour = max(read, hour)
        last = max(until_hour, places[marks[-1].place].reach_tokens)
        return (
            read * self._read
            + (until_hour - read) * self._write["1h"]
            + (last - until_hour) * self._write["5m"]
            + (total - last) * self._input
        )

    def later(self, marks: Sequence[Mark]) -> float:
        """What it is worth at the next use that the prefix is held up to these marks.

        What stands before a mark is held at least as long as what the mark ends: short ones at the end of every turn,
        and now and then one of an hour, keep a conversation over a pause for little more than the short ones cost.
        """
        entries = sorted(self._entries(marks).items())
        ends = [self._outlook.prefix.places[place].reach_tokens for place, _ in entries]
        worth, over_a_pause = 0.0, 0.0
        for (place, ttl), end, begin in reversed(list(zip(entries, ends, [0, *ends], strict=False))):
            candidate = self._candidate_at(place)
            chances = candidate.chances
            if ttl == "1h":
                over_a_pause = chances.within_hour - chances.soon
                each = chances.within_hour * (self._dearest(chances) - self._read)
            else:
                bridged = over_a_pause * (1 - chances.soon) if candidate.kind in SHARED else over_a_pause
                each = (chances.soon + bridged) * (self._write["5m"] - self._read)
            worth += each * (end - begin)
        return worth

    def _entries(self, marks: Sequence[Mark]) -> dict[int, str]:
        """What Claude will hold, by place: these marks, and what is held for an hour and will be found."""
        places, held = self._outlook.prefix.places, self._outlook.held
        found = {  # what is held stays as it was written
            mark.place: held.get(mark.place, mark.ttl)
            for mark in marks
            if places[mark.place].reach_tokens >= self._minimum and mark.place in self._chances
        }
        last = max(found, default=0)
        return {**{at: "1h" for at in self._anchors if last - LOOKBACK_BLOCKS < at < last}, **found}

    def _candidate_at(self, place: int) -> Candidate:
        """Of a place between two candidates, the second."""
        return next(each for each in self._outlook.candidates if each.place >= place)

    def _dearest(self, chances: Chances) -> float:
        """The price at which this would be written again: for an hour only where that is the cheaper way."""
        courses = {ttl: write - chances.within(ttl) * (write - self._read) for ttl, write in self._write.items()}
        return self._write["1h" if courses["1h"] < courses["5m"] else "5m"]

    def _held_by(self, marks: Sequence[Mark]) -> int:
        """Tokens of the longest held prefix that some mark looks back to."""
        held = self._outlook.held
        for mark in reversed(marks):
            for place in range(mark.place, max(-1, mark.place - LOOKBACK_BLOCKS), -1):
                if place in held:
                    return self._outlook.prefix.places[place].reach_tokens
        return 0


def kinds_of(prefix: Prefix) -> Iterator[tuple[int, str]]:
    """The places worth a mark, by what they end."""
    for section in ("tools", "system"):
        last = _last(prefix, section)
        if last is not None:
            yield last, section
    if prefix.seam is not None:
        yield prefix.seam, SEAM
    yield from _kinds_of_turns(prefix)


def _kinds_of_turns(prefix: Prefix) -> Iterator[tuple[int, str]]:
    users = [
        number for number, place in enumerate(prefix.places) if place.section == "messages" and place.role == "user"
    ]
    if not users:
        return
    turns = sorted({prefix.places[number].outer for number in users})
    begins = any(place.role == "assistant" for place in prefix.places)
    first = [number for number in users if prefix.places[number].outer == turns[0]]
    context = _markable_before(prefix, first[-1], first[0]) if len(first) > 1 else None
    if context is not None and context != prefix.seam:
        yield context, "context"
    last = next(number for number in users if prefix.places[number].outer == turns[-1])
    if begins and (answer := _markable_before(prefix, last, first[-1] + 1)) is not None:
        yield answer, PREVIOUS  # the cheapest place for a mark of an hour that keeps all before it
    for turn in turns[-2:]:
        ends = [number for number in users if prefix.places[number].outer == turn and prefix.places[number].is_markable]
        if ends and turn != turns[-1]:
            yield ends[-1], PREVIOUS
        elif ends:
            yield ends[-1], "later" if begins else "first"


def _last(prefix: Prefix, section: str | None = None) -> int | None:
    """The last block, of this section if one is given, that can bear a mark."""
    places = prefix.places
    found = (number for number in range(len(places) - 1, -1, -1) if places[number].is_markable)
    return next((number for number in found if section is None or places[number].section == section), None)


def _markable_before(prefix: Prefix, place: int, first: int) -> int | None:
    return next((number for number in range(place - 1, first - 1, -1) if prefix.places[number].is_markable), None)


def _own_marks(prefix: Prefix) -> list[Mark]:
    marks = [Mark(number, place.ttl) for number, place in enumerate(prefix.places) if place.ttl in TTLS]
    last = _last(prefix)
    if prefix.automatic_ttl in TTLS and last is not None and not any(mark.place == last for mark in marks):
        marks.append(Mark(last, str(prefix.automatic_ttl)))
    return marks


def _sets(candidates: Sequence[Candidate], free: int) -> Iterator[tuple[Mark, ...]]:
    for ttls in product((None, *TTLS), repeat=len(candidates)):
        marks = tuple(Mark(each.place, ttl) for each, ttl in zip(candidates, ttls, strict=True) if ttl is not None)
        if len(marks) <= max(0, free):
            yield marks


def _is_ordered(marks: Sequence[Mark]) -> bool:
    """Claude refuses a mark of an hour behind one of five minutes."""
    ttls = [mark.ttl for mark in marks]
    return "1h" not in ttls[ttls.index("5m") :] if "5m" in ttls else True


def _prices(model: Model, tokens: int, on: date) -> Prices:
    if model.long_prompt is not None and tokens > model.long_prompt.above_tokens:
        return model.long_prompt.prices
    return model.prices_on(on)


def _usd(millionths: float) -> Decimal:
    return Decimal(millionths * _MILLIONTH).quantize(Decimal("0.000000001"))


def _told(outlook: Outlook, added: Sequence[Mark]) -> str:
    if not added:
        return "no mark is expected to pay"
    kinds = {each.place: each for each in outlook.candidates}
    return ", ".join(
        f"{kinds[mark.place].kind} for {mark.ttl} (again with {kinds[mark.place].chances.within(mark.ttl):.0%})"
        for mark in added
    )
