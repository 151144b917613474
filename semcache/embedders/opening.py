"""Opens an embedder by name, importing only what that one needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from semcache.embedders.manifest import closest, find_manifest, read_manifest
from semcache.errors import ManifestError, MissingModel

if TYPE_CHECKING:
    from semcache.embedders.embedder import Embedder

HASHED = "hashed"
SENTENCE_TRANSFORMERS = "sentence-transformers:"


def open_embedder(name: str, *, models_dir: Path) -> Embedder:
    """`hashed`, `sentence-transformers:<name or folder>`, or a model built under `models_dir`.

    Raises `MissingModel`, `MissingExtra`, `ManifestError` for an unknown name, or `EmbedderError`.
    """
    if name == HASHED:
        from semcache.embedders.hashed import HashedEmbedder

        return HashedEmbedder()
    if name.startswith(SENTENCE_TRANSFORMERS):
        from semcache.embedders.originals import resolve_source
        from semcache.embedders.sentence_transformers import SentenceTransformersEmbedder

        return SentenceTransformersEmbedder(
            resolve_source(name.removeprefix(SENTENCE_TRANSFORMERS), models_dir=models_dir)
        )
    folder = _built_folder(name, models_dir)
    from semcache.embedders.onnx import OnnxEmbedder

    return OnnxEmbedder(folder)


def model_name(name: str, *, models_dir: Path) -> str:
    """The manifest's name of a model, however it is opened; quantised or not, its similarities are nearly the same."""
    wanted = name.removeprefix(SENTENCE_TRANSFORMERS)
    for spec in read_manifest(find_manifest(models_dir)).values():
        if wanted in (spec.name, spec.hub):
            return spec.name
    return wanted


def _built_folder(name: str, models_dir: Path) -> Path:
    built = {path.parent.name: path.parent for path in models_dir.glob("*/built.json")}
    if name in built:
        return built[name]
    models = read_manifest(find_manifest(models_dir))
    for spec in models.values():
        if name in (spec.name, spec.hub):
            if spec.name in built:
                return built[spec.name]
            raise MissingModel(f"the embedding model {spec.name} is not in {models_dir}; run `semcache models build`")
    known = closest(name, [HASHED, *models, *built])
    raise ManifestError(f"embedder {name!r}: neither in embedders.toml nor built in {models_dir}{known}")
