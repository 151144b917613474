"""`semcache doctor`: what it finds, and what it says to do about it."""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from semcache.embedders.hashed import HashedEmbedder
from semcache.entry import Entry, Exemplar, Kind, Scope
from semcache.message import text_message
from semcache.stores.local.store import LocalStore
from semcache.stores.local.tuning import Tuning

TODAY = date(2026, 11, 23)
SCOPE = Scope("default", "d" * 64)


def findings(cli, *words: str, code: int = 0, **given: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for each in cli.told("doctor", *words, code=code, **given):
        assert list(each) == ["level", "what", "finding", "remedy"]
        found.setdefault(each["what"], []).append(each)
    return found


def index_dir(cli) -> Path:
    return Path(cli.variables["SEMCACHE_DATA_DIR"])


@pytest.fixture(autouse=True)
def _one_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semcache.cli.model_checks.today", lambda: TODAY)


@pytest.fixture
def filled(cli):
    cli("ask", "How do I repot a fern?")
    return cli


def test_a_sound_state_is_found_sound(filled) -> None:
    found = findings(filled)
    assert not [each for rows in found.values() for each in rows if each["level"] == "fail"]
    assert {
        "settings", "access", "threads", "models directory", "embedding model", "scorer", "disk", "store",
        "index", "prices", "Claude models", "routing",
    } <= set(found)  # fmt: skip
    assert found["store"][0]["finding"].startswith("1 entries")


def test_prompts_that_cannot_be_cached_are_named_with_what_to_do(filled) -> None:
    store = LocalStore(index_dir(filled), space="other", dims=8)
    store.save_document("prefix-breakers", b'[["support", "a timestamp", 312, 9]]')
    store.close()
    [found] = findings(filled)["prompts"]
    assert found["level"] == "warn"
    assert "namespace support: the system prompt carries a timestamp at character 312" in found["finding"]
    assert found["remedy"].startswith("put it into a last block")


def test_it_changes_nothing_before_the_first_start(cli) -> None:
    assert "first start" in findings(cli)["store"][0]["finding"]
    assert not index_dir(cli).exists()


def test_every_warning_and_failure_has_a_remedy(filled) -> None:
    (index_dir(filled) / "cache.sqlite3").chmod(0o644)
    (index_dir(filled) / "vectors-of-nobody.faiss").write_bytes(b"x")
    found = findings(filled, SEMCACHE_HOST="0.0.0.0", SEMCACHE_THREADS="4096")
    for what in ("access", "threads", "index"):
        assert any(each["level"] == "warn" and each["remedy"] for each in found[what]), what


def test_lines_for_people_carry_the_level_and_the_remedy(filled) -> None:
    said = filled("doctor", SEMCACHE_HOST="0.0.0.0").stdout
    assert "warn  access: 0.0.0.0 is open to everyone; set SEMCACHE_API_KEYS" in said
    assert "  ok  settings: understood" in said


@pytest.mark.parametrize(
    ("given", "what", "said"),
    [
        pytest.param({"SEMCACHE_PROT": "1"}, "settings", "did you mean SEMCACHE_PORT?", id="unknown setting"),
        pytest.param({"SEMCACHE_EMBEDDER": "nothing"}, "embedding model", "nothing", id="unknown model"),
        pytest.param({"SEMCACHE_MODELS_DIR": "/nowhere"}, "models directory", "/nowhere", id="no models"),
        pytest.param({"SEMCACHE_STORE": "mongodb://u:pass@h"}, "store", "mongodb:", id="unknown store"),
        pytest.param(
            {"SEMCACHE_UPSTREAM": "claude", "SEMCACHE_API_KEYS": "web:k"}, "access", "service keys", id="no key"
        ),
    ],
)
def test_what_would_keep_the_service_from_working_fails(cli, given, what, said) -> None:
    failed = [each for each in findings(cli, code=1, **given)[what] if each["level"] == "fail"]
    assert said in failed[0]["finding"]
    assert "pass@" not in str(failed)


def test_one_failure_does_not_hide_the_rest(filled) -> None:
    found = findings(filled, code=1, SEMCACHE_EMBEDDER="nothing")
    assert {"disk", "prices", "Claude models"} <= set(found)


def test_a_damaged_database_fails_and_is_left_as_it_is(filled) -> None:
    file = index_dir(filled) / "cache.sqlite3"
    file.write_bytes(b"no database at all" * 500)
    row = findings(filled, code=1)["store"][0]
    assert row["level"] == "fail"
    assert "backup" in row["remedy"]
    assert file.read_bytes() == b"no database at all" * 500


def test_a_database_of_a_newer_version_fails(filled) -> None:
    with sqlite3.connect(index_dir(filled) / "cache.sqlite3") as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('semcache', 'm999_later', '')"
        )
    connection.close()
    row = findings(filled, code=1)["store"][0]
    assert row["level"] == "fail"
    assert "upgrade semcache" in row["finding"]


def test_a_damaged_model_fails_with_what_to_do(cli) -> None:
    models = cli.folder / "models"
    shutil.copytree(cli.variables["SEMCACHE_MODELS_DIR"], models)
    built = next(iter(models.glob("*/built.json")), None)
    if built is None:
        pytest.skip("no model has been built")
    (built.parent / "model.onnx").write_bytes(b"")
    given = {"SEMCACHE_MODELS_DIR": str(models), "SEMCACHE_EMBEDDER": built.parent.name}
    row = findings(cli, code=1, **given)["embedding model"][0]
    assert row["level"] == "fail"
    assert "semcache models build" in row["finding"]


