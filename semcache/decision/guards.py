"""Hard vetoes: what two questions must agree on before a similarity may count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from semcache.decision.guards_quantities import (
    Disagreement,
    both_left,
    dates_apart,
    ids_apart,
    numbers_apart,
    told,
    units_apart,
    versions_apart,
)
from semcache.decision.profile import Profile
from semcache.decision.words import stem, words_of

LONG_TEXT_WORDS = 120  # beyond this a text may span windows, and small differences drown in a vector


@dataclass(frozen=True)
class Conflict:
    """A disagreement. The values are for explaining to the caller who sent them, never for a log."""

    guard: str
    asked: str = field(repr=False)
    stored: str = field(repr=False)


_LISTING = frozenset(("and", "or", "vs", "versu", "same", "equal", "as", "between"))
_DETERMINERS = frozenset(
    ("the", "a", "an", "my", "our", "your", "his", "her", "their", "its", "this", "that", "these", "those")
)
_LONGEST_EXCHANGE = 14  # words
_LONGEST_SMALL_WORD = 3
_MOST_SAID = 0.5  # a quotation told in other words keeps half of them
_SPANS = frozenset(("when", "how-long"))  # "when does it come", "how long does it take": people swap them

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


def _quotes(asked: Profile, stored: Profile) -> Disagreement | None:
    return _both_ways(_quotes_unsaid, asked, stored)


def _code(asked: Profile, stored: Profile) -> Disagreement | None:
    return _both_ways(_code_unsaid, asked, stored)


def _negation(asked: Profile, stored: Profile) -> Disagreement | None:
    """A word denied in one text and plain in the other, which denies nothing; or one "without" too many.

    "My card isn't working" and "my card is broken" agree, so the mere count of negations decides nothing.
    """
    return _denied(asked, stored) or _turned(_denied(stored, asked))


def _opposites(asked: Profile, stored: Profile) -> Disagreement | None:
    """Opposite sides of one pair, other members of one family ("weekly" and "monthly"), "legal" and "illegal"."""
    for category in asked.marks.keys() & stored.marks.keys():
        mine, yours = asked.marks[category], stored.marks[category]
        opposed = category.startswith("opposite:") and mine.isdisjoint(yours)
        if opposed or (category.startswith("sibling:") and mine - yours and yours - mine):
            return told(mine), told(yours)
    return _both_ways(_denied_by_form, asked, stored)


def _direction(asked: Profile, stored: Profile) -> Disagreement | None:
    """The same two words the other way round, or a place come from that was gone to."""
    mine, yours = asked.grammar, stored.grammar
    for relation, left, right in mine.pairs:
        if (relation, right, left) in yours.pairs:
            return f"{left} {relation} {right}", f"{right} {relation} {left}"
    for here, there in ((mine, yours), (yours, mine)):
        crossed = (here.sources - here.targets) & (there.targets - there.sources)
        if crossed:
            named = told(crossed)
            return (f"from {named}", f"to {named}") if here is mine else (f"to {named}", f"from {named}")
    return None


def _order(asked: Profile, stored: Profile) -> Disagreement | None:
    """The same text with two phrases in each other's place: who did it, and to whom."""
    mine, yours = _core(asked), _core(stored)
    if len(mine) != len(yours) or mine == yours or sorted(mine) != sorted(yours):
        return None
    differing = [place for place, (left, right) in enumerate(zip(mine, yours, strict=True)) if left != right]
    span = slice(differing[0], differing[-1] + 1)
    return (" ".join(mine[span]), " ".join(yours[span])) if _exchanged(mine[span], yours[span]) else None


def _language(asked: Profile, stored: Profile) -> Disagreement | None:
    """A language asked for that the other text does not name, other ones spoken of, or another one written in."""
    named, also_named = asked.marked("language"), stored.marked("language")
    mine, yours = asked.grammar.wanted_languages - also_named, stored.grammar.wanted_languages - named
    if mine or yours:
        return told(mine), told(yours)
    mine, yours = named - also_named, also_named - named
    written, also_written = asked.grammar.written_in, stored.grammar.written_in
    differ = written and also_written and written != also_written
    return (written, also_written) if differ else both_left(mine, yours)


def _format(asked: Profile, stored: Profile) -> Disagreement | None:
    """The shape asked for must be the same; what is to be written, where both say it."""
    mine, yours = asked.marked("format"), stored.marked("format")
    if mine != yours and not (_is_brief(mine) and _is_brief(yours) and "short" in mine | yours):
        return told(mine), told(yours)
    mine, yours = asked.marked("work"), stored.marked("work")
    return both_left(mine - yours, yours - mine)


