"""Store URLs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from fakes import Clock
from store_samples import DIMS, SPACE, put

from semcache.errors import SettingsError
from semcache.stores.limits import Limits
from semcache.stores.memory import MemoryStore
from semcache.stores.opening import open_store


@pytest.mark.parametrize(
    ("url", "place"),
    [
        pytest.param("local:", "data", id="in the data directory"),
        pytest.param("local:{root}/a b/c", "a b/c", id="in a directory of its own"),
    ],
)
def test_a_local_url_opens_a_directory(tmp_path: Path, clock: Clock, url: str, place: str) -> None:
    url = url.format(root=tmp_path)
    store = open_store(url, data_dir=tmp_path / "data", space=SPACE, dims=DIMS, clock=clock)
    put(store, "k1")
    store.close()
    assert (tmp_path / place / "cache.sqlite3").exists()


def test_a_memory_url_leaves_no_trace(tmp_path: Path, clock: Clock) -> None:
    store = open_store("memory:", data_dir=tmp_path, space=SPACE, dims=DIMS, clock=clock, limits=Limits(max_entries=1))
    put(store, "k1")
    put(store, "k2")
    assert isinstance(store, MemoryStore)
    assert store.stats().entries == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["", "local", "memory", "memory:x", "sqlite:x", "mysql://me:hunter2@host/db"])
def test_another_url_is_refused_with_what_there_is_and_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match=r"`local:`.*`memory:`.*`postgresql://…`") as caught:
        open_store(url, data_dir=tmp_path, space=SPACE, dims=DIMS)
    assert "hunter2" not in str(caught.value)


def test_the_memory_store_needs_neither_faiss_nor_sqlite_utils() -> None:
    script = "import sys, semcache.stores.opening, semcache.stores.memory; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"faiss", "sqlite_utils", "sqlite3"} & set(loaded)