def test_old_prices_and_retiring_models_are_named(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semcache.cli.model_checks.today", lambda: date(2027, 3, 1))
    found = findings(cli)
    assert found["prices"][0]["level"] == "warn"
    gone = [each for each in found["Claude models"] if each["level"] == "warn"]
    assert any("claude-sonnet-4-5" in each["finding"] and "does not say so" in each["finding"] for each in gone)


def test_a_model_that_retires_soon_is_named_beforehand(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semcache.cli.model_checks.today", lambda: date(2026, 11, 23))
    warned = [each["finding"] for each in findings(cli)["Claude models"] if each["level"] == "warn"]
    assert warned == ["claude-sonnet-4-5-20250929 retires on 2026-11-30"]


def test_an_arm_that_retires_or_has_gone_is_named_with_where_to_change_it(cli, monkeypatch) -> None:
    config = cli.folder / "semcache.toml"
    config.write_text('[routing]\nsimple = "claude-sonnet-4-5"\n')
    for day, level in ((date(2026, 11, 23), "warn"), (date(2026, 12, 1), "fail")):
        monkeypatch.setattr("semcache.cli.model_checks.today", lambda day=day: day)
        found = findings(cli, code=int(level == "fail"), SEMCACHE_CONFIG=str(config))["routing"]
        assert found[0]["level"] == level
        assert "[routing]" in found[0]["remedy"]


@pytest.fixture
def with_snapshot(cli):
    """A state with an index large enough, for this tuning, to have a snapshot."""
    embedder = HashedEmbedder()
    tuning = Tuning(direct_exemplars=4, graph_exemplars=40)
    store = LocalStore(index_dir(cli), space=embedder.fingerprint, dims=embedder.dims, tuning=tuning)
    for number in range(60):
        question = f"What is kept on shelf {number} of the shed?"
        message = text_message("Pots.", model="", message_id="msg_1", usage={"input_tokens": 0, "output_tokens": 0})
        entry = Entry(
            f"ent_{number}", SCOPE, f"{number:064}", Kind.LEARNED, question, message, "m", "m", 0.0, 1.0, None
        )
        store.put(entry, [Exemplar(entry.id, question, embedder.embed(question))])
    store.nearest(SCOPE, embedder.embed("What is kept in the shed?"), k=1)
    wait_until(lambda: store.has_graph(SCOPE))
    store.close()
    assert list(index_dir(cli).glob("vectors-*.faiss"))
    return cli


def wait_until(holds: Any) -> None:
    import time

    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_snapshot_that_agrees_with_sqlite_is_sound(with_snapshot) -> None:
    (row,) = findings(with_snapshot)["index"]
    assert (row["level"], row["finding"]) == ("ok", "1 snapshot agrees with SQLite")


def test_a_damaged_snapshot_is_a_warning_not_a_failure(with_snapshot) -> None:
    (snapshot,) = index_dir(with_snapshot).glob("vectors-*.faiss")
    snapshot.write_bytes(snapshot.read_bytes()[:-100])
    row = findings(with_snapshot)["index"][0]
    assert row["level"] == "warn"
    assert str(snapshot) in row["remedy"]


def test_a_snapshot_of_another_state_of_the_database_is_found_out(with_snapshot) -> None:
    (snapshot,) = index_dir(with_snapshot).glob("vectors-*.faiss")
    kept = snapshot.read_bytes()
    with sqlite3.connect(index_dir(with_snapshot) / "cache.sqlite3") as connection:
        connection.execute("UPDATE exemplars SET vector = (SELECT vector FROM exemplars WHERE id = 1) WHERE id = 60")
    connection.close()
    assert findings(with_snapshot)["index"][0]["level"] == "warn"
    assert kept[:20] == snapshot.read_bytes()[:20]


def test_questions_of_another_model_are_counted(filled) -> None:
    model = next(Path(filled.variables["SEMCACHE_MODELS_DIR"]).glob("*/built.json"), None)
    if model is None:
        pytest.skip("no model has been built")
    rows = findings(filled, SEMCACHE_EMBEDDER=model.parent.name)["store"]
    assert any("another model" in row["finding"] and "reembed" in row["remedy"] for row in rows)
    assert filled.told("models", "reembed", SEMCACHE_EMBEDDER=model.parent.name) == {"entries": 1}


def test_the_upstream_is_asked_only_online(cli) -> None:
    assert "upstream" not in findings(cli)
    assert findings(cli, "--online")["upstream"][0]["level"] == "ok"
    unreachable = findings(cli, "--online", code=1, SEMCACHE_UPSTREAM="http://127.0.0.1:1")
    assert unreachable["upstream"][0]["level"] == "fail"


def test_it_examines_the_state_it_is_pointed_at(filled) -> None:
    shutil.move(index_dir(filled), filled.folder / "elsewhere")
    assert findings(filled, "--data-dir", "elsewhere")["store"][0]["finding"].startswith("1 entries")
    assert findings(filled, "--store", "local:elsewhere")["store"][0]["finding"].startswith("1 entries")
    assert "nothing" in findings(filled, "--store", "memory:")["store"][0]["finding"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_state_that_may_not_be_read_is_one_failure_among_findings(filled) -> None:
    index_dir(filled).chmod(0)
    try:
        assert findings(filled, code=1)["prices"]
    finally:
        index_dir(filled).chmod(0o700)
