"""The local store when things go wrong: killed, full, locked, damaged, newer, not writable."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing
from pathlib import Path

import pytest
from store_samples import (
    DIMS,
    SCOPE,
    SPACE,
    embedding,
    entry,
    exemplar,
    found,
    ledger_row,
    put,
    random_embeddings,
    serving,
)

from semcache.errors import StoreError, StoreTooNew, StoreUnavailable
from semcache.stores.hit_buffer import HitBuffer
from semcache.stores.ledger_book import LedgerQuery, grouped
from semcache.stores.limits import Limits
from semcache.stores.local.schema import MIGRATIONS
from semcache.stores.local.store import LocalStore
from semcache.stores.local.tuning import Tuning
from semcache.stores.store import Selection

EAST = embedding(1)
FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
PRELUDE = f"""
import sys, time
sys.path[:0] = {FOLDERS!r}
from pathlib import Path
from store_samples import *
from semcache.stores.hit_buffer import HitBuffer
from semcache.stores.local.store import LocalStore
from semcache.stores.local.tuning import Tuning
from semcache.stores.limits import Limits
"""


def run_python(script: str, *arguments: str, **options) -> subprocess.Popen[str]:
    source = PRELUDE + textwrap.dedent(script)
    return subprocess.Popen([sys.executable, "-c", source, *arguments], stdout=subprocess.PIPE, text=True, **options)


WRITER = """
    directory, round_ = Path(sys.argv[1]), int(sys.argv[2])
    tuning = Tuning(direct_exemplars=0, graph_exemplars=100, hits_delay_seconds=0.01)
    store = LocalStore(directory, space=SPACE, dims=DIMS, tuning=tuning)
    vectors = random_embeddings(5000, seed=round_)
    for number, vector in enumerate(vectors):
        key = f"{round_}-{number % 90}"  # some are replaced
        stored = put(store, key, vector, vectors[number - 1])
        store.record_hit(stored.id)
        store.nearest(SCOPE, vector)
        print(f"{key} {stored.id} {number}", flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    chance = random.Random(4)
    for round_ in range(20):
        writer = run_python(WRITER, str(tmp_path), str(round_))
        acknowledged: dict[str, tuple[str, int]] = {}
        assert writer.stdout is not None
        for _ in range(chance.randrange(3, 150)):
            key, entry_id, number = writer.stdout.readline().split()
            acknowledged[key] = (entry_id, int(number))
        time.sleep(chance.random() * 0.01)
        writer.kill()
        for line in writer.stdout.read().splitlines():  # acknowledged before the kill, read after it
            if len(parts := line.split()) == 3:
                acknowledged[parts[0]] = (parts[1], int(parts[2]))
        writer.stdout.close()
        writer.wait()
        check_after_kill(tmp_path, acknowledged)
    assert list(tmp_path.glob("vectors-*.faiss"))


def check_after_kill(directory: Path, acknowledged: dict[str, tuple[str, int]]) -> None:
    with closing(LocalStore(directory, space=SPACE, dims=DIMS, tuning=Tuning(direct_exemplars=0))) as store:
        for key, (entry_id, number) in acknowledged.items():
            held = store.get_exact(SCOPE, key)
            assert held is not None
            assert held.id == entry_id
            texts = [each.text for each in store.exemplars(entry_id)]
            assert texts == [f"{key} 0", f"{key} 1"], number
        ranked, nearest = search_after_kill(store)
    for snapshot in directory.glob("vectors-*"):
        snapshot.rename(snapshot.with_suffix(".aside"))
    with closing(LocalStore(directory, space=SPACE, dims=DIMS, tuning=Tuning(direct_exemplars=0))) as store:
        ranked_anew, nearest_anew = search_after_kill(store)
    assert ranked == ranked_anew
    assert len(nearest & nearest_anew) >= 0.97 * len(nearest_anew)
    for snapshot in directory.glob("vectors-*.aside"):
        snapshot.rename(snapshot.with_suffix(".faiss"))
    connection = sqlite3.connect(directory / "cache.sqlite3")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    held = connection.execute("SELECT count(*), sum(bytes) FROM entries").fetchone()
    assert connection.execute("SELECT entries, bytes FROM totals").fetchone() == held
    connection.close()


def search_after_kill(store: LocalStore) -> tuple[list[list[str]], set[tuple[int, str]]]:
    """Whole rankings, which no graph can shorten, and what is found nearest, graph or not."""
    queries = random_embeddings(20, seed=99)
    ranked = [found(store, query, k=100_000) for query in queries[:3]]
    return ranked, {(number, text) for number, query in enumerate(queries) for text in found(store, query)}


MERGER = """
    directory, round_ = Path(sys.argv[1]), int(sys.argv[2])
    store = LocalStore(directory, space=SPACE, dims=DIMS, tuning=Tuning(direct_exemplars=0, hits_delay_seconds=0.01))
    vectors = random_embeddings(5000, seed=round_)
    into = put(store, f"{round_}-into", vectors[0])
    print(into.key, "into", flush=True)
    for number, vector in enumerate(vectors[1:]):
        made = entry(f"{round_}-{number}", hits=1)
        store.put(made, [exemplar(made, vector, text=made.question)])
        print(made.key, "put", flush=True)
        store.record_serving(serving(made.key, made.id))
        store.observe([observation(at=float(number), entry_id=made.id)])
        store.merge(made.id, into.id)
        print(made.key, "merged", flush=True)
        store.nearest(SCOPE, vector)
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_merge_is_whole_or_not_at_all_after_kill_9(tmp_path: Path) -> None:
    chance = random.Random(8)
    for round_ in range(12):
        merger = run_python(MERGER, str(tmp_path), str(round_))
        assert merger.stdout is not None
        lines = [merger.stdout.readline() for _ in range(chance.randrange(2, 120))]
        time.sleep(chance.random() * 0.005)
        merger.kill()
        lines += merger.stdout.read().splitlines()
        merger.stdout.close()
        merger.wait()
        check_after_killed_merges(tmp_path, round_, dict(line.split() for line in lines if len(line.split()) == 2))
        check_after_kill(tmp_path, {})


def check_after_killed_merges(directory: Path, round_: int, states: dict[str, str]) -> None:
    with closing(LocalStore(directory, space=SPACE, dims=DIMS, tuning=Tuning(direct_exemplars=0))) as store:
        into = store.get_exact(SCOPE, f"{round_}-into")
        merged = {key for key, state in states.items() if state == "merged"}
        aliases = [each.key for each in store.exemplars(into.id) if each.key]
        assert {*aliases} >= merged  # and perhaps the one that was merged when it was killed
        assert into.hits == len(aliases) == len({*aliases}) <= len(merged) + 1
        assert {store.get_exact(SCOPE, key).id for key in aliases} <= {into.id}
        for key in states.keys() - {*aliases, into.key}:
            assert [each.text for each in store.exemplars(store.get_exact(SCOPE, key).id)] == [entry(key).question]
        assert all(store.serving(key).entry_id == into.id for key in aliases)
        assert len(store.observations("label", limit=10_000)) >= len(merged)


def test_processes_that_open_a_new_store_at_once_all_succeed(tmp_path: Path) -> None:
    script = """
        store = LocalStore(Path(sys.argv[1]), space=SPACE, dims=DIMS)
        put(store, sys.argv[2], embedding(1))
        print(store.secret("tenants").hex())
        store.close()
    """
    processes = [run_python(script, str(tmp_path), str(number)) for number in range(4)]
    secrets = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * 4
    assert len(secrets) == 1
    with closing(LocalStore(tmp_path, space=SPACE, dims=DIMS)) as store:
        assert store.stats().entries == 4


def test_another_process_sees_a_put_and_a_delete_at_once(tmp_path: Path, open_local) -> None:
    script = """
        store = LocalStore(Path(sys.argv[1]), space=SPACE, dims=DIMS, tuning=Tuning(direct_exemplars=0))
        for line in sys.stdin:
            print(found(store, embedding(1)), flush=True)
    """
    store = open_local()
    reader = run_python(script, str(tmp_path), stdin=subprocess.PIPE)

    def asked() -> str:
        assert reader.stdin is not None
        assert reader.stdout is not None
        print("look", file=reader.stdin, flush=True)
        return reader.stdout.readline().strip()

    seen = [asked()]
    made = put(store, "k1", EAST)
    seen.append(asked())
    store.delete(Selection(entry_ids=(made.id,)))
    seen.append(asked())
    reader.communicate()
    assert seen == ["[]", "['k1 0']", "[]"]


def test_a_full_disk_refuses_puts_and_the_store_recovers(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not allow mounting")
    try:
        with closing(LocalStore(disk, space=SPACE, dims=DIMS)) as store:
            first = put(store, "first", EAST)
            ballast = disk / "ballast"
            stored = fill_until_full(store, ballast)
            assert store.get(first.id) == first  # reading goes on
            assert found(store, EAST)[0] == "first 0"
            store.record_hit(first.id)
            ballast.unlink()
            assert put(store, "after", EAST).key == "after"
            store.flush()
            assert store.get(first.id).hits == 1
            assert store.stats().entries == stored + 2
    finally:
        subprocess.run(["umount", disk], check=True)


def fill_until_full(store: LocalStore, ballast: Path) -> int:
    """Puts until the disk is full; the number stored."""
    with ballast.open("wb") as file:
        file.write(b"x" * 500_000)
    for number in range(2000):
        try:
            put(store, f"k{number}", EAST, answer="x" * 2000)
        except StoreUnavailable as error:
            return number if "disk" in str(error) else -1
    raise AssertionError("the disk did not fill up")


def test_a_file_size_limit_is_a_clear_error(tmp_path: Path) -> None:
    script = """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = LocalStore(Path(sys.argv[1]), space=SPACE, dims=DIMS)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        from semcache.errors import StoreUnavailable
        for number in range(1000):
            try:
                put(store, f"k{number}", embedding(1), answer="x" * 2000)
            except StoreUnavailable:
                break
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        put(store, "after", embedding(1))
        print(number, store.stats().entries)
        store.close()
    """
    process = run_python(script, str(tmp_path))
    refused_at, entries = map(int, process.communicate()[0].split())
    assert process.returncode == 0
    assert 0 < refused_at < 999
    assert entries == refused_at + 1


def test_a_locked_database_is_unavailable_and_then_goes_on(open_local, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("semcache.stores.local.database.BUSY_TIMEOUT_SECONDS", 0.05)
    store = open_local()
    made = put(store, "k1", EAST)
    other = sqlite3.connect(tmp_path / "cache.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="lock"):
        put(store, "k2", EAST)
    assert store.get(made.id) == made
    other.execute("ROLLBACK")
    other.close()
    assert put(store, "k2", EAST).key == "k2"


def test_hits_wait_while_the_database_is_locked(open_local, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("semcache.stores.local.database.BUSY_TIMEOUT_SECONDS", 0.05)
    store = open_local(tuning=Tuning(hits_delay_seconds=60))
    made = put(store, "k1", EAST)
    other = sqlite3.connect(tmp_path / "cache.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store.record_hit(made.id)
    with pytest.raises(StoreUnavailable):
        store.flush()
    store.record_hit(made.id)
    other.execute("ROLLBACK")
    other.close()
    store.flush()
    assert store.get(made.id).hits == 2


def test_what_could_not_be_written_joins_what_came_meanwhile() -> None:
    buffer = HitBuffer()
    buffer.count("e", at=1.0, serving=serving("m1", "e"))

    def fail_to_write() -> None:
        with buffer.taken():
            buffer.count("e", at=2.0, serving=serving("m2", "e"))
            assert buffer.serving("m1") is not None  # seen while it is written
            raise StoreUnavailable("busy")

    with pytest.raises(StoreUnavailable, match="busy"):
        fail_to_write()
    assert buffer.pending == 2
    with buffer.taken() as batch:
        assert batch.counts == {"e": (2, 2.0)}
        assert list(batch.servings) == ["m1", "m2"]
    assert (buffer.pending, buffer.serving("m1")) == (0, None)


def test_servings_that_wait_for_a_locked_database_are_limited_in_number(monkeypatch) -> None:
    monkeypatch.setattr("semcache.stores.hit_buffer.MOST_SERVINGS", 3)
    buffer = HitBuffer()
    for number in range(5):
        buffer.note(serving(f"m{number}", "e"))
    with pytest.raises(StoreUnavailable), buffer.taken():
        raise StoreUnavailable("busy")
    with buffer.taken() as batch:
        assert list(batch.servings) == ["m2", "m3", "m4"]


def test_hits_are_written_without_being_asked(open_local) -> None:
    store = open_local(tuning=Tuning(hits_delay_seconds=0.01))
    made = put(store, "k1")
    store.record_hit(made.id)
    deadline = time.monotonic() + 10
    while store.get(made.id).hits == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert store.get(made.id).hits == 1


def test_closing_writes_the_hits(open_local) -> None:
    store = open_local()
    made = put(store, "k1")
    store.record_hit(made.id)
    store.close()
    assert open_local().get(made.id).hits == 1


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"this is not a database at all, but text " * 100, id="text"),
        pytest.param(b"SQLite format 3\x00" + b"\xff" * 8000, id="damaged header"),
    ],
)
def test_a_corrupt_database_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "cache.sqlite3"
    file.write_bytes(content)
    with pytest.raises(StoreUnavailable, match=r"cache\.sqlite3.*nothing was deleted; restore"):
        LocalStore(tmp_path, space=SPACE, dims=DIMS)
    assert file.read_bytes() == content


def test_damage_inside_the_database_is_unavailable_not_a_crash(open_local, tmp_path: Path) -> None:
    store = open_local()
    for number in range(200):
        put(store, f"k{number}", EAST, answer="x" * 3000)
    store.close()
    file = tmp_path / "cache.sqlite3"
    content = bytearray(file.read_bytes())
    content[40_000:] = os.urandom(len(content) - 40_000)
    file.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="restore"):
        list(LocalStore(tmp_path, space=SPACE, dims=DIMS).scan())


def test_a_newer_database_is_refused_and_left_as_it_is(open_local, tmp_path: Path) -> None:
    open_local().close()
    file = tmp_path / "cache.sqlite3"
    connection = sqlite3.connect(file)
    with connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('semcache', 'm999_future', '')"
        )
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StoreTooNew, match=r"m999_future.*upgrade semcache"):
        open_local()
    assert file.read_bytes() == before


def test_opening_again_applies_no_migration_twice(open_local, tmp_path: Path) -> None:
    for _ in range(3):
        open_local().close()
    connection = sqlite3.connect(tmp_path / "cache.sqlite3")
    names = [name for (name,) in connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id")]
    connection.close()
    assert names == list(MIGRATIONS)


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="SEMCACHE_DATA_DIR"):
        LocalStore(tmp_path / "file" / "index", space=SPACE, dims=DIMS)


def test_a_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    script = """
        import os
        from semcache.errors import StoreUnavailable
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            LocalStore(Path(sys.argv[1]), space=SPACE, dims=DIMS)
        except StoreUnavailable as error:
            print(error)
    """
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(0o755)
    message = run_python(script, str(closed)).communicate()[0]
    assert "cache.sqlite3" in message
    assert "writ" in message


def test_a_fingerprint_that_changes_its_dims_is_refused(open_local) -> None:
    open_local().close()
    with pytest.raises(StoreError, match="dims"):
        open_local(dims=DIMS + 1)


def test_a_closed_store_says_so(open_local) -> None:
    store = open_local()
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.get_exact(SCOPE, "k1")
    with pytest.raises(StoreUnavailable, match="closed"):
        put(store, "k1")


def test_errors_never_hold_a_prompt(open_local, tmp_path: Path) -> None:
    store = open_local(limits=Limits(max_bytes=10))
    made = entry("k1", question="my secret question", answer="my secret answer")
    with pytest.raises(Exception, match="put") as caught:
        store.put(made, [exemplar(made, EAST, text="my secret text")])
    assert "secret" not in repr(caught.value)


def test_the_ledger_and_the_secrets_survive(open_local) -> None:
    store = open_local()
    store.book([ledger_row()])
    secret = store.secret("tenants")
    store.close()
    again = open_local()
    assert again.ledger_groups(LedgerQuery(by=("outcome",))) == grouped([ledger_row()], LedgerQuery(by=("outcome",)))
    assert again.secret("tenants") == secret


def test_what_is_stored_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, space="space", dims=4)
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    store.close()
    assert modes
    assert not any(modes.values())
