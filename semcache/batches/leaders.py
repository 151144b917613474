"""Near-duplicates inside a batch: a request waits for one before it, where that one's answer would be served to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from semcache.decision.verdict import Accepted, Decider
from semcache.entry import Candidate, Embedding, Entry, Exemplar, Kind, Miss, Scope
from semcache.message import text_message

if TYPE_CHECKING:
    from semcache.entry import Vector

_MOST = 20_000  # leaders of one batch, whatever their scopes: each takes three kilobytes
_CLOSEST = 8  # candidates that the decision is asked about, as it would be of stored ones
_AT_LEAST = 0.5  # similarity below which nothing was ever served

Embed = Callable[[str], Embedding | None]


@dataclass
class _Group:
    """Requests of one scope that are to be sent, with room for more vectors."""

    vectors: Vector
    leaders: list[tuple[int, str, Embedding]] = field(default_factory=list)  # place, question


class Leaders:
    """The requests of one batch that are to be sent. The decision is the cache's own, and is taken anew at the end:
    whoever waited is looked up again, and sent where it is no hit.
    """

    def __init__(self, decider: Decider, embed: Embed) -> None:
        self._decider = decider
        self._embed = embed
        self._groups: dict[Scope, _Group] = {}
        self._count = 0

    def leader_of(self, miss: Miss) -> int | None:
        """The request to wait for; None, and this one leads others from now on with `add`."""
        group, embedding = self._groups.get(miss.scope), self.embedding_of(miss)
        if group is None or embedding is None or miss.question is None:
            return None
        similarities = group.vectors[: len(group.leaders)] @ embedding.vector
        closest = np.argsort(-similarities)[:_CLOSEST]
        near = [
            self._candidate(miss, int(row), float(similarities[row]))
            for row in closest
            if similarities[row] >= _AT_LEAST
        ]
        verdict = self._decider.decide(miss.question, embedding, near) if near else None
        return int(verdict.candidate.entry.id) if isinstance(verdict, Accepted) else None

    def add(self, place: int, miss: Miss) -> None:
        """From now on others may wait for this one."""
        embedding = self.embedding_of(miss)
        if embedding is None or miss.question is None or self._count >= _MOST:
            return
        self._count += 1
        group = self._groups.setdefault(miss.scope, _Group(np.zeros((1, len(embedding.vector)), np.float32)))
        count = len(group.leaders)
        if count == len(group.vectors):
            group.vectors = np.concatenate([group.vectors, np.zeros_like(group.vectors)])
        group.vectors[count] = embedding.vector
        group.leaders.append((place, miss.question, embedding))

    def embedding_of(self, miss: Miss) -> Embedding | None:
        """Of the question, where a similar one may share the answer."""
        if miss.question is None or miss.is_exact_only:
            return None
        return miss.embedding or self._embed(miss.question)

    def _candidate(self, miss: Miss, row: int, similarity: float) -> Candidate:
        """The leader as it would be found, were it answered already."""
        place, question, embedding = self._groups[miss.scope].leaders[row]
        message = text_message("", model="", message_id="", usage={})
        entry = Entry(
            id=str(place), scope=miss.scope, key="", kind=Kind.LEARNED, question=question, message=message,
            requested_model="", served_model="", cost_usd=0.0, created_at=0.0, expires_at=None,
        )  # fmt: skip
        return Candidate(entry, Exemplar(entry.id, question, embedding, id=row + 1), similarity)
