"""The embedders under test, and small originals to build from."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from semcache.embedders.build import build_model
from semcache.embedders.built import BUILT_FILE
from semcache.embedders.embedder import Embedder
from semcache.embedders.hashed import HashedEmbedder
from semcache.embedders.manifest import read_manifest
from semcache.embedders.onnx import OnnxEmbedder

REPOSITORY_MODELS = Path(__file__).resolve().parents[2] / "models"
DEFAULT = "all-MiniLM-L6-v2"


@pytest.fixture(scope="session")
def repository_models() -> Path:
    return REPOSITORY_MODELS


@pytest.fixture(scope="session")
def default_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model: as `make test` has built it, or built here."""
    folder = REPOSITORY_MODELS / DEFAULT
    if (folder / BUILT_FILE).is_file():
        return folder
    spec = read_manifest(REPOSITORY_MODELS / "embedders.toml")[DEFAULT]
    return build_model(spec, models_dir=tmp_path_factory.mktemp("models"))


@pytest.fixture
def default_copy(default_folder: Path, tmp_path: Path) -> Path:
    """The default model in a folder that a test may damage."""
    return Path(shutil.copytree(default_folder, tmp_path / DEFAULT))


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a small sentence-transformers model with random weights, and says where it is."""
    from small_originals import write_original

    def make(architecture: str = "bert", *, pooling: str = "mean", seed: int = 0, name: str = "small") -> Path:
        return write_original(tmp_path_factory.mktemp("originals") / name, architecture, pooling=pooling, seed=seed)

    return make


@pytest.fixture(
    scope="session", params=["hashed", "onnx", pytest.param("sentence-transformers", marks=pytest.mark.slow)]
)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    """Every embedder, for the contract."""
    match request.param:
        case "hashed":
            return HashedEmbedder()
        case "onnx":
            return OnnxEmbedder(request.getfixturevalue("default_folder"), threads=2)
        case _:
            from semcache.embedders.sentence_transformers import SentenceTransformersEmbedder

            return SentenceTransformersEmbedder(request.getfixturevalue("original")(), device="cpu")
