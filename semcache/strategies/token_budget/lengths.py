"""How long answers are: what was observed of each kind of request, and of requests like this one."""

from __future__ import annotations

import json
import math
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from semcache.journal import Journalled, operation

if TYPE_CHECKING:
    from semcache.request import Vector

_RATIO = 1.15  # from one length of the histogram to the next
_LENGTHS: NDArray[np.int64] = np.ceil(_RATIO ** np.arange(85)).astype(np.int64)  # up to 128,000 tokens
_MOST_KEYS = 500
_RING = 200  # requests of each kind whose vectors are kept
_KERNEL_WIDTH = 0.08  # of 1 - cosine
_KIND_WEIGHT = 20.0  # that the kind's distribution has beside the neighbours'
_DECAY_AT = 5000.0  # observations; beyond, the old ones weigh less
_COMPARABLE = 0.5  # of a limit: an answer that ran into less room than this tells nothing of how it would have ended


@dataclass
class _Kind:
    counts: np.ndarray = field(default_factory=lambda: np.zeros(len(_LENGTHS)))
    cuts: np.ndarray = field(default_factory=lambda: np.zeros(len(_LENGTHS)))  # by the limit that they ran into
    tokens: float = 0.0  # of the complete ones
    recovered: float = 0.0  # runaways that ended by themselves when they were asked again
    relapsed: float = 0.0
    recent: deque[tuple[np.ndarray, int]] = field(default_factory=lambda: deque(maxlen=_RING))

    @property
    def seen(self) -> float:
        return float(self.counts.sum())

    @property
    def all(self) -> float:
        return self.seen + float(self.cuts.sum())

    def fade(self) -> None:
        """Halves what is known, so that newer answers count more."""
        self.counts *= 0.5
        self.cuts *= 0.5
        self.tokens *= 0.5
        self.recovered *= 0.5
        self.relapsed *= 0.5


@dataclass(frozen=True)
class Distribution:
    """Of the lengths of complete answers: `shares[i]` have up to `lengths[i]` output tokens, but more than the last.

    `cut_shares[i]` of all answers ran into a limit of that length; `mean_tokens` is of the others. `recovers`: the
    share of runaways that end by themselves when they are asked again (rule of succession: a half before any was).
    """

    seen: float
    shares: np.ndarray = field(repr=False)
    mean_tokens: float
    cut_shares: np.ndarray = field(repr=False)
    recovers: float = 0.5

    @property
    def lengths(self) -> NDArray[np.int64]:
        return _LENGTHS

    def share_beyond(self, tokens: int) -> float:
        """How many complete answers are longer than this; one of the same length in the histogram counts as longer."""
        return float(self.shares[np.searchsorted(_LENGTHS, tokens) :].sum())

    def runaway_share(self, limit: int) -> float:
        """How many of all answers would run into this limit, as far as was seen."""
        return float(self.cut_shares[np.searchsorted(_LENGTHS, _COMPARABLE * limit) :].sum())

    def unclear_share(self, limit: int) -> float:
        """How many of all ran into so much smaller a limit that nobody knows how long they would have become."""
        return float(self.cut_shares.sum()) - self.runaway_share(limit)

    def runaway_chance(self, tokens: int, limit: int) -> float:
        """That an answer which has not ended after so many tokens never does (Bayes)."""
        runaways = self.runaway_share(limit)
        longer = (1 - float(self.cut_shares.sum())) * self.share_beyond(tokens + 1) + self.unclear_share(limit)
        return runaways / (runaways + longer) if runaways else 0.0


