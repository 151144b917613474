"""Settings: file < environment < arguments, and errors that name the remedy."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from semcache.errors import SettingsError
from semcache.request import Mode
from semcache.settings import ABOUT, Settings, load_settings


def test_arguments_win_over_the_environment_which_wins_over_the_file(tmp_path: Path) -> None:
    config = tmp_path / "semcache.toml"
    config.write_text('port = 1\nhost = "0.0.0.0"\nmode = "exact"\n')
    settings = load_settings({"SEMCACHE_PORT": "2", "SEMCACHE_HOST": "::1"}, config=config, port=3)
    assert (settings.port, settings.host, settings.mode) == (3, "::1", Mode.EXACT)


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        pytest.param({"SEMCACHE_PROT": "1"}, "unknown setting SEMCACHE_PROT; did you mean SEMCACHE_PORT", id="typo"),
        pytest.param({"SEMCACHE_PORT": "x"}, "SEMCACHE_PORT: port must be a whole number", id="no number"),
        pytest.param({"SEMCACHE_PORT": "70000"}, "port: must lie between", id="out of range"),
        pytest.param({"SEMCACHE_MODE": "loud"}, "mode must be off, shadow, exact or semantic", id="mode"),
        pytest.param({"SEMCACHE_ERROR_BUDGET": "2"}, "error_budget: must lie between 0 and 1", id="budget"),
        pytest.param({"SEMCACHE_OWN_JOBS_WAIT_SECONDS": "60"}, "own_jobs_wait_seconds: use 0", id="own jobs"),
        pytest.param({"SEMCACHE_REFRESH_SECONDS": "-1"}, "refresh_seconds: must not be negative", id="refresh"),
        pytest.param({"SEMCACHE_COALESCE": "maybe"}, "coalesce must be true or false", id="boolean"),
        pytest.param({"SEMCACHE_CONFIG": "/nowhere.toml"}, "settings file /nowhere.toml does not exist", id="no file"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(environment: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load_settings(environment)


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        pytest.param("prot = 1", "did you mean port", id="typo"),
        pytest.param("port = ", "not valid TOML", id="broken"),
        pytest.param("[namespaces.a]\nsahred = true", "unknown setting sahred; did you mean shared", id="nested"),
        pytest.param('[namespaces.a]\nmode = "loud"', "namespaces.a.mode must be off, shadow", id="nested mode"),
        pytest.param('[namespaces.a]\nmembers = ["x"]', "no service key is labelled x", id="stranger"),
    ],
)
def test_a_wrong_file_is_named_with_its_remedy(tmp_path: Path, toml: str, problem: str) -> None:
    config = tmp_path / "semcache.toml"
    config.write_text(toml)
    with pytest.raises(SettingsError, match=problem):
        load_settings({}, config=config)


def test_secrets_are_shown_neither_by_repr_nor_by_errors() -> None:
    environment = {"SEMCACHE_API_KEYS": "team:s3cret", "SEMCACHE_ADMIN_KEY": "s3cret", "ANTHROPIC_API_KEY": "s3cret"}
    assert "s3cret" not in repr(load_settings(environment))


def test_service_keys_carry_labels() -> None:
    keys = load_settings({"SEMCACHE_API_KEYS": "team:abc, def"}).api_keys
    assert [(key.label, key.key) for key in keys] == [("team", "abc"), ("key-2", "def")]


def test_an_empty_variable_is_not_given() -> None:
    assert load_settings({"SEMCACHE_PORT": ""}).port == Settings().port


def test_zero_is_a_value() -> None:
    assert load_settings({"SEMCACHE_PORT": "0"}).port == 0


def test_every_setting_is_explained() -> None:
    assert set(ABOUT) == {each.name for each in fields(Settings)}
