"""What the cache holds and what a lookup finds: Scope, Entry, Exemplar, and Hit | Miss | Bypass."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING

from semcache.canonical import digest
from semcache.message import Message

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector = NDArray[np.float32]  # shape (dims,), unit length
    Vectors = NDArray[np.float32]  # shape (n, dims), rows of unit length


DOWNSHIFTED_TAG = "semcache:downshifted"  # a cheaper model answered than its caller had named


@dataclass(frozen=True, slots=True)
class Scope:
    """All that must be equal before two questions may share an answer. Never crossed by any search."""

    namespace: str
    digest: str  # SHA-256 in hex

    @property
    def short(self) -> str:
        return self.digest[:12]

    @classmethod
    def faq(cls, namespace: str, *, model: str | None = None, system: str | None = None) -> Scope:
        """Where the FAQ of a namespace lives; narrowed to a model or a system prompt's digest if given."""
        return cls(namespace, _faq_digest(namespace, model, system))


@dataclass(frozen=True)
class Embedding:
    """A text as vectors, from one forward pass per window.

    `windows` holds a row for each stretch of the text that fits the model; `vector` is their
    normalised mean, and equals the only row of a short text. `tokens` are the token vectors of all
    windows in order, where the embedder was asked for them; they are never stored.
    """

    vector: Vector
    windows: Vectors
    tokens: Vectors | None = None
    token_texts: tuple[str, ...] = ()


class Kind(Enum):
    """Where an answer came from."""

    LEARNED = "learned"
    FAQ = "faq"


class Label(Enum):
    """Whether the entry's answer is right for the exemplar's text."""

    POSITIVE = 1
    NEGATIVE = 0


class Origin(Enum):
    """How an exemplar's label was learned. An unaudited hit is not among them."""

    MISS = "miss"
    IMPORT = "import"
    FEEDBACK = "feedback"
    AUDIT = "audit"


@dataclass(frozen=True)
class Entry:
    """A stored message. Times are seconds since the epoch, from the store's clock."""

    id: str
    scope: Scope
    key: str  # exact key (hex)
    kind: Kind
    question: str
    message: Message
    requested_model: str
    served_model: str
    cost_usd: float  # what the upstream call cost; 0 for FAQ
    created_at: float
    expires_at: float | None  # absolute; None: never
    tags: tuple[str, ...] = ()
    credential: str = ""  # provenance: HMAC of the credential that caused it
    hits: int = 0
    last_hit_at: float | None = None


@dataclass(frozen=True)
class Exemplar:
    """A text known to be answered by an entry, or known not to be."""

    entry_id: str
    text: str
    embedding: Embedding = field(repr=False)
    label: Label = Label.POSITIVE
    origin: Origin = Origin.MISS
    created_at: float = 0.0
    id: int = 0  # given by the store, never used again
    key: str = ""  # exact key (hex) of the request this text came with; empty: not known


@dataclass(frozen=True)
class Candidate:
    """A stored exemplar near the question, with its entry. `similarity` is cosine in [-1, 1]."""

    entry: Entry
    exemplar: Exemplar
    similarity: float


@dataclass(frozen=True)
class Considered:
    """A candidate that was judged, and what speaks against it (empty: nothing does)."""

    entry_id: str
    similarity: float
    confidence: float  # probability that its answer is right for this request
    objections: tuple[str, ...] = ()
    values: tuple[float, ...] = field(default=(), repr=False)  # the evidence, one for each of `decision.evidence`
    wording: str = field(default="", repr=False)  # the stored text it was compared with


class HitKind(Enum):
    """How a hit was found; the `detail` of Cache-Status."""

    EXACT = "exact"
    SEMANTIC = "semantic"
    FAQ = "faq"


@dataclass(frozen=True)
class Hit:
    """A stored answer that may be served."""

    kind: HitKind
    entry: Entry
    similarity: float
    confidence: float
    considered: tuple[Considered, ...] = ()  # the likeliest first
    question: str | None = None  # as it was looked up
    embedding: Embedding | None = field(default=None, repr=False)  # None for exact repeats, which compare no texts
    key: str = ""
    generation: int | None = None  # of its scope, where the answer is asked for all the same


@dataclass(frozen=True)
class Miss:
    """Nothing that may be served; what the lookup computed is carried to where the answer is stored."""

    scope: Scope
    key: str
    reason: str
    question: str | None = None
    embedding: Embedding | None = field(default=None, repr=False)
    considered: tuple[Considered, ...] = ()
    fallback: tuple[Scope, str] | None = None  # scope and key of an answer that speaks of its conversation
    is_exact_only: bool = False  # its answer holds for this very request: no similar question may find it
    generations: tuple[int, ...] = ()  # of the scopes of `places`, before the answer is asked for; (): not known

    @property
    def places(self) -> tuple[tuple[Scope, str], ...]:
        """Scopes and keys under which the answer to this very request may have been stored."""
        home = (self.scope, self.key)
        return (home,) if self.fallback is None else (home, self.fallback)

    def generation_of(self, scope: Scope) -> int | None:
        """Of one of its places; None: an answer is stored there whatever was removed since."""
        return next(
            (number for (of, _), number in zip(self.places, self.generations, strict=False) if of == scope), None
        )

    @property
    def request_key(self) -> str:
        """Equal exactly when two requests mean the same, earlier turns included."""
        return self.places[-1][1]


@dataclass(frozen=True)
class Bypass:
    """The cache was not asked, or may not answer. `reason` is one stable word for headers and metrics."""

    reason: str
    detail: str = ""
    would_be: Hit | Miss | None = None  # shadow mode: what the lookup found


Lookup = Hit | Miss | Bypass


@lru_cache(maxsize=4096)
def _faq_digest(namespace: str, model: str | None, system: str | None) -> str:
    return digest(["faq", namespace, model, system])


def new_entry_id() -> str:
    """A fresh entry id."""
    return f"ent_{secrets.token_hex(12)}"