class Lengths(Journalled):
    """Of the kinds asked for last. Thread-safe; a few kilobytes each, and vectors, which are not kept on disk."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[str, _Kind] = OrderedDict()
        self._lock = Lock()

    def note(self, kind: str, output_tokens: int, vector: Vector | None, *, was_cut_off: bool) -> None:
        """An answer came; `was_cut_off` by the caller's own limit."""
        self._count(kind, output_tokens, was_cut_off=was_cut_off)
        if vector is not None and not was_cut_off:
            with self._lock:
                if (known := self._kinds.get(kind)) is not None:
                    known.recent.append((vector.astype(np.float16), output_tokens))

    @operation
    def _count(self, kind: str, output_tokens: int, *, was_cut_off: bool) -> None:
        with self._lock:
            known = self._kinds.setdefault(kind, _Kind())
            self._kinds.move_to_end(kind)
            if was_cut_off:
                known.cuts[_place(output_tokens)] += 1
            else:
                _add_complete(known, output_tokens, 1.0)
            if known.all > _DECAY_AT:
                known.fade()
            if len(self._kinds) > _MOST_KEYS:
                self._kinds.popitem(last=False)

    @operation
    def note_recovered(self, kind: str, output_tokens: int, *, limit: int, chance: float) -> None:
        """An answer that we ended ended by itself when it was asked again: with this chance it would have run away."""
        with self._lock:
            known = self._kinds.setdefault(kind, _Kind())
            known.cuts[_place(limit)] += chance
            known.recovered += chance
            _add_complete(known, output_tokens, 1 - chance)

    @operation
    def note_relapsed(self, kind: str) -> None:
        """Asked again it ran into its caller's limit all the same; that it did is told by `note`."""
        with self._lock:
            self._kinds.setdefault(kind, _Kind()).relapsed += 1

    def of(self, kind: str, vector: Vector | None) -> Distribution | None:
        """What is to be expected of a request of this kind, and with this vector; None: nothing was seen yet.

        Kernel-weighted neighbours, shrunk to the kind's own distribution (Nadaraya 1964; decision.md, local shrinkage).
        """
        with self._lock:
            known = self._kinds.get(kind)
            if known is None or known.all == 0:
                return None
            counts, cuts = known.counts.copy(), known.cuts / known.all
            seen, tokens = known.seen, known.tokens
            recovers = (known.recovered + 1) / (known.recovered + known.relapsed + 2)
            recent = list(known.recent) if vector is not None else []
        shares = counts / seen if seen else counts
        mean = tokens / seen if seen else 0.0
        if recent and vector is not None:
            shares, mean = _near(shares, mean, recent, vector)
        return Distribution(seen, shares, mean, cuts, recovers)

    def to_bytes(self) -> bytes:
        with self._lock:
            rows = {kind: _row(known) for kind, known in self._kinds.items()}
        return json.dumps(rows).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError`, `KeyError` for what `to_bytes` did not write."""
        kinds = OrderedDict((str(kind), _restored(row)) for kind, row in json.loads(content).items())
        with self._lock:
            for kind, known in kinds.items():
                if kind in self._kinds:
                    known.recent = self._kinds[kind].recent
            self._kinds = kinds


def _place(tokens: int) -> int:
    return min(int(np.searchsorted(_LENGTHS, max(1, tokens))), len(_LENGTHS) - 1)


def _near(
    shares: np.ndarray, mean: float, recent: list[tuple[np.ndarray, int]], vector: Vector
) -> tuple[np.ndarray, float]:
    vectors = np.stack([each for each, _ in recent]).astype(np.float32)
    weights = np.exp((vectors @ vector - 1) / _KERNEL_WIDTH)
    lengths = np.array([tokens for _, tokens in recent])
    counts = np.zeros(len(_LENGTHS))
    np.add.at(counts, [_place(int(tokens)) for tokens in lengths], weights)
    total = _KIND_WEIGHT + float(weights.sum())
    return (_KIND_WEIGHT * shares + counts) / total, (_KIND_WEIGHT * mean + float(weights @ lengths)) / total


def _add_complete(known: _Kind, output_tokens: int, weight: float) -> None:
    known.counts[_place(output_tokens)] += weight
    known.tokens += weight * output_tokens


def _row(known: _Kind) -> dict[str, Any]:
    numbers = {name: getattr(known, name) for name in ("tokens", "recovered", "relapsed")}
    return {"counts": known.counts.tolist(), "cuts": known.cuts.tolist(), **numbers}


def _restored(row: dict[str, Any]) -> _Kind:
    counts, cuts = np.array(row["counts"], dtype=float), np.array(row["cuts"], dtype=float)
    if counts.shape != _LENGTHS.shape or cuts.shape != counts.shape or not math.isfinite(float((counts + cuts).sum())):
        raise ValueError("another histogram")
    return _Kind(counts, cuts, float(row["tokens"]), float(row["recovered"]), float(row["relapsed"]))
