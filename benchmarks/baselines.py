"""Caches to compare with, over embeddings made once: a static threshold, GPTCache's rule, the perfect cache.

GPTCache's default evaluation accepts a squared L2 distance of at most 0.8 of 4: on unit vectors a cosine of at
least 0.60, of the single nearest entry; every miss is inserted. A static threshold does the same at another cosine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scoring import Tally
from workloads import Row, Workload

GPTCACHE_COSINE = 0.60
SWEEP = tuple(round(0.60 + step / 100, 2) for step in range(40))


@dataclass(frozen=True)
class Stream:
    """A stream with each distinct text numbered, and the cosines between them."""

    rows: tuple[Row, ...]
    numbers: NDArray[np.int64]  # of each request's text
    texts: tuple[Row, ...]  # by number
    cosines: NDArray[np.float32]  # between distinct texts

    @classmethod
    def of(cls, rows: Sequence[Row], vectors: dict[str, NDArray[np.float32]]) -> Stream:
        numbered = {row.text: row for row in rows}
        order = {text: number for number, text in enumerate(numbered)}
        matrix = np.stack([vectors[text] for text in numbered])
        numbers = np.array([order[row.text] for row in rows], np.int64)
        return cls(tuple(rows), numbers, tuple(numbered.values()), matrix @ matrix.T)


def static_threshold(stream: Stream, workload: Workload, cosine: float) -> Tally:
    """The nearest stored text decides; every miss is inserted."""
    tally, seen = Tally(), np.zeros(len(stream.texts), bool)
    stored = np.empty(len(stream.texts), np.int64)
    count = 0
    for row, number in zip(stream.rows, stream.numbers, strict=True):
        served = None
        if count:
            among = stored[:count]
            similarities = stream.cosines[number, among]
            nearest = int(np.argmax(similarities))
            if similarities[nearest] >= cosine or among[nearest] == number:
                served = stream.texts[among[nearest]]
        is_repeat = bool(seen[number])
        seen[number] = True
        tally.count(is_repeat=is_repeat, asked=row, stored=served, judges=(workload.judge, workload.strict_judge))
        if served is None:
            stored[count] = number
            count += 1
    return tally


def perfect_cache(stream: Stream, workload: Workload) -> Tally:
    """What a cache that is never wrong could serve: repeats, and classes with one answer that were asked before."""
    tally, texts, classes = Tally(), set[str](), dict[str, Row]()
    for row in stream.rows:
        is_repeat = row.text in texts
        served = row if is_repeat else classes.get(row.class_id) if row.is_shared else None
        tally.count(is_repeat=is_repeat, asked=row, stored=served, judges=(workload.judge, workload.strict_judge))
        texts.add(row.text)
        classes.setdefault(row.class_id, row)
    return tally
