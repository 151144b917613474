"""A long sentence in parts that can stand without each other: what opens it politely, and clauses that follow."""

from __future__ import annotations

import re

from semcache.strategies.compression.phrases import folded, phrases
from semcache.strategies.compression.sentences import Form, Sentence

_SHORTEST_PARTED = 48  # characters: less than this is not worth a mark
_SHORTEST_PART = 10
_JOIN = re.compile(r"(?:[,;]|\s[-\u2013\u2014])\s+(?=[^\W_])|\s+(?=(?:and|but|because|which|who|while|so that)\s)")


def clauses_of(sentence: Sentence) -> list[Sentence]:
    """In order; joined, their texts are the sentence. What binds, and what is not prose, stays in one piece."""
    text = sentence.text
    if sentence.form is not Form.PROSE or len(text) < _SHORTEST_PARTED or _binds(text):
        return [sentence]
    cuts = [end for end in _cuts(text) if end > 0]
    parts, start = [], 0
    for end in [*cuts, len(text)]:
        if end - start >= _SHORTEST_PART and (len(text) - end >= _SHORTEST_PART or end == len(text)):
            parts.append(Sentence(text[start:end]))
            start = end
    if start < len(text):
        parts[-1:] = [Sentence("".join(part.text for part in parts[-1:]) + text[start:])]
    return parts


def _binds(text: str) -> bool:
    """A condition and its consequence, a rule and its exception: half of it would be another one."""
    heard = folded(text)
    return any(pattern.search(heard) for pattern in (phrases().constraints, phrases().open, phrases().conditions))


def _cuts(text: str) -> list[int]:
    opening = phrases().openings.match(folded(text))
    lead = opening.end() if opening is not None else 0
    return sorted({lead, *(match.end() for match in _JOIN.finditer(text) if match.end() > lead)})
