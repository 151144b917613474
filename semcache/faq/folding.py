"""The exact form under which an FAQ question is keyed."""

from __future__ import annotations

import unicodedata

# Marks that end a sentence or trail off. Others mean something: C# is not C, and C++ neither.
_SENTENCE_ENDS = " .?!,;:…。、｡؟؛،।॥"


def fold_question(text: str) -> str:
    """Equal for questions that differ in case, width, spacing or closing punctuation only. Idempotent."""
    folded = _folded_once(text)
    while folded != text:  # folding case can undo a normal form, and the other way round
        text, folded = folded, _folded_once(folded)
    return folded


def _folded_once(text: str) -> str:
    normal = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    collapsed = " ".join(normal.split())
    return collapsed.rstrip(_SENTENCE_ENDS) or collapsed
