"""`semcache models`: what is listed, and that building anew never costs what was there."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from semcache.cli.modelling import replacing
from semcache.embedders.built import BUILT_FILE, read_built, write_built

NAME = "all-MiniLM-L6-v2"


@pytest.fixture
def models(cli) -> Path:
    """A models directory that a test may lose."""
    folder = cli.folder / "models"
    shutil.copytree(cli.variables["SEMCACHE_MODELS_DIR"], folder)
    cli.variables["SEMCACHE_MODELS_DIR"] = str(folder)
    return folder


@pytest.fixture
def built(models: Path) -> Path:
    if not (models / NAME / BUILT_FILE).is_file():
        pytest.skip("the default model has not been built")
    return models / NAME


def contents(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def original(folder: Path) -> Path:
    """What passes for a sentence-transformers model at first sight."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "modules.json").write_text("[]")
    (folder / "model.safetensors").write_bytes(b"weights that exist nowhere else")
    return folder


def test_the_list_says_what_is_built(cli, built: Path) -> None:
    rows = {row["name"]: row for row in cli.told("models", "list")}
    assert list(rows[NAME]) == ["name", "dims", "window_tokens", "licence", "built", "scorer"]
    assert rows[NAME]["scorer"]
    assert rows[NAME]["built"]
    assert NAME in cli("models", "list").stdout


def test_the_list_says_which_model_has_no_scorer(cli, models: Path) -> None:
    table = '[models.other]\nhub = "some/other"\ndims = 8\nwindow_tokens = 64\npooling = "mean"\nlicence = "MIT"\n'
    with (models / "embedders.toml").open("a") as manifest:
        manifest.write(f"\n{table}\n[models.other.sha256]\n'model.safetensors' = '{'0' * 64}'\n")
    scorers = {row["name"]: row["scorer"] for row in cli.told("models", "list")}
    assert scorers == {NAME: True, "other": False}


def test_what_is_built_is_not_built_again(cli, built: Path) -> None:
    view = cli.told("models", "build", NAME)
    assert view["name"] == NAME
    assert view["folder"] == str(built)
    assert view["fingerprint"] == read_built(built).fingerprint


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_an_original_in_the_models_directory_is_never_replaced(cli, models: Path, force: tuple[str, ...]) -> None:
    place = original(models / "mine")
    before = contents(models)
    result = cli("models", "build", str(place), *force)
    assert result.exit_code == 2
    assert "move it elsewhere" in result.stderr
    assert contents(models) == before


@pytest.mark.parametrize("name", [pytest.param(".", marks=pytest.mark.slow), ".."])
def test_force_on_a_relative_folder_removes_nothing(cli, models: Path, name: str, monkeypatch) -> None:
    original(cli.folder)
    original(models)
    monkeypatch.chdir(models)
    before = contents(cli.folder)
    result = cli("models", "build", name, "--force")
    assert result.exit_code != 0
    assert contents(cli.folder) == before


def test_force_spares_a_folder_that_was_not_built(cli, models: Path) -> None:
    place = original(cli.folder / "far" / "mine")
    (models / "mine").mkdir()
    (models / "mine" / "notes.txt").write_text("keep")
    result = cli("models", "build", str(place), "--force")
    assert result.exit_code == 2
    assert "not a built model" in result.stderr
    assert (models / "mine" / "notes.txt").read_text() == "keep"


def test_force_spares_what_was_built_from_another_model(cli, built: Path) -> None:
    write_built(built, dataclasses.replace(read_built(built), source="folder:another"))
    before = contents(built)
    result = cli("models", "build", NAME, "--force")
    assert result.exit_code == 2
    assert "folder:another" in result.stderr
    assert contents(built) == before


def test_a_name_that_means_nothing_names_the_nearest(cli) -> None:
    result = cli("models", "build", "all-MiniLM-L6")
    assert result.exit_code == 1
    assert NAME in result.stderr


def test_what_is_built_anew_takes_the_old_ones_place(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "m"
    folder.mkdir(parents=True)
    (folder / "old").touch()
    with replacing(folder) as room:
        (room / "m").mkdir(parents=True)
        (room / "m" / "new").touch()
        assert (folder / "old").exists()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in folder.parent.iterdir()] == ["m"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_build_that_fails_leaves_the_old_one_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    folder = tmp_path / "models" / "m"
    folder.mkdir(parents=True)
    (folder / "old").touch()

    def build() -> None:
        with replacing(folder) as room:
            (room / "m").mkdir(parents=True)
            raise error

    with pytest.raises(error):
        build()
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in folder.parent.iterdir()] == ["m"]


@pytest.mark.slow
def test_force_builds_the_same_model_again(cli, built: Path) -> None:
    pytest.importorskip("sentence_transformers")
    before = read_built(built).fingerprint
    (built / "left over").touch()
    assert cli.told("models", "build", NAME, "--force")["fingerprint"] == before
    assert not (built / "left over").exists()
