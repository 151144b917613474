"""The default embedder: a built int8 model on onnxruntime and tokenizers, one text per pass, one thread per pass."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np

from semcache.embedders.built import WORDS_FILE, Artifacts, read_artifacts, remedy
from semcache.embedders.embedder import WordVectors
from semcache.embedders.forward import ForwardPass
from semcache.embedders.windows import Window, Windower, joined
from semcache.embedders.words import WordTable
from semcache.entry import Embedding
from semcache.errors import EmbedderError

# Its vector is known to the build, so that a processor on which int8 arithmetic overflows is found out at start.
PROBE = "Which of our two contracts, the one from May or the longer one from June, can be ended by e-mail at no cost?"
PROBE_COSINE = 0.9995
T = TypeVar("T")


class OnnxEmbedder:
    """Opens `folder`, as `semcache models build` left it.

    One text per pass, because dynamic quantisation scales by all that is in a batch: in a batch, a text's vector
    would depend on its neighbours. Raises `MissingModel`, or `EmbedderError` where the folder is damaged.
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        artifacts = read_artifacts(folder)
        built = artifacts.built
        self.name = built.name
        self.fingerprint = built.fingerprint
        self.dims = built.dims
        self._windower = Windower(artifacts.tokenizer.decode("utf-8"), window_tokens=built.window_tokens)
        self._words = _word_table(artifacts, self._windower, folder)
        self._pass: ForwardPass | None = _trusted_pass(artifacts, self._windower, folder)
        self._threads = threads or _cores()
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()

    def embed(self, text: str, *, tokens: bool = False) -> Embedding:
        """Token vectors are of unit length; special tokens have none."""
        windows = self._windower.windows(text)
        forward = self._forward()
        if not tokens:
            return joined(np.concatenate(self._each(forward.pooled, windows)))
        passes = self._each(forward.pooled_and_tokens, windows)
        pieces = tuple(piece for window in windows for piece in window.pieces)
        return joined(np.concatenate([pooled for pooled, _ in passes]), [rows for _, rows in passes], pieces)

    def words(self, text: str) -> WordVectors:
        return self._words.words(text)

    def embed_many(self, texts: Sequence[str]) -> list[Embedding]:
        windows = [self._windower.windows(text) for text in texts]
        rows = iter(self._each(self._forward().pooled, [window for group in windows for window in group]))
        return [joined(np.concatenate([next(rows) for _ in group])) for group in windows]

    def close(self) -> None:
        with self._lock:
            pool, self._pool, self._pass = self._pool, None, None
        if pool is not None:
            pool.shutdown(wait=True)

    def _forward(self) -> ForwardPass:
        if (forward := self._pass) is None:
            raise EmbedderError(f"the embedder {self.name} is closed")
        return forward

    def _each(self, run: Callable[[Window], T], windows: Sequence[Window]) -> list[T]:
        if len(windows) <= 1 or self._threads == 1:
            return [run(window) for window in windows]
        return list(self._workers().map(run, windows))

    def _workers(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._forward()
                self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="semcache-embed")
            return self._pool


def _word_table(artifacts: Artifacts, windower: Windower, folder: Path) -> WordTable:
    try:
        return WordTable.read(artifacts.words, windower)
    except EmbedderError as error:
        raise EmbedderError(f"{folder / WORDS_FILE}: {error}; {remedy(folder)}") from error


def _trusted_pass(artifacts: Artifacts, windower: Windower, folder: Path) -> ForwardPass:
    """A warm session that gives the vectors the build gave; with precise kernels where the fast ones overflow."""
    built = artifacts.built
    expected = np.array(built.probe, np.float32)
    window = windower.windows(PROBE)[0]
    for precise in (False, True):
        forward = ForwardPass(artifacts.model, window_tokens=built.window_tokens, precise=precise)
        vector = forward.pooled(window)[0]
        if vector.shape == expected.shape == (built.dims,) and vector @ expected >= PROBE_COSINE:
            return forward
    raise EmbedderError(f"{folder}: this machine does not get the vectors that the build got; {remedy(folder)}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
