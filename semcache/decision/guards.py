"""Hard vetoes: what two questions must agree on before a similarity may count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from semcache.decision.profile import Profile
from semcache.decision.words import stem

LONG_TEXT_WORDS = 120  # beyond this a text may span windows, and small differences drown in a vector


@dataclass(frozen=True)
class Conflict:
    """A disagreement. The values are for explaining to the caller who sent them, never for a log."""

    guard: str
    asked: str = field(repr=False)
    stored: str = field(repr=False)


_LISTING = frozenset({"and", "or", "vs", "versus"})

Disagreement = tuple[str, str]
Guard = Callable[[Profile, Profile], Disagreement | None]


def conflicts(asked: str, stored: str) -> tuple[Conflict, ...]:
    """Every disagreement between two questions; none for two equal texts."""
    return conflicts_between(Profile.of(asked), Profile.of(stored))


def conflicts_between(asked: Profile, stored: Profile) -> tuple[Conflict, ...]:
    """The same, for texts already read."""
    if asked is stored or asked.folded == stored.folded:
        return ()
    found = ((name, guard(asked, stored)) for name, guard in GUARDS.items())
    return tuple(Conflict(name, *disagreement) for name, disagreement in found if disagreement is not None)


def _numbers(asked: Profile, stored: Profile) -> Disagreement | None:
    return _unequal(asked.slots.numbers, stored.slots.numbers)


def _ids(asked: Profile, stored: Profile) -> Disagreement | None:
    return _unequal(asked.slots.ids, stored.slots.ids)


def _versions(asked: Profile, stored: Profile) -> Disagreement | None:
    return _unequal(asked.slots.versions, stored.slots.versions)


def _dates(asked: Profile, stored: Profile) -> Disagreement | None:
    return _unequal(
        {*asked.slots.dates, *asked.marked("date")},
        {*stored.slots.dates, *stored.marked("date")},
    )


def _units(asked: Profile, stored: Profile) -> Disagreement | None:
    """The same numbers must carry the same units, and units named on both sides must agree."""
    if asked.slots.measures and stored.slots.measures:
        return _unequal(set(asked.slots.measures), set(stored.slots.measures))
    return _unequal_where_both(asked.marked("unit"), stored.marked("unit"))


def _quotes(asked: Profile, stored: Profile) -> Disagreement | None:
    return _unsaid(asked.slots.quoted, stored) or _turned(_unsaid(stored.slots.quoted, asked))


def _code(asked: Profile, stored: Profile) -> Disagreement | None:
    return _unsaid(asked.slots.code, stored) or _turned(_unsaid(stored.slots.code, asked))


def _negation(asked: Profile, stored: Profile) -> Disagreement | None:
    """A word denied in one text and plain in the other, which denies nothing; or one "without" too many.

    "My card isn't working" and "my card is broken" agree, so the mere count of negations decides nothing.
    """
    return _denied(asked, stored) or _turned(_denied(stored, asked))


def _opposites(asked: Profile, stored: Profile) -> Disagreement | None:
    """Opposite sides of one pair, or other members of one family ("weekly" where the other says "monthly")."""
    for category in asked.marks:
        mine, yours = asked.marked(category), stored.marked(category)
        opposed = category.startswith("opposite:") and yours and mine.isdisjoint(yours)
        if opposed or (category.startswith("sibling:") and yours and mine != yours):
            return _told(mine), _told(yours)
    return None


def _direction(asked: Profile, stored: Profile) -> Disagreement | None:
    """The same two words the other way round, or a place come from that was gone to."""
    mine, yours = asked.grammar, stored.grammar
    for relation, left, right in mine.pairs:
        if (relation, right, left) in yours.pairs:
            return f"{left} {relation} {right}", f"{right} {relation} {left}"
    for here, there in ((mine, yours), (yours, mine)):
        crossed = (here.sources - here.targets) & (there.targets - there.sources)
        if crossed:
            named = _told(crossed)
            return (f"from {named}", f"to {named}") if here is mine else (f"to {named}", f"from {named}")
    return None


def _order(asked: Profile, stored: Profile) -> Disagreement | None:
    """The same text with two words in each other's place: who did it, and to whom."""
    mine, yours = asked.words.stems, stored.words.stems
    if len(mine) != len(yours) or mine == yours:
        return None
    places = [index for index, (left, right) in enumerate(zip(mine, yours, strict=True)) if left != right]
    if len(places) != 2:
        return None
    first, second = places
    between = mine[first + 1 : second]
    swapped = mine[first] == yours[second] and mine[second] == yours[first]
    if not swapped or not between or _LISTING.issuperset(between):
        return None
    return f"{mine[first]} … {mine[second]}", f"{yours[first]} … {yours[second]}"


