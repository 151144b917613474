"""How far a question in a conversation may share its answer with other conversations, and where it is kept."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from semcache.canonical import Identity, Turn, digest
from semcache.decision.guards import conflicts
from semcache.decision.leaning import leaning
from semcache.decision.leaning_reading import read_question
from semcache.decision.lexicon import lexicon
from semcache.decision.profile import Profile
from semcache.decision.words import normal, stem, words_of

MOST_CONTEXT_TURNS = 4  # user turns before the question; with more of them hardly two conversations agree
LONGEST_CONTEXT = 600  # characters of those turns together
LONGEST_TURN = 400  # a longer one brings material along, and later answers may rest on it
_READ_CHARACTERS = 20_000  # of an answer, when looking whether it points back
_LEAST_OVERLAP = 0.5  # more of its content words must the shorter of two contexts share
_MARKUP = re.compile(r"```|`[^`]+`|\n\s*\n|^\s*[-*#>|\d][.)\s]", re.MULTILINE)
_SENTENCE = re.compile(r"[^.?!\n]+[.?!]*")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question is looked up and its answer is kept: a scope, an exact key in it, and the exemplar's text."""

    scope_digest: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class StandsAlone:
    """Understood without the turns before it: its place is that of the same question asked alone."""

    place: Place


@dataclass(frozen=True, slots=True)
class Leans:
    """Understood with what the user said before, which its text includes, one turn a line, the question last.

    Where it may point at what the assistant said, that is part of its scope. No question that stands alone is there.
    """

    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Tied:
    """Bound to its very history: nothing else is safe to compare."""

    place: Place
    reason: str


Standing = StandsAlone | Leans | Tied


@dataclass(frozen=True)
class _Pointers:
    """The patterns of context.toml."""

    terms: re.Pattern[str]
    unknowns: re.Pattern[str]
    courtesies: re.Pattern[str]
    inquiries: re.Pattern[str]
    refers_back: re.Pattern[str]
    pointing: re.Pattern[str]
    telling: frozenset[str]
    shapes: frozenset[str]


def standing_of(identity: Identity, question: str) -> Standing:
    """Where a request with this question stands. In doubt it is tied to its history."""
    tied = Place(identity.scope_digest, identity.key, question)
    if identity.history_turns == 0:
        return StandsAlone(tied)
    if identity.history is None or identity.companions:
        return Tied(tied, "context-not-text")
    if reason := _binding(identity.history, question):
        return Tied(tied, reason)
    earlier = [text for text in _said_by("user", identity.history) if not _is_courtesy(text)]
    reason = leaning(question, earlier) or _replying(question, identity.history[-1].text)
    if reason is not None:
        return _leaning_standing(identity, question, earlier, reason=reason)
    if all(map(_only_inquires, earlier)):
        return StandsAlone(Place(identity.open_scope_digest, identity.open_key, question))
    return Tied(tied, "context-statement")


def _leaning_standing(identity: Identity, question: str, earlier: list[str], *, reason: str) -> Leans | Tied:
    length = sum(map(len, [*earlier, question]))
    if not 0 < len(earlier) <= MOST_CONTEXT_TURNS or length > LONGEST_CONTEXT:
        return Tied(Place(identity.scope_digest, identity.key, question), "context-length")
    replies = _said_by("assistant", identity.history or ())
    said = digest(replies) if _may_point_at_reply(question, earlier[-1]) else ""
    scope = digest([identity.open_scope_digest, "leaning", said])
    return Leans(Place(scope, identity.key, "\n".join([*earlier, _line(question)])), reason)


def _said_by(role: str, history: Sequence[Turn]) -> list[str]:
    return [_line(turn.text) for turn in history if turn.role == role]


def context_objection(asked: str, stored: str) -> str | None:
    """Why two texts of `Leans` may not share an answer, beyond what the guards say of them whole; None: they may.

    What was said before and the follow-up are compared apart: in one text, the long part drowns the short one,
    and a value of the one could pass for a value of the other.
    """
    if asked == stored:
        return None
    *asked_context, asked_question = asked.split("\n")
    *stored_context, stored_question = stored.split("\n")
    if _meaning(asked_question) != _meaning(stored_question):
        return "follow-up"
    mine, yours = " ".join(asked_context), " ".join(stored_context)
    found = conflicts(asked_question, stored_question) + conflicts(mine, yours)
    if found:
        return f"context-{found[0].guard}"
    return "context-topic" if _other_topic(mine, yours) else None


