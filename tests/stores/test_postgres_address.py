"""What is read from a `postgresql://` URL, and what is said where it is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from semcache.errors import SettingsError
from semcache.stores.postgres.address import read_address

PRIVATE = "postgresql://me:hunter2@one,two/shop"


def test_hosts_and_what_is_asked_of_them_reach_libpq() -> None:
    address = read_address("postgresql://me:hunter2@one:5433,two:5434/shop?target_session_attrs=read-write")
    known = conninfo_to_dict(address.conninfo)
    assert (known["host"], known["port"], known["target_session_attrs"]) == ("one,two", "5433,5434", "read-write")
    assert (known["dbname"], known["password"], known["connect_timeout"]) == ("shop", "hunter2", "2")


def test_what_is_asked_for_wins_over_what_is_usual() -> None:
    address = read_address(f"{PRIVATE}?connect_timeout=9&application_name=mine")
    known = conninfo_to_dict(address.conninfo)
    assert (known["connect_timeout"], known["application_name"]) == ("9", "mine")


def test_our_own_parameters_do_not_reach_libpq() -> None:
    address = read_address(
        f"{PRIVATE}?semcache_vector_index=hnsw&semcache_pool_size=3&semcache_timeout_seconds=0.5&sslmode=require"
        "&semcache_memory_mb=2"
    )
    assert (address.vector_index, address.pool_size, address.timeout_seconds) == ("hnsw", 3, 0.5)
    assert address.memory_bytes == 2 * 1024 * 1024
    assert "semcache_" not in address.conninfo
    assert conninfo_to_dict(address.conninfo)["sslmode"] == "require"


def test_an_address_never_shows_its_password() -> None:
    address = read_address(PRIVATE)
    assert "hunter2" not in repr(address)
    assert address.shown == "PostgreSQL at one,two, database shop"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        pytest.param("semcache_vector_index=ivf", "`exact` or `hnsw`", id="index"),
        pytest.param("semcache_pool_size=0", "1 to 1000", id="pool"),
        pytest.param("semcache_timeout_seconds=soon", "0.01 to 600", id="timeout"),
        pytest.param("semcache_memory_mb=-1", "0 to 1000000", id="memory"),
        pytest.param("semcache_colour=red", "semcache_colour is not known", id="unknown"),
        pytest.param("nonsense=1", "cannot be read", id="unknown to libpq"),
    ],
)
def test_a_wrong_parameter_is_named_and_the_password_is_not(query: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        read_address(f"{PRIVATE}?{query}")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_missing_packages_are_named_with_the_extra_that_brings_them(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path\nfrom semcache.errors import SettingsError\n"
        "from semcache.stores.opening import open_store\n"
        f"try: open_store({PRIVATE!r}, data_dir=Path('.'), space='s', dims=8)\n"
        "except SettingsError as error: sys.stdout.write(str(error))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "pip install 'semcache[postgres]'" in said.stdout
    assert "hunter2" not in said.stdout


def test_other_stores_need_no_postgresql() -> None:
    script = "import sys, semcache.stores.opening, semcache.stores.local.store; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "psycopg" not in loaded