def _language(asked: Profile, stored: Profile) -> Disagreement | None:
    """The language asked for, or spoken of on both sides, or written in."""
    named = _unequal_where_both(asked.marked("language"), stored.marked("language"))
    wanted = _unequal(asked.grammar.wanted_languages, stored.grammar.wanted_languages)
    mine, yours = asked.grammar.written_in, stored.grammar.written_in
    return named or wanted or ((mine, yours) if mine and yours and mine != yours else None)


def _format(asked: Profile, stored: Profile) -> Disagreement | None:
    shape = _unequal(asked.marked("format"), stored.marked("format"))
    return shape or _unequal_where_both(asked.marked("work"), stored.marked("work"))


def _quantifier(asked: Profile, stored: Profile) -> Disagreement | None:
    scope = _unequal_where_both(asked.marked("quantifier"), stored.marked("quantifier"))
    return scope or _unequal(asked.marked("exception"), stored.marked("exception"))


def _names(asked: Profile, stored: Profile) -> Disagreement | None:
    """Names that the other text does not know, on both sides."""
    mine = [name for name in asked.names if not _says(stored, name)]
    yours = [name for name in stored.names if not _says(asked, name)]
    if mine and yours:
        return _told(" ".join(name) for name in mine), _told(" ".join(name) for name in yours)
    return None


def _question(asked: Profile, stored: Profile) -> Disagreement | None:
    """Two different things asked: who, when, where, how much."""
    mine, yours = asked.grammar.asks, stored.grammar.asks
    return (mine, yours) if mine and yours and mine != yours else None


def _length(asked: Profile, stored: Profile) -> Disagreement | None:
    """Long texts differ where the vector does not see it: all their content words must be the same."""
    if max(len(asked.words.folded), len(stored.words.folded)) <= LONG_TEXT_WORDS:
        return None
    return _unequal(asked.grammar.content, stored.grammar.content)


GUARDS: dict[str, Guard] = {
    "numbers": _numbers,
    "ids": _ids,
    "versions": _versions,
    "dates": _dates,
    "units": _units,
    "quotes": _quotes,
    "code": _code,
    "negation": _negation,
    "opposites": _opposites,
    "direction": _direction,
    "order": _order,
    "language": _language,
    "format": _format,
    "quantifier": _quantifier,
    "names": _names,
    "question": _question,
    "length": _length,
}

LEARNED_GUARDS = ("negation", "opposites", "quantifier", "names", "question", "dates")
"""These are read with some error, so they weigh in the score instead of deciding alone (see `scorer`). All other guards
are vetoes, and nothing that is learned can lift one."""
VETOES = tuple(name for name in GUARDS if name not in LEARNED_GUARDS)


def is_disagreed(guard: str, asked: Profile, stored: Profile) -> bool:
    """What one guard says of two questions."""
    return asked is not stored and asked.folded != stored.folded and GUARDS[guard](asked, stored) is not None


def vetoed_by(asked: Profile, stored: Profile) -> str | None:
    """The first veto of the two questions sharing an answer."""
    if asked is stored or asked.folded == stored.folded:
        return None
    return next((name for name in VETOES if GUARDS[name](asked, stored) is not None), None)


def _unequal(mine: Any, yours: Any) -> Disagreement | None:
    """Two collections that must hold the same, as often, in any order."""
    if mine == yours or Counter(mine) == Counter(yours):
        return None
    return _told(map(str, mine)), _told(map(str, yours))


def _unequal_where_both(mine: Any, yours: Any) -> Disagreement | None:
    return _unequal(mine, yours) if mine and yours else None


def _unsaid(values: list[str], other: Profile) -> Disagreement | None:
    missing = [value for value in values if value not in other.folded]
    return (_told(missing), "") if missing else None


def _denied(here: Profile, there: Profile) -> Disagreement | None:
    if there.grammar.negations or not here.grammar.negations:
        return None
    plain = here.grammar.negated.intersection(there.words.stems)
    if plain:
        return f"not {_told(plain)}", _told(plain)
    return ("without", "") if "without" in here.words.folded else None


def _says(other: Profile, name: tuple[str, ...]) -> bool:
    return all(stem(word) in other.words.stems for word in name)


def _turned(disagreement: Disagreement | None) -> Disagreement | None:
    return None if disagreement is None else (disagreement[1], disagreement[0])


def _told(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))
