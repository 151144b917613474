"""Builds a model for serving: load, export, quantise, compare with the original, and put it in place at once."""

from __future__ import annotations

import importlib.metadata
import logging
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from semcache.embedders.built import (
    BUILT_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    WORDS_FILE,
    Built,
    fingerprint_of,
    read_artifacts,
    read_built,
    sha256_of,
    write_built,
)
from semcache.embedders.fidelity import TEXTS, compare
from semcache.embedders.forward import ForwardPass
from semcache.embedders.manifest import EmbedderSpec
from semcache.embedders.onnx import PROBE, OnnxEmbedder
from semcache.embedders.originals import Origin, Original, load_original, origin_of
from semcache.embedders.windows import Windower, unit
from semcache.embedders.words import reduced
from semcache.errors import EmbedderError

logger = logging.getLogger(__name__)

_TOOLS = ("onnx", "onnxruntime", "sentence-transformers", "tokenizers", "torch", "transformers")

Progress = Callable[[str, float], None]  # what is being done, and the share of the whole that is done


def silent(step: str, share: float) -> None:
    """Progress that nobody watches."""


def build_model(source: EmbedderSpec | Path | str, *, models_dir: Path, progress: Progress = silent) -> Path:
    """The folder `models_dir/<name>`; returns at once where it is built from this source and intact.

    Raises `EmbedderError`, `MissingExtra`; then nothing in `models_dir` has changed.
    """
    progress("looking for the model", 0.0)
    origin = origin_of(source)
    folder = models_dir / origin.name
    if _is_current(folder, origin):
        progress("already built", 1.0)
        return folder
    progress("loading the original", 0.05)
    original = load_original(origin, device="cpu", attention="eager")
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=models_dir, prefix=f".{origin.name}.") as scratch:
            fresh = Path(scratch) / "built"
            fresh.mkdir()
            _write(fresh, origin, original, progress)
            progress("comparing with the original", 0.8)
            check_built(fresh, original)
            _put_in_place(fresh, folder, Path(scratch) / "old")
    except OSError as error:
        raise EmbedderError(f"{folder}: cannot be written: {error}") from error
    progress("built", 1.0)
    logger.info("built embedder %s", folder.name)
    return folder


def check_built(folder: Path, original: Original) -> None:
    """Compare what serving will do with what the original does, and note it; `EmbedderError` if it strays."""
    embedder = OnnxEmbedder(folder)
    try:
        found = [(text, embedder.embed(text)) for text in TEXTS]
    finally:
        embedder.close()
    # Where we take a second window, the original would cut the text.
    short = [(text, embedding.vector) for text, embedding in found if len(embedding.windows) == 1]
    if len(short) < len(TEXTS) // 2:
        raise EmbedderError(f"{embedder.name}: {original.window_tokens} tokens are too few for ordinary questions")
    expected = np.stack([original.model.encode(text, show_progress_bar=False) for text, _ in short])
    fidelity = compare(unit(expected), np.stack([vector for _, vector in short]))
    fidelity.require(embedder.name)
    figures = {name: round(value, 4) for name, value in asdict(fidelity).items()}
    write_built(folder, replace(read_built(folder), check={"texts": len(short), **figures}))


def _is_current(folder: Path, origin: Origin) -> bool:
    if not folder.exists():
        return False
    if any(folder.iterdir()) and not any((folder / file).exists() for file in (BUILT_FILE, MODEL_FILE)):
        raise EmbedderError(
            f"{folder}: holds something else than a built model; rename it, or build under another name"
        )
    try:
        built = read_artifacts(folder).built
    except EmbedderError as error:
        logger.warning("building %s again: %s", folder.name, error)
        return False
    if built.source != origin.label:
        raise EmbedderError(
            f"{folder}: built from {built.source}, not from {origin.label}; rename the new model or delete the folder"
        )
    return dict(built.source_sha256) == dict(origin.sha256)


def _write(folder: Path, origin: Origin, original: Original, progress: Progress) -> None:
    from semcache.embedders.export import export_float, quantise

    (folder / TOKENIZER_FILE).write_text(original.tokenizer, "utf-8")
    progress("exporting to ONNX", 0.3)
    float_model = folder.parent / "float.onnx"
    export_float(original, float_model, name=origin.name)
    progress("quantising to int8", 0.5)
    quantise(float_model, folder / MODEL_FILE, name=origin.name)
    float_model.unlink()
    np.save(folder / WORDS_FILE, reduced(original.word_table()))
    hashes = {file: sha256_of(folder / file) for file in (MODEL_FILE, TOKENIZER_FILE, WORDS_FILE)}
    windower = Windower(original.tokenizer, window_tokens=original.window_tokens)
    exact = ForwardPass((folder / MODEL_FILE).read_bytes(), window_tokens=original.window_tokens, precise=True)
    built = Built(
        name=origin.name,
        fingerprint=fingerprint_of(origin.name, original.pooling, original.window_tokens, hashes),
        dims=original.dims,
        window_tokens=original.window_tokens,
        pooling=original.pooling,
        source=origin.label,
        source_sha256=origin.sha256,
        sha256=hashes,
        probe=tuple(round(float(value), 6) for value in exact.pooled(windower.windows(PROBE)[0])[0]),
        versions={name: importlib.metadata.version(name) for name in _TOOLS},
    )
    write_built(folder, built)


def _put_in_place(fresh: Path, folder: Path, old: Path) -> None:
    """A folder cannot be renamed onto one that has files: the old one steps aside first."""
    if folder.exists():
        folder.rename(old)
    try:
        fresh.rename(folder)
    except OSError:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
