"""Whether a built model still says what the original says, on a fixed set of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from semcache.errors import EmbedderError

if TYPE_CHECKING:
    from semcache.entry import Vectors

# Dynamic int8 of MiniLM reaches 0.977, 0.993 and 0.989; per tensor instead of per channel, only 0.84, 0.96 and 0.94.
LEAST_COSINE = 0.95
LEAST_MEAN_COSINE = 0.98
LEAST_RANK_AGREEMENT = 0.97

TEXTS = (
    "How do I change the PIN of my debit card?",
    "I'd like to set a new PIN code for my card.",
    "Where can I see the status of my refund?",
    "My money has not come back yet, how can I track the reimbursement?",
    "Can I get a copy of last month's invoice?",
    "Please send me the bill for the previous month.",
    "The app crashes when I open the settings page.",
    "Opening the preferences screen makes your application quit.",
    "How long does shipping to Norway take?",
    "How many days until a parcel arrives in Oslo?",
    "Do you deliver to Norway?",
    "Cancel my subscription at the end of the month.",
    "Don't cancel my subscription at the end of the month.",
    "What is the capital of Australia?",
    "Which city is the seat of the Australian government?",
    "How do I convert 30 kilometres to miles?",
    "How do I convert 30 miles to kilometres?",
    "Explain recursion to a ten-year-old.",
    "Write a haiku about rain on a tin roof.",
    "Summarise the causes of the French Revolution in three sentences.",
    "def add(a, b):\n    return a + b",
    "Why does `git rebase` say that I have unstaged changes?",
    "SELECT name FROM users WHERE created_at > '2024-01-01';",
    "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
    "Is ibuprofen safe together with alcohol?",
    "What should I cook with chickpeas, spinach and a lemon?",
    "Translate 'good morning' into Japanese.",
    "Wie kann ich mein Passwort zurücksetzen?",
    "¿Cómo puedo restablecer mi contraseña?",
    "パスワードを忘れました。どうすればいいですか。",
    "I forgot my password and cannot sign in.",
    "Reset password",
    "hi",
    "Thanks a lot! 🙂",
    "7 + 5 * 3 = ?",
    "Order #48213-B has arrived damaged; the box was open and two of the six cups are broken.",
    "Which of your plans includes phone support, and what does it cost per seat and year?",
    "Our flight was moved from 9 a.m. to 11 p.m.; may we rebook without a fee?",
    "The quick brown fox jumps over the lazy dog.",
    "ANSWER IN CAPITAL LETTERS: WHO PAINTED GUERNICA?",
    "Hello, I bought a coffee machine from you in spring. For two weeks now it has been leaking water from below "
    "whenever the tank is more than half full. I have cleaned the drip tray, checked the seal of the tank and run "
    "the descaling programme twice, without success. The receipt is attached. Is this covered by the warranty, and "
    "do I have to send in the whole machine or can a technician come to our office?",
)


@dataclass(frozen=True)
class Fidelity:
    """Cosines between the two vectors of each text, and Spearman's correlation of all pairs' similarities."""

    least_cosine: float
    mean_cosine: float
    rank_agreement: float

    def require(self, what: str) -> None:
        """Raise `EmbedderError` where a bound does not hold."""
        for name, value, least in (
            ("least cosine to the original", self.least_cosine, LEAST_COSINE),
            ("mean cosine to the original", self.mean_cosine, LEAST_MEAN_COSINE),
            ("agreement on which texts are close", self.rank_agreement, LEAST_RANK_AGREEMENT),
        ):
            if not value >= least:
                raise EmbedderError(
                    f"{what}: after quantisation the {name} is {value:.3f}, below {least}; it was not written. "
                    "Use it unquantised, as sentence-transformers:<name or folder>"
                )


def compare(original: Vectors, built: Vectors) -> Fidelity:
    """Rows are the unit vectors of `TEXTS` (or of any other texts, in the same order)."""
    cosines = (original * built).sum(axis=1)
    pairs = np.triu_indices(len(original), k=1)
    agreement = np.corrcoef(_ranks((original @ original.T)[pairs]), _ranks((built @ built.T)[pairs]))[0, 1]
    return Fidelity(float(cosines.min()), float(cosines.mean()), float(agreement))


def _ranks(values: Sequence[float] | Vectors) -> Vectors:
    return np.argsort(np.argsort(values)).astype(np.float32)
