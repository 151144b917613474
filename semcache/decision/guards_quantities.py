"""What two texts count, measure, date and number: whether it is the same, however it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from semcache.decision.lexicon import lexicon, plain_number
from semcache.decision.profile import Profile
from semcache.decision.slots import Slots
from semcache.decision.slots_times import Level, Quantity

Disagreement = tuple[str, str]

_MOST_BOUND = 24  # longer lists of numbers are compared as lists only
_CODED = frozenset({"code", "codes", "symbol", "ticker", "abbreviation"})
_LONGEST_CODE = 4
_LISTING = frozenset({"and", "or", "vs", "versus", "&", "with", "plus", "times"})


def told(values: Iterable[str]) -> str:
    """Values for the reader of a conflict."""
    return ", ".join(sorted(values))


def numbers_apart(asked: Profile, stored: Profile) -> Disagreement | None:
    """A number or time of day that only one text says, or the same numbers of other things."""
    mine, yours = asked.slots, stored.slots
    if not (mine.quantities or yours.quantities or mine.times or yours.times):
        return None
    return _other_values(mine, yours) or _other_times(mine, yours) or _other_places(asked, stored)


def units_apart(asked: Profile, stored: Profile) -> Disagreement | None:
    """The same number of something else, or another unit asked for."""
    mine, yours = asked.slots.quantities, stored.slots.quantities
    if mine and yours:
        here, there = _units_by_value(mine), _units_by_value(yours)
        for value in here.keys() & there.keys():
            if not _some_alike(here[value], there[value]):
                return told(f"{value} {unit}" for unit in here[value]), told(f"{value} {unit}" for unit in there[value])
    named = asked.marked("unit") - {one.unit for one in mine}
    also_named = stored.marked("unit") - {one.unit for one in yours}
    return (told(named), told(also_named)) if named and also_named and not _some_alike(named, also_named) else None


def ids_apart(asked: Profile, stored: Profile) -> Disagreement | None:
    """Ids must be the same, as often; "LH 438" and "LH438" are."""
    mine, yours = asked.slots.ids, stored.slots.ids
    if mine == yours:
        return _codes_apart(asked, stored)
    left, right = Counter(mine) - Counter(yours), Counter(yours) - Counter(mine)
    alone = [one for one in left if one not in _joined(stored.slots.quantities)]
    alone_there = [one for one in right if one not in _joined(asked.slots.quantities)]
    return (told(alone), told(alone_there)) if alone or alone_there else None


def versions_apart(asked: Profile, stored: Profile) -> Disagreement | None:
    """Versions must be the same where they are called so; else they are numbers like others."""
    left = _missing(asked.slots.versions, stored.slots)
    right = _missing(stored.slots.versions, asked.slots)
    return (told(left), told(right)) if left or right else None


def dates_apart(asked: Profile, stored: Profile) -> Disagreement | None:
    """Days, months, years and times of day must be the same, and so must "tomorrow"."""
    mine = {*asked.slots.dates, *asked.marked("date")}
    yours = {*stored.slots.dates, *stored.marked("date")}
    if mine != yours:
        return told(mine - yours), told(yours - mine)
    return _other_times(asked.slots, stored.slots)


def both_left(left: Iterable[str], right: Iterable[str]) -> Disagreement | None:
    """A disagreement if each side has something that the other has not."""
    return (told(left), told(right)) if left and right else None


def _codes_apart(asked: Profile, stored: Profile) -> Disagreement | None:
    """Short codes without a digit, where both texts call them so: "the code AU"."""
    mine, yours = _codes(asked), _codes(stored)
    return both_left(mine.difference(stored.words.folded), yours.difference(asked.words.folded)) if mine else None


def _codes(profile: Profile) -> set[str]:
    folded, stop = profile.words.folded, lexicon().stop
    if _CODED.isdisjoint(folded):
        return set()
    beside = ((word, following) for word, following in pairwise(folded) if word in _CODED)
    return {following for _, following in beside if len(following) <= _LONGEST_CODE and following not in stop}


def _missing(versions: Sequence[str], other: Slots) -> list[str]:
    return [one for one in versions if one not in other.versions and all(one != q.value for q in other.quantities)]


def _other_values(mine: Slots, yours: Slots) -> Disagreement | None:
    here, there = mine.quantities, yours.quantities
    values, other_values = Counter(one.value for one in here), Counter(one.value for one in there)
    if values == other_values:
        return None
    left, right = _unmatched(mine, yours, other_values), _unmatched(yours, mine, values)
    if _decides(left, right, there) or _decides(right, left, here):
        return told(one.value for one in left), told(one.value for one in right)
    return None


def _decides(left: Sequence[Quantity], other_left: Sequence[Quantity], other: Sequence[Quantity]) -> bool:
    """Whether leftovers are a conflict, by the weightiest of them."""
    match max((one.level for one in left), default=Level.MUTE):
        case Level.REQUIRED:
            return True
        case Level.DESCRIPTIVE:
            return any(one.level >= Level.DESCRIPTIVE for one in other)
        case Level.SINGLE:
            return bool(other_left)
        case Level.MUTE:
            return False


def _unmatched(mine: Slots, yours: Slots, other_values: Counter[str]) -> list[Quantity]:
    """What the other text does not say in any form, as often."""
    remaining = Counter(other_values)
    left: list[Quantity] = []
    for one in mine.quantities:
        if remaining[one.value] > 0:
            remaining[one.value] -= 1
        elif one.level:
            left.append(one)
    if not left:
        return left
    sizes = {size for one in yours.quantities if (size := _size(one)) is not None}
    said = {*yours.ids, *yours.versions}
    hours = {str(hour) for time in yours.times if time.minute % 60 == 0 for hour in _hours(time.minute)}
    return [
        one
        for one in left
        if said.isdisjoint((one.value, one.before + one.value)) and one.value not in hours and _size(one) not in sizes
    ]


def _hours(minute: int) -> tuple[int, int]:
    return minute // 60 or 12, minute // 60 + 12


def _size(quantity: Quantity) -> tuple[str, str] | None:
    known = lexicon().quantities.sizes.get(quantity.unit)
    if known is None:
        return None
    try:
        return known[0], plain_number(Decimal(quantity.value) * known[1])
    except InvalidOperation:
        return None


def _other_times(mine: Slots, yours: Slots) -> Disagreement | None:
    if mine.times == yours.times:
        return None
    left, right = _times_left(mine, yours), _times_left(yours, mine)
    return (told(left), told(right)) if left or right else None


def _times_left(mine: Slots, yours: Slots) -> list[str]:
    """Times that the other text does not say, not even as a bare hour."""
    known: dict[int, set[str]] = {}
    for time in yours.times:
        known.setdefault(time.minute, set()).add(time.half)
    hours = {one.value for one in yours.quantities} if mine.times else set()
    left = []
    for time in mine.times:
        halves = known.get(time.minute)
        is_bare = time.minute % 60 == 0 and not hours.isdisjoint(map(str, _hours(time.minute)))
        fits = is_bare if halves is None else (not time.half or "" in halves or time.half in halves)
        if not fits:
            left.append(f"{time.minute // 60}:{time.minute % 60:02}{time.half}")
    return left


def _other_places(asked: Profile, stored: Profile) -> Disagreement | None:
    """The same numbers, but of each other's things, or in each other's places."""
    mine, yours = asked.slots.quantities, stored.slots.quantities
    if not 2 <= len(mine) <= _MOST_BOUND or len(yours) > _MOST_BOUND:
        return None
    crossed = _crossed(_bindings(mine), _bindings(yours))
    if crossed is not None or _rearranged(asked, stored):
        return ", ".join(_phrase(one) for one in mine), ", ".join(_phrase(one) for one in yours)
    return None


def _crossed(mine: set[tuple[str, str]], yours: set[tuple[str, str]]) -> str | None:
    """A thing that has another number, and that number's thing has this one."""
    for value, bound in mine - yours:
        for other_value, other_bound in yours - mine:
            crosses = value != other_value and bound == other_bound
            if crosses and any((value, thing) in yours and (other_value, thing) in mine for _, thing in yours):
                return bound
    return None


