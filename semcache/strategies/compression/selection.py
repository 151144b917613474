"""Chooses sentences: what adds most for its size comes first, until the budget is full."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from semcache.strategies.compression.facts import Fact
from semcache.strategies.compression.keeps import antecedents, bound_keeps, first_keeps
from semcache.strategies.compression.old_turns import OldTurns, text_size
from semcache.strategies.compression.relevance import Embed, relevance_of
from semcache.strategies.compression.scribe import MARK
from semcache.strategies.compression.sentences import Form
from semcache.strategies.compression.sizes import byte_count
from semcache.strategies.compression.worth import Stock, Weights, stock_of

_MARK_SIZE = byte_count(MARK) + 1
# Clauses of the user, the latest first, among which a pronoun behind the block finds what it means.
_NEAR, _NEAR_QUESTIONS = 5, 14
_TRIES = 48  # sentences looked at after the first that no longer fits


@dataclass(frozen=True)
class Judgement:
    """By what a block's sentences are chosen."""

    after: Sequence[str]  # the user turns right behind the block
    embed: Embed | None
    weights: Weights


def chosen(old: OldTurns, budget_bytes: int, judgement: Judgement) -> frozenset[int]:
    """The sentences to keep: those that must be kept, and the best others that fit with their marks."""
    stock = stock_of(old, judgement.after, judgement.weights)
    bound = bound_keeps(old, judgement.after)
    picks = _Picks(old, stock, _appeals(old, judgement), judgement.weights.shape)
    for place in sorted(bound):
        picks.take(place)
    for place in first_keeps(old, judgement.after, stock, near=_NEAR_QUESTIONS if picks.fading else _NEAR):
        picks.take(place)
    picks.take_all()
    order = [group for group in picks.groups if not bound.issuperset(group)]
    return _fitted(bound, order, lambda kept: text_size(old.with_only(kept)) <= budget_bytes)


def questioning(old: OldTurns, shape: Mapping[str, float]) -> float:
    """From 0 to 1: whether the user does nothing but ask.

    What was said to get something done stays in force; what was asked is settled by its answer, and only the latest
    of it is still spoken of.
    """
    said = [unit for unit in old.units if unit.is_users and unit.sentence.form is Form.PROSE]
    asking = sum(unit.sentence.asks for unit in said) / (len(said) or 1)
    return min(1.0, max(0.0, (asking - shape["asks_some"]) / (shape["asks_all"] - shape["asks_some"])))


def _appeals(old: OldTurns, judgement: Judgement) -> list[float]:
    texts = [unit.text for unit in old.units]
    weights = judgement.weights.relevance
    return relevance_of(texts, judgement.after, embed=judgement.embed, weights=weights)


def _fitted(
    bound: frozenset[int], order: Sequence[tuple[int, ...]], fits: Callable[[frozenset[int]], bool]
) -> frozenset[int]:
    """As many of the first groups as fit, found by halving; then any of the next few that still do."""

    def first(count: int) -> frozenset[int]:
        return bound.union(*order[:count])

    low, high = 0, len(order)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(first(middle)) else (low, middle - 1)
    kept = first(low)
    for group in order[low + 1 : low + 1 + _TRIES]:
        if fits(more := kept.union(group)):
            kept = more
    return kept


@dataclass
class _Picks:
    """Lazy greedy: gains only shrink as facts are covered, so a stale one is a bound."""

    old: OldTurns
    stock: Stock
    appeals: Sequence[float]
    shape: Mapping[str, float]
    groups: list[tuple[int, ...]] = field(default_factory=list)  # each: a sentence, with those that it leans on
    taken: set[int] = field(default_factory=set)
    opened: set[int] = field(default_factory=set)  # exchanges with a sentence
    covered: set[Fact] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.fading = self.shape["fading"] * questioning(self.old, self.shape)
        self._leaning = antecedents(self.old, self.stock)

    def take(self, place: int) -> None:
        """With what it leans on, where that is not there yet."""
        group = self._group(place)
        if group:
            self.groups.append(group)
        for each in group:
            self.taken.add(each)
            self.covered.update(self.stock.facts[each])
            self.opened.add(self.old.units[each].exchange)

    def take_all(self) -> None:
        heap = [(-self._ratio(place), place) for place in range(len(self.old.units))]
        heapq.heapify(heap)
        while heap:
            stale, place = heapq.heappop(heap)
            if place in self.taken:
                continue
            ratio = -self._ratio(place)
            if ratio <= stale or not heap or ratio <= heap[0][0]:
                self.take(place)
            else:
                heapq.heappush(heap, (ratio, place))

    def _group(self, place: int) -> tuple[int, ...]:
        group: list[int] = []
        at: int | None = place
        while at is not None and at not in self.taken and at not in group:
            group.append(at)
            at = self._leaning.get(at)
        return tuple(reversed(group))

    def _ratio(self, place: int) -> float:
        """What the group adds, by its size."""
        group = self._group(place)
        if not group:
            return 0.0
        size = sum(self.old.units[each].size + _MARK_SIZE for each in group)
        size += _MARK_SIZE * (self.old.units[place].exchange not in self.opened)
        gain = sum(self._gain(each) for each in group)
        return gain / math.pow(size, self.shape["size_power"])

    def _gain(self, place: int) -> float:
        unit = self.old.units[place]
        gain = self.appeals[place]
        for fact in self.stock.facts[place]:
            gain += self.stock.worth[fact] * (self.shape["covered"] if fact in self.covered else 1.0)
        place_in_time = unit.message / max(len(self.old.messages), 1)
        gain *= (1 + self.shape["recency"] * place_in_time) * math.exp(-self.fading * (1 - place_in_time))
        return gain * (self.shape["question"] if unit.sentence.asks else 1.0)
