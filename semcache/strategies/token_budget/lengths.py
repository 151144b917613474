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


@dataclass
class _Kind:
    counts: np.ndarray = field(default_factory=lambda: np.zeros(len(_LENGTHS)))
    cut_off: float = 0.0  # answers that the caller's own limit ended
    tokens: float = 0.0  # of the complete ones
    recent: deque[tuple[np.ndarray, int]] = field(default_factory=lambda: deque(maxlen=_RING))

    @property
    def seen(self) -> float:
        return float(self.counts.sum())


@dataclass(frozen=True)
class Distribution:
    """Of the lengths of complete answers: `shares[i]` have up to `lengths[i]` output tokens, but more than the last.

    `cut_off_share` of all answers ended at the caller's own limit; `mean_tokens` is of the others.
    """

    seen: float
    shares: np.ndarray = field(repr=False)
    mean_tokens: float
    cut_off_share: float

    @property
    def lengths(self) -> NDArray[np.int64]:
        return _LENGTHS

    def share_beyond(self, tokens: int) -> float:
        """How many complete answers are longer than this; one of the same length in the histogram counts as longer."""
        return float(self.shares[np.searchsorted(_LENGTHS, tokens) :].sum())


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
                known.cut_off += 1
            else:
                known.counts[_place(output_tokens)] += 1
                known.tokens += output_tokens
            if known.seen + known.cut_off > _DECAY_AT:
                known.counts *= 0.5
                known.cut_off *= 0.5
                known.tokens *= 0.5
            if len(self._kinds) > _MOST_KEYS:
                self._kinds.popitem(last=False)

    def of(self, kind: str, vector: Vector | None) -> Distribution | None:
        """What is to be expected of a request of this kind, and with this vector; None: nothing was seen yet.

        Kernel-weighted neighbours, shrunk to the kind's own distribution (Nadaraya 1964; decision.md, local shrinkage).
        """
        with self._lock:
            known = self._kinds.get(kind)
            if known is None or known.seen + known.cut_off == 0:
                return None
            counts = known.counts.copy()
            seen, cut_off, tokens = known.seen, known.cut_off, known.tokens
            recent = list(known.recent) if vector is not None else []
        shares = counts / seen if seen else counts
        mean = tokens / seen if seen else 0.0
        if recent and vector is not None:
            shares, mean = _near(shares, mean, recent, vector)
        return Distribution(seen, shares, mean, cut_off / (seen + cut_off))

    def to_bytes(self) -> bytes:
        with self._lock:
            rows = {
                kind: {"counts": known.counts.tolist(), "cut_off": known.cut_off, "tokens": known.tokens}
                for kind, known in self._kinds.items()
            }
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


def _restored(row: dict[str, Any]) -> _Kind:
    counts = np.array(row["counts"], dtype=float)
    if counts.shape != _LENGTHS.shape or not math.isfinite(float(counts.sum())):
        raise ValueError("another histogram")
    return _Kind(counts, float(row["cut_off"]), float(row["tokens"]))