def _bindings(quantities: Sequence[Quantity]) -> set[tuple[str, str]]:
    return {(one.value, one.bound) for one in quantities if one.bound}


def _rearranged(asked: Profile, stored: Profile) -> bool:
    """Whether only the order of the numbers tells the two texts apart, and they are no mere list."""
    mine, yours = asked.slots.quantities, stored.slots.quantities
    values, other_values = [one.value for one in mine], [one.value for one in yours]
    if values == other_values or sorted(values) != sorted(other_values):
        return False
    if all(one.before in _LISTING for one in mine[1:]):
        return False
    return _without_digits(asked) == _without_digits(stored)


def _without_digits(profile: Profile) -> list[str]:
    known, words = lexicon(), profile.words
    return [
        root
        for word, root in zip(words.folded, words.stems, strict=True)
        if not (word[0].isdigit() or word in known.stop or word in known.quantities.starts)
    ]


def _phrase(quantity: Quantity) -> str:
    return " ".join(filter(None, (quantity.value, quantity.unit, quantity.bound)))


def _units_by_value(quantities: Sequence[Quantity]) -> dict[str, set[str]]:
    """Units by number; a number that stands once without one says nothing of its unit."""
    found: dict[str, set[str]] = {}
    for one in quantities:
        if one.level:
            found.setdefault(one.value, set()).add(one.unit)
    return {value: units for value, units in found.items() if "" not in units}


def _some_alike(mine: Set[str], yours: Set[str]) -> bool:
    """Whether neither side has a unit all of its own, or one side has not."""
    return all(any(_same(unit, other) for other in yours) for unit in mine) or all(
        any(_same(unit, other) for other in mine) for unit in yours
    )


def _same(one: str, other: str) -> bool:
    alike = lexicon().quantities.alike
    return one == other or other in alike.get(one, ()) or one in alike.get(other, ())


def _joined(quantities: Sequence[Quantity]) -> set[str]:
    return {one.before + one.value for one in quantities if one.before.isalpha()}
