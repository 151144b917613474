"""Candidates for tests of the decision, on the hashing embedder."""

from __future__ import annotations

from semcache.embedders.hashed import HashedEmbedder
from semcache.entry import Candidate, Embedding, Entry, Exemplar, Kind, Label, Origin, Scope
from semcache.message import text_message

EMBEDDER = HashedEmbedder()
SCOPE = Scope("shop", "0" * 64)


def embedded(text: str) -> Embedding:
    return EMBEDDER.embed(text)


def entry(name: str, *, answer: str = "Like so.", kind: Kind = Kind.LEARNED) -> Entry:
    message = text_message(answer, model="", message_id="", usage={})
    return Entry(name, SCOPE, name, kind, name, message, "", "", 0.0, 0.0, None)


def candidate(
    asked: str, stored: str, *, of: Entry | None = None, label: Label = Label.POSITIVE, origin: Origin = Origin.MISS
) -> Candidate:
    """A stored text beside a question, with their cosine."""
    owner = of or entry(f"ent {stored}")
    embedding = embedded(stored)
    similarity = float(embedding.vector @ embedded(asked).vector)
    return Candidate(owner, Exemplar(owner.id, stored, embedding, label, origin), similarity)