def refers_back(answer: str) -> bool:
    """Whether an answer speaks of the conversation it was given in, and so belongs there only."""
    return _pointers().refers_back.search(_folded(answer[:_READ_CHARACTERS])) is not None


@cache
def _pointers() -> _Pointers:
    data = tomllib.loads(files("semcache.decision").joinpath("context.toml").read_text("utf-8"))
    return _Pointers(
        terms=_any_of(data["terms"]),
        unknowns=_any_of(data["unknowns"]),
        courtesies=_any_of(data["courtesies"]),
        inquiries=_any_of(data["inquiries"]),
        refers_back=_any_of(data["refers_back"]),
        pointing=_any_of(data["pointing"]),
        telling=frozenset(data["telling"]),
        shapes=frozenset(data["shapes"]),
    )


def _any_of(fragments: list[str]) -> re.Pattern[str]:
    return re.compile(r"(?:\b|^)(?:" + "|".join(fragments) + r")\b")


def _binding(history: Sequence[Turn], question: str) -> str | None:
    """What in these turns an answer to any later question may rest on."""
    if [turn.role for turn in history] != ["user", "assistant"] * (len(history) // 2):
        return "context-turns"
    said = [turn.text for turn in history if turn.role == "user"]
    if any(len(text) > LONGEST_TURN or _MARKUP.search(text) for text in said):
        return "context-material"
    profiles = [Profile.of(text) for text in [*said, question]]
    languages = {profile.grammar.written_in for profile in [*profiles, Profile.of(history[-1].text)]}
    if languages - {"", "en"}:
        return "context-language"
    pointers = _pointers()
    asks_for_form = any(p.marked("format") & pointers.shapes or p.grammar.wanted_languages for p in profiles[:-1])
    if asks_for_form or any(pointers.terms.search(_folded(text)) for text in said):
        return "context-terms"
    return None


def _line(text: str) -> str:
    return " ".join(text.split())


def _folded(text: str) -> str:
    return _line(normal(text).casefold())


def _is_courtesy(text: str) -> bool:
    return not text or _pointers().courtesies.fullmatch(_folded(text).strip(" .!?,")) is not None


def _only_inquires(text: str) -> bool:
    """Whether every sentence asks for information, so that none tells anything."""
    inquiries = _pointers().inquiries
    sentences = [sentence.strip() for sentence in _SENTENCE.findall(_folded(text)) if sentence.strip(" .?!")]
    return all(each.endswith("?") or inquiries.match(each) or _is_courtesy(each) for each in sentences)


def _replying(question: str, last_reply: str) -> str | None:
    """Where the assistant has asked, what is not a question itself may be the reply."""
    asked = "?" in last_reply[-200:]
    return "reply" if asked and not question.rstrip().endswith("?") else None


def _may_point_at_reply(question: str, previous: str) -> bool:
    """Whether the follow-up may mean something that only the assistant has named."""
    pointers = _pointers()
    is_question = question.rstrip().endswith("?")
    points = pointers.pointing.search(_folded(question)) or pointers.unknowns.search(_folded(previous))
    return points is not None or not is_question


def _meaning(question: str) -> frozenset[str]:
    """The stems of all words that make one follow-up differ from another."""
    stop, telling = lexicon().stop, _pointers().telling
    return frozenset(stem(word) for word in words_of(normal(question)).folded if word in telling or word not in stop)


def _other_topic(mine: str, yours: str) -> bool:
    """Whether a context names what the other does not, each says something of its own, or they share too little."""
    left, right = read_question(mine, ()), read_question(yours, ())
    said_left, said_right = set(map(stem, left.words)), set(map(stem, right.words))
    if not said_right.issuperset(map(stem, left.named)) or not said_left.issuperset(map(stem, right.named)):
        return True
    about_left, about_right = set(map(stem, left.content)), set(map(stem, right.content))
    if about_left - said_right and about_right - said_left:
        return True
    fewer = min(len(about_left), len(about_right))
    return about_left != about_right and len(about_left & about_right) <= _LEAST_OVERLAP * fewer
