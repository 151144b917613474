"""Streams of requests, drawn from rows with a seed: Zipf popularity, no repeats, and a truth that changes half way."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from truth import Row, Workload


def zipf_stream(rows: Sequence[Row], *, requests: int, exponent: float, seed: int) -> list[Row]:
    """Classes drawn with weight 1/rank**exponent in an order of the seed's choosing, texts uniformly."""
    chance = random.Random(seed)
    by_class = _by_class(rows)
    classes = sorted(by_class)
    chance.shuffle(classes)
    weights = [1.0 / rank**exponent for rank in range(1, len(classes) + 1)]
    return [chance.choice(by_class[drawn]) for drawn in chance.choices(classes, weights, k=requests)]


def fresh_zipf_stream(rows: Sequence[Row], *, requests: int, exponent: float, seed: int) -> list[Row]:
    """The same popularity, no text twice: a class whose texts are used up leaves, so the head is flatter than Zipf's.

    An exact repeat is a hit for any cache; without them what is measured is the decision alone.
    """
    chance = random.Random(seed)
    waiting = _shuffled(rows, chance)
    order = chance.sample(sorted(waiting), k=len(waiting))
    return _taken(waiting, order, requests=requests, exponent=exponent, chance=chance)


def natural_stream(rows: Sequence[Row], *, requests: int, seed: int) -> list[Row]:
    """Every text once, in an order of the seed's choosing: no text repeats, classes do."""
    return random.Random(seed).sample(list(rows), k=min(requests, len(rows)))


def no_repeat_stream(rows: Sequence[Row], *, requests: int, seed: int) -> list[Row]:
    """Every class at most once: whatever is served here is wrong, where classes are told apart rightly."""
    chance = random.Random(seed)
    by_class = _by_class(rows)
    classes = chance.sample(sorted(by_class), k=min(requests, len(by_class)))
    return [chance.choice(by_class[name]) for name in classes]


class Relabelling(Enum):
    """What changes half way through a drift stream."""

    SPLIT = "pairs of classes share one answer at first, then are told apart"
    MERGE = "pairs of classes are told apart at first, then share one answer"


@dataclass(frozen=True)
class Drift:
    """Half way the second domain becomes the popular one, orders are drawn anew, and `pairs` are relabelled.

    Rows carry the class of their answer at the time they are asked, so a judge that compares classes judges each
    request by the truth of its own time; classes of different domains must have different names. No text comes
    twice: that a repeated text wants another answer now is not a matter of likeness, and no cache can know it.
    """

    domains: tuple[Sequence[Row], Sequence[Row]]
    relabelling: Relabelling
    pairs: Sequence[tuple[str, str]]

    @classmethod
    def between(
        cls, first: Workload, second: Workload, relabelling: Relabelling, *, vectors: Mapping[str, NDArray[np.float32]]
    ) -> Drift:
        """Two workloads as domains, their classes named after them; in each, the most similar classes are pairs."""
        ones = _named_after(first, unlike=frozenset())
        others = _named_after(second, unlike=frozenset(row.text for row in ones))
        pairs = [*similar_classes(ones, vectors), *similar_classes(others, vectors)]
        return cls((ones, others), relabelling, pairs)

    def stream(self, *, requests: int, exponent: float, seed: int) -> list[Row]:
        chance = random.Random(seed)
        first, second = (_shuffled(domain, chance) for domain in self.domains)
        waiting, half, drawn = {**first, **second}, requests // 2, list[Row]()
        for length, popular, rare in ((half, first, second), (requests - half, second, first)):
            order = [*chance.sample(sorted(popular), k=len(popular)), *chance.sample(sorted(rare), k=len(rare))]
            drawn += _taken(waiting, order, requests=length, exponent=exponent, chance=chance)
        shared = {other: one for one, other in self.pairs}
        match self.relabelling:
            case Relabelling.SPLIT:
                return [*_relabelled(drawn[:half], shared), *drawn[half:]]
            case Relabelling.MERGE:
                return [*drawn[:half], *_relabelled(drawn[half:], shared)]


def similar_classes(rows: Sequence[Row], vectors: Mapping[str, NDArray[np.float32]]) -> list[tuple[str, str]]:
    """Each class in at most one pair, the nearest centroids paired first: the relabelling that is hardest to see."""
    by_class = _by_class(rows)
    names = sorted(by_class)
    centroids = np.stack([np.mean([vectors[row.text] for row in by_class[name]], axis=0) for name in names])
    centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
    ones, others = np.triu_indices(len(names), k=1)
    order = np.argsort(-(centroids @ centroids.T)[ones, others], kind="stable")
    pairs, taken = list[tuple[str, str]](), set[int]()
    for one, other in zip(ones[order].tolist(), others[order].tolist(), strict=True):
        if taken.isdisjoint((one, other)):
            taken |= {one, other}
            pairs.append((names[one], names[other]))
    return pairs


def _by_class(rows: Sequence[Row]) -> dict[str, list[Row]]:
    by_class: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_class[row.class_id].append(row)
    return by_class


def _named_after(workload: Workload, *, unlike: frozenset[str]) -> list[Row]:
    rows = (row for row in workload.rows if row.text not in unlike)
    return [replace(row, class_id=f"{workload.name}/{row.class_id}") for row in rows]


def _shuffled(rows: Sequence[Row], chance: random.Random) -> dict[str, list[Row]]:
    return {name: chance.sample(held, k=len(held)) for name, held in sorted(_by_class(rows).items())}


def _taken(
    waiting: Mapping[str, list[Row]], order: Sequence[str], *, requests: int, exponent: float, chance: random.Random
) -> list[Row]:
    """Rows taken out of `waiting` for good, by the popularity of their classes, until enough or none are left."""
    weights = {name: 1.0 / rank**exponent for rank, name in enumerate(order, start=1) if waiting[name]}
    taken: list[Row] = []
    while weights and len(taken) < requests:
        for name in chance.choices(list(weights), list(weights.values()), k=requests - len(taken)):
            taken.append(waiting[name].pop())
            if not waiting[name]:
                del weights[name]
                break
    return taken


def _relabelled(rows: Sequence[Row], shared: Mapping[str, str]) -> list[Row]:
    return [replace(row, class_id=shared.get(row.class_id, row.class_id)) for row in rows]
