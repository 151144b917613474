"""Opening an embedder by name."""

from __future__ import annotations

import builtins
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from semcache.embedders.hashed import HashedEmbedder
from semcache.embedders.onnx import OnnxEmbedder
from semcache.embedders.opening import model_name, open_embedder
from semcache.embedders.sentence_transformers import SentenceTransformersEmbedder
from semcache.errors import ManifestError, MissingExtra, MissingModel


def test_each_kind_is_opened_by_its_name(default_folder: Path) -> None:
    models_dir = default_folder.parent

    assert isinstance(open_embedder("hashed", models_dir=models_dir), HashedEmbedder)
    assert isinstance(open_embedder("all-MiniLM-L6-v2", models_dir=models_dir), OnnxEmbedder)
    assert isinstance(open_embedder("sentence-transformers/all-MiniLM-L6-v2", models_dir=models_dir), OnnxEmbedder)


@pytest.mark.slow
def test_sentence_transformers_opens_any_folder(original: Callable[..., Path], tmp_path: Path) -> None:
    folder = original()

    embedder = open_embedder(f"sentence-transformers:{folder}", models_dir=tmp_path)

    assert isinstance(embedder, SentenceTransformersEmbedder)
    assert embedder.name == folder.name


def test_a_built_model_needs_no_place_in_the_manifest(default_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(default_folder, tmp_path / "mine")

    assert open_embedder("mine", models_dir=tmp_path).dims == 384


def test_a_known_model_that_is_not_built_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(MissingModel, match="semcache models build"):
        open_embedder("all-MiniLM-L6-v2", models_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("all-minilm-l6-v2", "all-MiniLM-L6-v2"), ("all-MiniLM-L12-v2", "all-MiniLM-L6-v2"), ("hash", "hashed")],
)
def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path, name: str, nearest: str) -> None:
    with pytest.raises(ManifestError, match=f"did you mean '{nearest}'"):
        open_embedder(name, models_dir=tmp_path)


@pytest.mark.parametrize("name", ["../all-MiniLM-L6-v2", "", ".", "/etc"])
def test_a_name_never_leaves_the_models_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ManifestError, match="embedder"):
        open_embedder(name, models_dir=tmp_path)


@pytest.mark.parametrize(
    ("name", "known_as"),
    [
        ("all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("sentence-transformers:all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("sentence-transformers:sentence-transformers/all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("mine", "mine"),
    ],
)
def test_a_scorer_belongs_to_the_model_quantised_or_not(repository_models: Path, name: str, known_as: str) -> None:
    assert model_name(name, models_dir=repository_models) == known_as


def test_without_pytorch_the_extra_is_named(repository_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] in ("sentence_transformers", "torch"):
            raise ImportError(name)
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(MissingExtra, match=r"pip install 'semcache\[build\]'"):
        open_embedder("sentence-transformers:all-MiniLM-L6-v2", models_dir=repository_models)
