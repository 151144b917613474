"""Any sentence-transformers model, unquantised, on a GPU where there is one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semcache.embedders.embedder import WordVectors
from semcache.embedders.manifest import EmbedderSpec
from semcache.embedders.originals import Original, load_original, origin_of
from semcache.embedders.windows import Window, Windower, joined, unit
from semcache.embedders.words import WordTable, reduced
from semcache.entry import Embedding
from semcache.errors import EmbedderError

if TYPE_CHECKING:
    from semcache.entry import Vectors

_WINDOWS_AT_ONCE = 32


class SentenceTransformersEmbedder:
    """Opens a model of the manifest, of a local folder, or of the hub; `device` None takes the best there is.

    Raises `MissingExtra` where PyTorch is not installed, `EmbedderError` where the model cannot be used.
    """

    def __init__(self, source: EmbedderSpec | Path | str, device: str | None = None) -> None:
        origin = origin_of(source)
        original = load_original(origin, device=device)
        self.name = origin.name
        self.dims = original.dims
        self.fingerprint = _fingerprint(origin.name, original)
        self._original: Original | None = original
        self._windower = Windower(original.tokenizer, window_tokens=original.window_tokens)
        self._words = WordTable(reduced(original.word_table()), self._windower)

    def embed(self, text: str, *, tokens: bool = False) -> Embedding:
        """Token vectors are of unit length; special tokens have none."""
        windows = self._windower.windows(text)
        passes = self._passes(windows)
        pooled = np.stack([vector for vector, _ in passes])
        if not tokens:
            return joined(pooled)
        pieces = tuple(piece for window in windows for piece in window.pieces)
        return joined(pooled, [rows for _, rows in passes], pieces)

    def words(self, text: str) -> WordVectors:
        return self._words.words(text)

    def embed_many(self, texts: Sequence[str]) -> list[Embedding]:
        windows = [self._windower.windows(text) for text in texts]
        passes = iter(self._passes([window for group in windows for window in group]))
        return [joined(np.stack([next(passes)[0] for _ in group])) for group in windows]

    def close(self) -> None:
        self._original = None

    def _passes(self, windows: Sequence[Window]) -> list[tuple[Vectors, Vectors]]:
        """Pooled vector and the text's own token vectors of each window; alike lengths share a batch."""
        if (original := self._original) is None:
            raise EmbedderError(f"the embedder {self.name} is closed")
        by_length = sorted(range(len(windows)), key=lambda index: len(windows[index].ids))
        passes: dict[int, tuple[Vectors, Vectors]] = {}
        for start in range(0, len(by_length), _WINDOWS_AT_ONCE):
            batch = by_length[start : start + _WINDOWS_AT_ONCE]
            results = _run(original, [windows[index] for index in batch])
            passes.update(zip(batch, results, strict=True))
        return [passes[index] for index in range(len(windows))]


def _run(original: Original, windows: Sequence[Window]) -> list[tuple[Vectors, Vectors]]:
    import torch

    try:
        with torch.inference_mode():
            output = original.model(_features(original, windows))
            pooled = unit(output["sentence_embedding"].float().cpu().numpy())
            tokens = output["token_embeddings"].float().cpu().numpy()
    except RuntimeError as error:  # also what PyTorch raises when the GPU's memory is full
        raise EmbedderError(f"the forward pass failed ({type(error).__name__})") from None
    return [
        (vector, rows[window.first : window.last]) for vector, rows, window in zip(pooled, tokens, windows, strict=True)
    ]


def _features(original: Original, windows: Sequence[Window]) -> dict[str, Any]:
    import torch

    longest = max(len(window.ids) for window in windows)
    padding = original.model.tokenizer.pad_token_id or 0
    ids = np.full((len(windows), longest), padding, np.int64)
    mask = np.zeros_like(ids)
    for row, window in enumerate(windows):
        ids[row, : len(window.ids)] = window.ids
        mask[row, : len(window.ids)] = 1
    values = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    return {name: torch.from_numpy(values[name]).to(original.model.device) for name in original.inputs}


def _fingerprint(name: str, original: Original) -> str:
    """From the weights as loaded, so that equal models are equal wherever they came from."""
    import torch

    digest = hashlib.sha256(f"{original.pooling.value} {original.window_tokens} {original.tokenizer}".encode())
    for key, tensor in sorted(original.model.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return f"{name}-torch-{digest.hexdigest()[:32]}"