def _quantifier(asked: Profile, stored: Profile) -> Disagreement | None:
    scope, other_scope = asked.marked("quantifier"), stored.marked("quantifier")
    if scope and other_scope and scope.isdisjoint(other_scope):
        return told(scope), told(other_scope)
    mine, yours = asked.marked("exception"), stored.marked("exception")
    return None if mine == yours else (told(mine), told(yours))


def _names(asked: Profile, stored: Profile) -> Disagreement | None:
    """Names that the other text does not know, on both sides."""
    mine = [name for name in asked.names if not _says(stored, name)]
    yours = [name for name in stored.names if not _says(asked, name)]
    if mine and yours:
        return told(" ".join(name) for name in mine), told(" ".join(name) for name in yours)
    return None


def _question(asked: Profile, stored: Profile) -> Disagreement | None:
    """Two different things asked: who, when, where, how much."""
    mine, yours = asked.grammar.asks, stored.grammar.asks
    return (mine, yours) if mine and yours and mine != yours and {mine, yours} != _SPANS else None


def _length(asked: Profile, stored: Profile) -> Disagreement | None:
    """Long texts differ where the vector does not see it: all their content words must be the same."""
    if max(len(asked.words.folded), len(stored.words.folded)) <= LONG_TEXT_WORDS:
        return None
    mine, yours = Counter(asked.grammar.content), Counter(stored.grammar.content)
    return None if mine == yours else (told(mine - yours), told(yours - mine))


GUARDS: dict[str, Guard] = {
    "numbers": numbers_apart,
    "ids": ids_apart,
    "versions": versions_apart,
    "dates": dates_apart,
    "units": units_apart,
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

LEARNED_GUARDS = ("negation", "opposites", "quantifier", "question", "dates")
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


def _both_ways(
    check: Callable[[Profile, Profile], Disagreement | None], asked: Profile, stored: Profile
) -> Disagreement | None:
    found = check(asked, stored)
    return found if found is not None else _turned(check(stored, asked))


def _quotes_unsaid(here: Profile, there: Profile) -> Disagreement | None:
    """Quotations that the other text does not repeat, with or without the marks."""
    missing = [value for value in here.slots.quoted if value not in there.folded]
    if not missing or (not there.slots.quoted and all(_said_share(value, there) >= _MOST_SAID for value in missing)):
        return None
    return told(missing), told(there.slots.quoted)


def _code_unsaid(here: Profile, there: Profile) -> Disagreement | None:
    """Code that the other text does not repeat; one that has no code at all may say "chile->norway" in words."""
    missing = [value for value in here.slots.code if value not in there.folded]
    if not missing or (
        not there.slots.code and all("->" in value and _said_share(value, there) == 1 for value in missing)
    ):
        return None
    return told(missing), told(there.slots.code)


def _said_share(value: str, there: Profile) -> float:
    """How many of the words that make a quotation the other text says; numbers have a guard of their own."""
    words = [word for word in words_of(value).folded if not word[0].isdigit()]
    telling = [word for word in words if len(word) > _LONGEST_SMALL_WORD] or words
    return sum(stem(word) in there.words.stems for word in telling) / len(telling) if telling else 0.0


def _denied_by_form(here: Profile, there: Profile) -> Disagreement | None:
    mine, yours = here.words.stems, there.words.stems
    for negative, plain in here.grammar.negatives:
        if plain in yours and plain not in mine and negative not in yours:
            return negative, plain
    return None


def _core(profile: Profile) -> list[str]:
    words = profile.words
    return [root for word, root in zip(words.folded, words.stems, strict=True) if word not in _DETERMINERS]


def _exchanged(mine: list[str], yours: list[str]) -> bool:
    """Whether one is "X a Y" and the other "Y a X", where `a` is more than the glue of a list."""
    length = len(mine)
    if length > _LONGEST_EXCHANGE:
        return False
    for head in range(1, length - 1):
        for tail in range(1, length - head):
            between = mine[head : length - tail]
            if yours == mine[length - tail :] + between + mine[:head] and not _LISTING.issuperset(between):
                return True
    return False


def _denied(here: Profile, there: Profile) -> Disagreement | None:
    if there.grammar.negations or not here.grammar.negations:
        return None
    plain = here.grammar.negated.intersection(there.words.stems)
    if plain:
        return f"not {told(plain)}", told(plain)
    return ("without", "") if "without" in here.words.folded else None


def _says(other: Profile, name: tuple[str, ...]) -> bool:
    return all(stem(word) in other.words.stems for word in name)


def _is_brief(formats: frozenset[str]) -> bool:
    return bool(formats) and formats <= {"short", "sentence", "word"}


def _turned(disagreement: Disagreement | None) -> Disagreement | None:
    return None if disagreement is None else (disagreement[1], disagreement[0])
