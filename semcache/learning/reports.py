"""What people reported as wrong: an answer that says the same is not remembered for such a question again."""

from __future__ import annotations

from collections.abc import Iterable

from semcache.canonical import digest
from semcache.decision.words import normal
from semcache.entry import Candidate, Embedding, Exemplar, Label, Miss, Origin
from semcache.message import Message
from semcache.stores.store import Store

REPORTED = "reported-wrong"  # why an answer is not stored
NEAR = 0.97  # cosine from which a reported text speaks for every wording of it
_MARGIN = 0.02


def withdrawn_key(key: str) -> str:
    """Where the wrong answer to a request is kept, so that it is known when it comes again."""
    return digest(["withdrawn", key])


def says_same(message: Message, other: Message) -> bool:
    """Whether two answers are the same words, in any case and spacing."""
    return _folded(message) == _folded(other)


def is_reported(candidates: Iterable[Candidate], fresh: Message) -> bool:
    """Whether this answer was reported as wrong for a text as near as any that it is known for."""
    same = [one for one in candidates if says_same(one.entry.message, fresh)]
    return _weighs(
        [one.similarity for one in same if _is_report(one.exemplar)],
        [one.similarity for one in same if one.exemplar.label is Label.POSITIVE],
    )


def is_withdrawn(store: Store, miss: Miss, fresh: Message, *, k: int) -> bool:
    """Whether people said that this very answer is wrong, to this request or to one like it. Raises `StoreError`."""
    searched = [] if miss.embedding is None else [miss.scope]
    looked_up = store.look_up([(miss.scope, withdrawn_key(miss.key))], searched)
    (withdrawn,) = looked_up.entries
    if withdrawn is not None and says_same(withdrawn.message, fresh):
        return True
    if miss.embedding is None or not looked_up.searchable:
        return False
    return is_reported(store.nearest(miss.scope, miss.embedding, k=k), fresh)


def is_reported_near(exemplars: Iterable[Exemplar], asked: Embedding) -> bool:
    """The same of one entry's exemplars."""
    known = [(one, float(one.embedding.vector @ asked.vector)) for one in exemplars]
    return _weighs(
        [nearness for one, nearness in known if _is_report(one)],
        [nearness for one, nearness in known if one.label is Label.POSITIVE],
    )


def holds_reports(exemplars: Iterable[Exemplar]) -> bool:
    """Whether people have reported the answer for some question."""
    return any(map(_is_report, exemplars))


def _is_report(exemplar: Exemplar) -> bool:
    return exemplar.label is Label.NEGATIVE and exemplar.origin is Origin.FEEDBACK


def _weighs(reported: list[float], known: list[float]) -> bool:
    return bool(reported) and max(reported) >= min(NEAR, max(known, default=0.0) - _MARGIN)


def _folded(message: Message) -> str:
    return " ".join(normal(message.text).casefold().split())
