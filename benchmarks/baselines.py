"""Caches to compare with, over embeddings made once: static thresholds, GPTCache's rule, oracles, the perfect cache.

GPTCache's default evaluation accepts a squared L2 distance of at most 0.8 of 4: on unit vectors a cosine of at
least 0.60, of the single nearest entry; every miss is inserted. A static threshold does the same at another cosine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scoring import Hindsight, Trace, in_hindsight
from truth import Row, Verdict, Workload

from semcache.decision.guards import GUARDS
from semcache.decision.profile import Profile

GPTCACHE_COSINE = 0.60
SWEEP = tuple(round(0.60 + step / 100, 2) for step in range(40))
EXACT_ONLY = 2.0  # a cosine that nothing reaches: only the very same text is served
ORACLE_DEPTHS = (1, 5, 16)
_SLOTS = ("numbers", "ids")

Allowed = Callable[[int, int], bool]  # may the second text's answer be served to the first? Both by number


@dataclass(frozen=True)
class Stream:
    """A stream with each distinct text numbered, and the cosines between them."""

    rows: tuple[Row, ...]
    numbers: NDArray[np.int64]  # of each request's text
    first: tuple[int, ...]  # by number: where in the stream the text is asked first
    cosines: NDArray[np.float32]  # between distinct texts

    @classmethod
    def of(cls, rows: Sequence[Row], vectors: dict[str, NDArray[np.float32]]) -> Stream:
        first: dict[str, int] = {}
        for place, row in enumerate(rows):
            first.setdefault(row.text, place)
        order = {text: number for number, text in enumerate(first)}
        matrix = np.stack([vectors[text] for text in first])
        numbers = np.array([order[row.text] for row in rows], np.int64)
        return cls(tuple(rows), numbers, tuple(first.values()), matrix @ matrix.T)

    @property
    def texts(self) -> list[str]:
        """By number."""
        return [self.rows[place].text for place in self.first]


def static_threshold(stream: Stream, workload: Workload, cosine: float) -> Trace:
    """The nearest stored text decides; every miss is inserted."""
    return static_sweep(stream, workload, cosines=(cosine,))[cosine]


def static_sweep(
    stream: Stream,
    workload: Workload,
    *,
    cosines: Sequence[float] = (*SWEEP, EXACT_ONLY),
    allowed: Allowed | None = None,
) -> dict[float, Trace]:
    """Every threshold in one pass. `allowed`: neighbours it refuses are passed over for the next one.

    What is served does not depend on what is far: each text carries a short list of texts it could be served from.
    """
    near = _neighbourhoods(stream, min(cosines), allowed or (lambda asked, stored: True))
    thresholds, traces = np.array(cosines), [Trace() for _ in cosines]
    stored = np.full((len(cosines), len(stream.first)), -1, np.int64)  # where in the stream; -1: not stored
    judges = (workload.judge, workload.strict_judge)
    for place, (row, number) in enumerate(zip(stream.rows, stream.numbers.tolist(), strict=True)):
        texts, similarities = near[number]
        held = stored[:, texts]
        nearest = (held >= 0).argmax(axis=1)
        found = held[np.arange(len(thresholds)), nearest]
        is_same = texts[nearest] == number
        served = np.where((found >= 0) & (is_same | (similarities[nearest] >= thresholds)), found, -1)
        stored[served < 0, number] = place
        is_repeat = stream.first[number] < place
        for trace, origin in zip(traces, served.tolist(), strict=True):
            answering = stream.rows[origin] if origin >= 0 else None
            trace.count(is_repeat=is_repeat, asked=row, stored=answering, judges=judges)
    return dict(zip(cosines, traces, strict=True))


def same_slots(stream: Stream) -> Allowed:
    """Our own hard vetoes of numbers and ids, as one more rule that a threshold can have."""
    profiles = [Profile.of(text) for text in stream.texts]
    is_bare = [not profile.slots.numbers and not profile.slots.ids for profile in profiles]

    def allowed(asked: int, stored: int) -> bool:
        if is_bare[asked] and is_bare[stored]:
            return True
        return all(GUARDS[name](profiles[asked], profiles[stored]) is None for name in _SLOTS)

    return allowed


def static_in_hindsight(sweep: Mapping[float, Trace], max_error_share: float, *, strict: bool = False) -> Hindsight:
    """What a static threshold could have served in one run, had it been chosen after the fact."""
    return in_hindsight([trace for _, trace in sorted(sweep.items())], max_error_share, strict=strict)


def oracle(stream: Stream, workload: Workload, *, candidates: int) -> Trace:
    """A judge that is never wrong looks at the nearest stored texts; every miss is inserted."""
    trace, judges = Trace(), (workload.judge, workload.strict_judge)
    numbers, places = np.empty(len(stream.rows), np.int64), list[int]()
    for place, (row, number) in enumerate(zip(stream.rows, stream.numbers.tolist(), strict=True)):
        similarities = stream.cosines[number].take(numbers[: len(places)])
        near = _largest(similarities, candidates)
        right = (places[entry] for entry in near if _is_right(workload, row, stream.rows[places[entry]]))
        served = next(right, None)
        stored = None if served is None else stream.rows[served]
        trace.count(is_repeat=stream.first[number] < place, asked=row, stored=stored, judges=judges)
        if served is None:
            numbers[len(places)] = number
            places.append(place)
    return trace


def perfect_cache(stream: Stream, workload: Workload) -> Trace:
    """What a cache that is never wrong could serve: repeats, and classes with one answer that were asked before."""
    trace, texts, classes = Trace(), dict[str, Row](), dict[str, Row]()
    for row in stream.rows:
        repeated = texts.get(row.text)
        if repeated is not None and not _is_right(workload, row, repeated):
            repeated = None  # the truth has changed since
        served = repeated or (classes.get(row.class_id) if row.is_shared else None)
        judges = (workload.judge, workload.strict_judge)
        trace.count(is_repeat=row.text in texts, asked=row, stored=served, judges=judges)
        texts[row.text] = row
        classes.setdefault(row.class_id, row)
    return trace


def _is_right(workload: Workload, asked: Row, stored: Row) -> bool:
    return workload.strict_judge(asked, stored) is Verdict.RIGHT


def _largest(similarities: NDArray[np.float32], count: int) -> list[int]:
    """Places of the largest, nearest first."""
    if len(similarities) > count:
        among = np.argpartition(-similarities, count - 1)[:count]
        return [int(entry) for entry in among[np.argsort(-similarities[among])]]
    return [int(entry) for entry in np.argsort(-similarities)]


def _neighbourhoods(
    stream: Stream, cosine: float, allowed: Allowed
) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """By number: the texts at least this near, itself first, then the nearest first."""
    found = []
    for number, similarities in enumerate(stream.cosines):
        near = np.flatnonzero(similarities >= cosine)
        ordered = near[np.argsort(-similarities[near], kind="stable")].tolist()
        texts = np.array([number, *(text for text in ordered if text != number and allowed(number, text))], np.int64)
        found.append((texts, similarities[texts]))
    return found
