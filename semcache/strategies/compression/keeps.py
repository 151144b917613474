"""What is kept whatever else is: standing instructions, what is open, what later words rest on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from semcache.strategies.compression.facts import Fact, Kind, identifiers_in
from semcache.strategies.compression.old_turns import OldTurns, Unit
from semcache.strategies.compression.phrases import folded, phrases
from semcache.strategies.compression.sentences import Form, sentences_of
from semcache.strategies.compression.worth import Stock

_ELLIPTIC = 5  # words: a question this short leaves out what it is about
_SHORT_REPLY = 12  # words: a longer one says itself what it answers
_NAMED = (Kind.NUMBER, Kind.NAME, Kind.DATE)


def bound_keeps(old: OldTurns, after: Sequence[str]) -> frozenset[int]:
    """Kept even beyond the budget."""
    talk = {place for place, unit in enumerate(old.units) if unit.sentence.form is Form.PROSE}
    constraints = {place for place in talk if old.units[place].is_users and _says(phrases().constraints, old, place)}
    left_open = {place for place in talk if _says(phrases().open, old, place)}
    return frozenset(constraints | left_open | set(_definitions(old, after)) | set(_unanswered(old)))


def first_keeps(old: OldTurns, after: Sequence[str], stock: Stock, *, near: int) -> list[int]:
    """Taken before all else, as far as the budget goes: what the turns right behind the block rest on.

    A pronoun there may stand for any of the last `near` things that the user has said.
    """
    found = [*_asked_last(old, after), *_pointed_at(old, after, stock, near=near)]
    return list(dict.fromkeys(found))


def antecedents(old: OldTurns, stock: Stock) -> dict[int, int]:
    """Of each sentence that leans on a pronoun and names nothing itself, the one it leans on."""
    return {
        place: leant_on
        for place, unit in enumerate(old.units)
        if _leans(unit, stock.facts[place]) and (leant_on := _antecedent(old, place, stock)) is not None
    }


def _says(pattern: re.Pattern[str], old: OldTurns, place: int) -> bool:
    return pattern.search(folded(old.units[place].text)) is not None


def _definitions(old: OldTurns, after: Sequence[str]) -> Iterator[int]:
    """Where identifiers of the turns behind the block get their meaning: a definition, else the first code with it."""
    for name in sorted(frozenset().union(*(identifiers_in(text) for text in after))):
        holding = [place for place, unit in enumerate(old.units) if name in unit.text]
        defining = [place for place in holding if _defines(old.units[place])]
        yield from defining[:1]


def _defines(unit: Unit) -> bool:
    return unit.sentence.form is Form.WHOLE or phrases().definitions.search(folded(unit.text)) is not None


def _unanswered(old: OldTurns) -> Iterator[int]:
    """Questions of the user that no assistant turn of their exchange follows."""
    for place, unit in enumerate(old.units):
        if unit.is_users and unit.sentence.asks:
            end = old.exchanges[unit.exchange].end
            followers = old.messages[unit.message + 1 : end]
            if unit.exchange < len(old.exchanges) - 1 and _has_assistant(old) and not followers:
                yield place


def _has_assistant(old: OldTurns) -> bool:
    return any(message.get("role") == "assistant" for message in old.messages)


def _asked_last(old: OldTurns, after: Sequence[str]) -> Iterator[int]:
    """The question that a short turn right behind the block answers."""
    if not after or len(after[0].split()) > _SHORT_REPLY or not old.units:
        return
    last = old.units[-1].message
    asking = [place for place, unit in enumerate(old.units) if unit.message == last and unit.sentence.asks]
    if asking and not old.units[-1].is_users:
        yield asking[-1]


def _pointed_at(old: OldTurns, after: Sequence[str], stock: Stock, *, near: int) -> Iterator[int]:
    """What a pronoun behind the block stands for, and the best sentence on each fact that is named there again."""
    if any(_points_back(sentence.text) for text in after for sentence in sentences_of(text) if sentence.asks):
        said = [place for place, unit in enumerate(old.units) if unit.is_users][-near:]
        yield from (place for place in reversed(said) if _says_itself(old.units[place], stock.facts[place]))
    spoken = " ".join(f" {' '.join(folded(text).split())} " for text in after)
    for fact in sorted({fact for stated in stock.facts for fact in stated if fact.kind in _NAMED}):
        if f" {fact.text} " in spoken:
            stating = [place for place, stated in enumerate(stock.facts) if fact in stated]
            yield max(stating, key=lambda place: (sum(stock.worth[each] for each in stock.facts[place]), place))


def _points_back(question: str) -> bool:
    """By a pronoun, or by leaving out what it asks about."""
    return len(question.split()) <= _ELLIPTIC or phrases().pronouns.search(folded(question)) is not None


def _says_itself(unit: Unit, stated: tuple[Fact, ...]) -> bool:
    """It has content, and no pronoun stands for any of it."""
    return bool(stated) and not _leans(unit, stated)


def _leans(unit: Unit, stated: tuple[Fact, ...]) -> bool:
    return (
        unit.sentence.form is Form.PROSE
        and not _names_something(stated)
        and phrases().pronouns.search(phrases().expletives.sub("", folded(unit.text))) is not None
    )


def _antecedent(old: OldTurns, place: int, stock: Stock) -> int | None:
    """The sentence before it in its turn; for the first of a turn, the last one before that names something."""
    unit = old.units[place]
    if place and old.units[place - 1].message == unit.message:
        return place - 1
    nearby = [at for at in range(place - 1, -1, -1) if old.units[at].exchange >= unit.exchange - 1]
    return next((at for at in nearby if _names_something(stock.facts[at])), None)


def _names_something(stated: tuple[Fact, ...]) -> bool:
    return any(fact.kind in _NAMED for fact in stated)
