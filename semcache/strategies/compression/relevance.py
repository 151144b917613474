"""How near each sentence is to the user turns after its block: by meaning, by rare words, by facts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from semcache.decision.lexicon import lexicon
from semcache.decision.words import normal, words_of
from semcache.entry import Embedding

Embed = Callable[[str], Embedding]

_SATURATION, _LENGTH_SHARE = 1.2, 0.75  # BM25's k1 and b
_DIGITS = 2  # of a cosine: what two processors differ in shall not decide


def relevance_of(
    texts: Sequence[str], queries: Sequence[str], *, embed: Embed | None, weights: Mapping[str, float]
) -> list[float]:
    """One figure for each text; 0 where nothing speaks for it."""
    asked = [query for query in queries if query.strip()]
    if not asked or not texts:
        return [0.0] * len(texts)
    bags = [_bag(text) for text in texts]
    wanted = set(_bag(" ".join(asked)))
    found = [weights["bm25"] * score for score in bm25(bags, wanted)]
    for place, bag in enumerate(bags):
        found[place] += weights["overlap"] * len(wanted & bag.keys()) / (len(wanted) or 1)
    if embed is not None:
        vectors = [embed(query).vector for query in asked]
        for place, text in enumerate(texts):
            windows = embed(text).windows
            near = max(float((windows @ vector).max()) for vector in vectors)
            found[place] += weights["cosine"] * max(0.0, round(near, _DIGITS))
    return found


def bm25(bags: Sequence[Mapping[str, int]], wanted: set[str]) -> list[float]:
    """Of each bag of words, as shares of the best; all 0 where none holds a wanted word."""
    lengths = [sum(bag.values()) for bag in bags]
    mean = sum(lengths) / len(bags) or 1.0
    holding = Counter(word for bag in bags for word in bag)
    scores = []
    for bag, length in zip(bags, lengths, strict=True):
        score = 0.0
        for word in sorted(wanted & bag.keys()):
            rarity = math.log(1 + (len(bags) - holding[word] + 0.5) / (holding[word] + 0.5))
            slack = _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * length / mean)
            score += rarity * bag[word] * (_SATURATION + 1) / (bag[word] + slack)
        scores.append(score)
    best = max(scores)
    return [score / best for score in scores] if best > 0 else scores


def _bag(text: str) -> Counter[str]:
    words = words_of(normal(text))
    pairs = zip(words.folded, words.stems, strict=True)
    return Counter(stem for word, stem in pairs if word not in lexicon().stop)
