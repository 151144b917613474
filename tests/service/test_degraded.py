"""A broken cache is a slow cache, never an outage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from worlds import ANSWERS, MODELS, RESET, World, outcome_of, question_body, settings, until

from semcache.errors import ManifestError, SettingsError
from semcache.service.banner import banner
from semcache.service.parts import open_parts
from semcache.upstream.simulator import Simulator

MakeWorld = Callable[..., World]


def corrupt_database(folder: Path) -> dict[str, Any]:
    home = folder / "broken"
    home.mkdir()
    (home / "cache.sqlite3").write_bytes(b"this is no database, " * 500)
    return {"data_dir": home}


def missing_model(folder: Path) -> dict[str, Any]:
    models = folder / "models"
    models.mkdir()
    for name in ("claude.toml", "embedders.toml"):
        (models / name).write_bytes((MODELS / name).read_bytes())
    return {"models_dir": models, "embedder": "all-MiniLM-L6-v2"}


def data_dir_is_a_file(folder: Path) -> dict[str, Any]:
    (folder / "occupied").write_text("")
    return {"data_dir": folder / "occupied"}


FAULTS = [
    pytest.param(corrupt_database, id="corrupt database"),
    pytest.param(missing_model, id="missing model"),
    pytest.param(data_dir_is_a_file, id="unusable folder"),
]


@pytest.fixture(params=FAULTS)
def degraded(request: pytest.FixtureRequest, make_world: MakeWorld, tmp_path: Path) -> World:
    return make_world(**request.param(tmp_path))


def test_every_request_goes_to_the_upstream(degraded: World) -> None:
    for stream in (False, True, False):
        answer = degraded.ask(RESET, stream=stream)
        assert (answer.status_code, outcome_of(answer)) == (200, "fwd=bypass; detail=cache-unavailable")
        assert ANSWERS[RESET] in answer.text or stream
    assert degraded.calls == 3


def test_readiness_says_what_is_wrong(degraded: World) -> None:
    ready = degraded.http("GET", "/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["reason"]
    assert degraded.http("GET", "/healthz").json() == {"status": "ok"}
    assert degraded.metric("semcache_degraded") == 1


def test_all_else_works_and_what_needs_the_cache_says_so(degraded: World) -> None:
    assert degraded.http("GET", "/v1/models").status_code == 200
    assert degraded.ask(RESET, headers={"cache-control": "only-if-cached"}).status_code == 504
    assert float(degraded.ask(RESET).headers["x-semcache-cost-usd"]) > 0
    looked_up = degraded.http("POST", "/semcache/v1/lookup", json=question_body(RESET)).json()
    assert (looked_up["outcome"], looked_up["reason"]) == ("bypass", "cache-unavailable")
    answer = degraded.http("GET", "/semcache/v1/entries")
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "api_error")


def test_the_banner_says_that_the_cache_is_off(tmp_path: Path) -> None:
    with parts_of(tmp_path, **missing_model(tmp_path), upstream="simulator") as parts:
        text = banner(parts)
    assert "THE CACHE IS OFF" in text
    words = [word for word in text.split() if word.strip("┃")]  # a long folder's name breaks lines elsewhere
    assert "run `semcache" in " ".join(words)


def test_a_corrupt_database_is_left_as_it_is(make_world: MakeWorld, tmp_path: Path) -> None:
    broken = corrupt_database(tmp_path)
    make_world(**broken)
    assert (broken["data_dir"] / "cache.sqlite3").read_bytes() == b"this is no database, " * 500


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"upstream": "clode"}, SettingsError, id="upstream"),
        pytest.param({"store": "mysql://x"}, SettingsError, id="store"),
        pytest.param({"embedder": "all-MiniLM-L7"}, (SettingsError, ManifestError), id="embedder"),
    ],
)
def test_what_a_person_must_mend_refuses_to_start(tmp_path: Path, changes: dict[str, Any], error: Any) -> None:
    with pytest.raises(error):
        open_parts(settings(tmp_path, **changes))


def test_a_price_list_that_cannot_be_read_refuses_to_start(tmp_path: Path) -> None:
    models = missing_model(tmp_path)
    (models["models_dir"] / "claude.toml").write_text("models = [")
    with pytest.raises(ManifestError):
        open_parts(settings(tmp_path, **models))


@contextmanager
def parts_of(folder: Path, **changes: Any) -> Iterator[Any]:
    from semcache.pricing import PriceBook

    simulator = Simulator(PriceBook.load(MODELS / "claude.toml"))
    parts = open_parts(settings(folder, **changes), upstream=simulator)
    try:
        yield parts
    finally:
        parts.close()


def test_a_mistake_in_embedding_anew_does_not_end_upkeep(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistake(*given: Any, **options: Any) -> int:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("semcache.curation.reembed", mistake)
    world = make_world()
    until(lambda: "the store works again" in caplog.text)  # the next upkeep found nothing amiss
    assert world.ask(RESET).status_code == 200
