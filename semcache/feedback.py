"""A person's word on an answer: what is found wrong is not served for that question, or near it, again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from semcache.cache import Cache
from semcache.entry import Embedding, Entry, Exemplar, Kind, Label, Origin, new_entry_id
from semcache.faq import fold_question
from semcache.learning.lessons import Report
from semcache.learning.reports import NEAR, says_same, withdrawn_key
from semcache.search import NEAREST
from semcache.stores.store import Selection, Serving

MOST_SERVINGS = 100  # of an answer, listed as affected
MOST_WITHDRAWN = 64  # wordings that a removed answer is remembered as wrong for
WITHDRAWN_TAG = "reported-wrong"
_LEARNED_FROM_STREAM = (Origin.MISS, Origin.AUDIT)


class Effect(Enum):
    """What a word on an answer did."""

    UNCHANGED = "unchanged"
    LEARNED = "learned"
    REMOVED = "removed"


@dataclass(frozen=True)
class Judged:
    """An answer as somebody got it: the entry, and the question it was given to."""

    entry: Entry
    question: str

    @property
    def is_own_question(self) -> bool:
        if self.entry.kind is Kind.FAQ:
            return fold_question(self.question) == fold_question(self.entry.question)
        return self.question.strip() == self.entry.question.strip()


@dataclass(frozen=True)
class Correction:
    """What was done, and what else it concerns: the entry's other wordings, and where its answer was served of late."""

    judged: Judged
    effect: Effect
    other_wordings: tuple[str, ...]
    servings: tuple[Serving, ...]

    @property
    def other_servings(self) -> tuple[Serving, ...]:
        """Those for other questions than the one judged."""
        asked = self.judged.question.strip()
        return tuple(one for one in self.servings if one.question.strip() != asked)


def find_judged(cache: Cache, reference: str, *, question: str | None = None) -> Judged | None:
    """The answer meant by the id of an entry, of a message, or of a request that was answered from memory or stored.

    `question`: the one it was served for; without it that of the serving, or the entry's own.
    """
    serving = cache.store.serving(reference)
    if serving is None and reference.startswith("req_"):
        serving = cache.store.serving(f"msg_{reference.removeprefix('req_')}")
    entry = cache.store.get(reference if serving is None else serving.entry_id)
    if entry is None or WITHDRAWN_TAG in entry.tags:
        return None
    served_for = entry.question if serving is None else serving.question
    return Judged(entry, question or served_for or entry.question)


def correct(cache: Cache, judged: Judged, *, right: bool) -> Correction:
    """Take a person's word. Raises `StoreError`, `EmbedderError`.

    A wrong answer to its own question is removed, and not remembered when it comes again. To another question, that
    question stops being an alias and becomes a negative exemplar: the answer is not served for it, or near it, again.
    A right one becomes a positive exemplar.
    """
    store, entry = cache.store, judged.entry
    exemplars, servings = store.exemplars(entry.id), store.servings_of(entry.id, limit=MOST_SERVINGS)
    effect = Effect.UNCHANGED if right else Effect.REMOVED
    if not judged.is_own_question:
        effect = Effect.LEARNED
        _learn(cache, judged, right=right)
    elif not right:
        _withdraw(cache, entry, exemplars)
    _teach_router(cache, judged, exemplars, right=right)
    wordings = {one.text for one in exemplars if one.label is Label.POSITIVE} - {judged.question}
    return Correction(judged, effect, tuple(sorted(wordings)), tuple(servings))


def _teach_router(cache: Cache, judged: Judged, exemplars: list[Exemplar], *, right: bool) -> None:
    """Whether the model that was chosen for such a question was enough; nothing where the caller's own answered."""
    asked = next((one for one in exemplars if one.text == judged.question), None)
    if asked is not None and judged.entry.served_model != judged.entry.requested_model:
        namespace = judged.entry.scope.namespace
        cache.learning.note_routed_answer(namespace, asked.embedding.vector, was_enough=right)


def _learn(cache: Cache, judged: Judged, *, right: bool) -> None:
    """To another question than its own: tell the two apart, or together, at once; the weights learn in their time."""
    entry, embedding = judged.entry, cache.embedder.embed(judged.question)
    considered = cache.weigh(entry.scope, judged.question, embedding)
    _relabel(cache, judged, embedding, right=right)
    if not right:
        for twin in _twins(cache, entry, embedding):
            _relabel(cache, replace(judged, entry=twin), embedding, right=False)
    for candidate in considered:
        if candidate.entry_id == entry.id:
            cache.learning.note_report(Report(entry.scope.namespace, candidate, right))


def _relabel(cache: Cache, judged: Judged, embedding: Embedding, *, right: bool) -> None:
    """Written before the contrary is looked for: an audit in the background writes first and looks afterwards, too."""
    label = Label.POSITIVE if right else Label.NEGATIVE
    cache.store.add_exemplar(
        Exemplar(judged.entry.id, judged.question, embedding, label, Origin.FEEDBACK, created_at=cache.now())
    )
    contrary = [
        one.id
        for one in cache.store.exemplars(judged.entry.id)
        if one.label is not label
        and (one.text.strip() == judged.question.strip() or (not right and _goes_too(one, judged, embedding)))
    ]
    cache.store.remove_exemplars(contrary)


def _goes_too(alias: Exemplar, judged: Judged, embedding: Embedding) -> bool:
    """Whether a wording that the stream taught is so near that it falls with the one reported."""
    is_learned = alias.origin in _LEARNED_FROM_STREAM and alias.text.strip() != judged.entry.question.strip()
    return is_learned and float(alias.embedding.vector @ embedding.vector) >= NEAR


def _twins(cache: Cache, entry: Entry, embedding: Embedding) -> list[Entry]:
    """Other entries near the question that say the very same."""
    near = cache.store.nearest(entry.scope, embedding, k=NEAREST)
    found = {one.entry.id: one.entry for one in near if one.entry.id != entry.id}
    return [other for other in found.values() if says_same(other.message, entry.message)]


def _withdraw(cache: Cache, entry: Entry, exemplars: list[Exemplar]) -> None:
    """Remove an answer; of a learned one keep what is needed to know it when the upstream gives it again."""
    if entry.kind is Kind.LEARNED:
        known = [one for one in exemplars if one.label is Label.POSITIVE or one.origin is Origin.FEEDBACK]
        now, age_seconds = cache.now(), (entry.expires_at or entry.created_at) - entry.created_at
        kept = replace(
            entry,
            id=new_entry_id(),
            key=withdrawn_key(entry.key),
            created_at=now,
            expires_at=now + age_seconds,
            tags=tuple(sorted({*entry.tags, WITHDRAWN_TAG})),
            hits=0,
            last_hit_at=None,
        )
        cache.store.put(kept, [_refuted(one, kept, now) for one in known[:MOST_WITHDRAWN]])
    cache.store.delete(Selection(entry_ids=(entry.id,)))


def _refuted(one: Exemplar, kept: Entry, now: float) -> Exemplar:
    return replace(one, entry_id=kept.id, label=Label.NEGATIVE, origin=Origin.FEEDBACK, created_at=now, id=0, key="")
