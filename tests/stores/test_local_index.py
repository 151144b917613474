"""The local store's indexes: graphs, tombstones, snapshots, memory. Whatever happens to them, SQLite decides."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes import Clock
from store_samples import DIMS, OTHER_SCOPE, SCOPE, SPACE, embedding, entry, exemplar, found, put, random_embeddings

from semcache.entry import Embedding, Scope
from semcache.errors import IndexMismatch
from semcache.stores.local.loading import last_change
from semcache.stores.local.schema import LOG_LENGTH
from semcache.stores.local.snapshots import Owner, read_snapshot
from semcache.stores.local.store import LocalStore
from semcache.stores.local.tuning import Tuning
from semcache.stores.memory import MemoryStore
from semcache.stores.store import Selection, Store

GRAPH = Tuning(direct_exemplars=0, graph_exemplars=300, remembered_bytes=0)
EAST = embedding(1)


def fill(store: Store, vectors: list[Embedding], *, name: str = "k", per_entry: int = 10, **fields) -> None:
    """A few entries that share many exemplars: quick to write."""
    for start in range(0, len(vectors), per_entry):
        made = entry(f"{name}{start}", **fields)
        rows = enumerate(vectors[start : start + per_entry], start)
        store.put(made, [exemplar(made, vector, text=f"{name}{number}") for number, vector in rows])


def waited_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def graph_of(store: LocalStore, directory: Path) -> Path:
    """Searches until the scope has its graph; the path of its snapshot."""
    path = directory / f"vectors-{SCOPE.short}.faiss"
    store.nearest(SCOPE, EAST)
    assert waited_for(path.exists)
    return path


def recall(store: Store, oracle: Store, queries: list[Embedding]) -> float:
    shares = [len({*found(store, query)} & {*found(oracle, query)}) / 16 for query in queries]
    return float(np.mean(shares))


@pytest.fixture
def large(open_local, tmp_path: Path) -> tuple[LocalStore, Path]:
    """A store whose scope has a graph, and the graph's snapshot."""
    store = open_local(tuning=GRAPH)
    fill(store, random_embeddings(600, clusters=12))
    return store, graph_of(store, tmp_path)


def test_a_large_scope_is_searched_by_a_graph_that_agrees_with_brute_force(open_local, tmp_path, clock: Clock) -> None:
    vectors = random_embeddings(3000, dims=48, clusters=40)
    store, oracle = open_local(dims=48, tuning=GRAPH), MemoryStore(clock=clock, dims=48)
    for each in (store, oracle):
        fill(each, vectors)
    store.nearest(SCOPE, vectors[0])
    assert waited_for(lambda: store.has_graph(SCOPE))
    assert recall(store, oracle, vectors[::60]) > 0.99
    for number in range(0, 3000, 60):
        top = store.nearest(SCOPE, vectors[number])[0]
        assert (top.exemplar.text, top.similarity) == (f"k{number}", pytest.approx(1.0, abs=1e-6))


def test_a_graph_knows_what_was_stored_and_removed_since(large) -> None:
    store, _ = large
    new = put(store, "new", embedding(0, 0, 0, 5))
    assert found(store, embedding(0, 0, 0, 5), k=1) == ["new 0"]
    store.delete(Selection(entry_ids=(new.id,)))
    assert "new 0" not in found(store, embedding(0, 0, 0, 5), k=200)


def test_a_graph_with_mostly_expired_neighbours_still_finds_the_live_ones(open_local, tmp_path, clock: Clock) -> None:
    store = open_local(tuning=GRAPH)
    near_east = [embedding(1, number / 1000) for number in range(500)]
    fill(store, near_east, name="old", expires_at=clock.now + 5)
    fill(store, [embedding(0, 1, number / 1000) for number in range(20)], name="far")
    graph_of(store, tmp_path)
    store.close()
    from_snapshot = open_local(tuning=GRAPH)
    assert found(from_snapshot, EAST, k=1) == ["old0"]
    clock.advance(5)
    for each in (from_snapshot, open_local(tuning=GRAPH)):  # loaded before they expired, and after
        assert len(found(each, EAST)) == 16
        assert all(text.startswith("far") for text in found(each, EAST))
        assert each.snapshots_rejected == 0


def test_an_index_is_rebuilt_without_its_tombstones(open_local) -> None:
    store = open_local(tuning=Tuning(direct_exemplars=0, dead_share=0.3))
    fill(store, random_embeddings(200), per_entry=1)
    store.nearest(SCOPE, EAST)
    before = store.index_bytes
    store.delete(Selection(entry_ids=tuple(each.id for each in store.page(Selection(), limit=150).entries)))
    assert len(store.nearest(SCOPE, EAST, k=100)) == 50
    assert waited_for(lambda: store.index_bytes < before / 2)
    assert len(store.nearest(SCOPE, EAST, k=100)) == 50


def test_a_snapshot_gives_the_same_answers_after_reopening(large, open_local) -> None:
    store, _ = large
    queries = random_embeddings(20, seed=5)
    before = [found(store, query) for query in queries]
    store.close()
    again = open_local(tuning=GRAPH)
    assert [found(again, query) for query in queries] == before
    assert again.has_graph(SCOPE)
    assert again.snapshots_rejected == 0


def test_a_snapshot_catches_up_with_what_happened_after_it(large, open_local) -> None:
    store, path = large
    gone = store.nearest(SCOPE, EAST, k=1)[0]
    store.close()
    before = path.read_bytes()
    other = open_local()  # writes, but never searches
    other.delete(Selection(entry_ids=(gone.entry.id,)))
    put(other, "new", EAST)
    other.close()
    assert path.read_bytes() == before
    again = open_local(tuning=GRAPH)
    texts = found(again, EAST, k=60)
    assert again.has_graph(SCOPE)
    assert texts[0] == "new 0"
    assert gone.exemplar.text not in texts


def test_a_snapshot_that_lacks_too_much_is_built_anew(large, open_local, monkeypatch) -> None:
    store, _ = large
    store.close()
    fill(open_local(), random_embeddings(60, seed=3), name="more")
    monkeypatch.setattr("semcache.stores.local.loading.PORTION", 50)
    again = open_local(tuning=GRAPH)
    assert len(again.nearest(SCOPE, EAST, k=1000)) == 660
    assert again.snapshots_rejected == 1


def damaged(how: str, content: bytes) -> bytes:
    match how:
        case "cut":
            return content[: len(content) // 2]
        case "flipped":
            middle = len(content) // 2
            return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        case "empty":
            return b""
        case "noise":
            return np.random.default_rng(1).bytes(len(content))
        case _:
            return b"\n" + content


@pytest.mark.parametrize("how", ["cut", "flipped", "empty", "noise", "shifted"])
def test_a_damaged_snapshot_is_rebuilt_and_reported(large, open_local, caplog, how: str) -> None:
    store, path = large
    queries = random_embeddings(5, seed=5)
    store.close()
    path.write_bytes(damaged(how, path.read_bytes()))
    again = open_local(tuning=GRAPH)
    with caplog.at_level(logging.WARNING):
        exact = [found(again, query) for query in queries]
    assert all(len(texts) == 16 for texts in exact)
    assert again.snapshots_rejected == 1
    assert path.name in caplog.text
    assert waited_for(lambda: again.has_graph(SCOPE))


def test_every_flipped_bit_of_a_snapshot_is_noticed(large) -> None:
    store, path = large
    store.close()
    content, random = path.read_bytes(), np.random.default_rng(3)
    for position in random.integers(0, len(content), 60):
        flipped = bytes([content[position] ^ (1 << int(random.integers(8)))])
        path.write_bytes(content[:position] + flipped + content[position + 1 :])
        with pytest.raises(IndexMismatch):
            read_snapshot(path, Owner.of(SCOPE, space=SPACE, dims=DIMS))


def test_a_snapshot_of_another_model_is_not_used(large, open_local) -> None:
    store, _ = large
    store.close()
    other = open_local(space="another-model", tuning=GRAPH)
    fill(other, random_embeddings(50, seed=9), name="other")
    assert all(text.startswith("other") for text in found(other, EAST))
    assert other.snapshots_rejected == 1


def test_a_snapshot_of_another_state_of_the_database_is_not_used(large, open_local, tmp_path) -> None:
    store, _ = large
    store.close()
    backup = (tmp_path / "cache.sqlite3").read_bytes()
    store = open_local(tuning=GRAPH)
    fill(store, random_embeddings(90, seed=1), name="lost")
    store.nearest(SCOPE, EAST)
    store.close()
    (tmp_path / "cache.sqlite3").write_bytes(backup)
    restored = open_local(tuning=GRAPH)
    vectors = random_embeddings(200, seed=2)
    fill(restored, vectors, name="new")  # takes the ids that the snapshot knows under other vectors
    assert [found(restored, vectors[number], k=1) for number in (0, 50, 89)] == [["new0"], ["new50"], ["new89"]]
    assert restored.snapshots_rejected == 1


def test_a_snapshot_that_cannot_be_written_costs_nothing(large, open_local, tmp_path, caplog) -> None:
    store, path = large
    path.unlink()
    path.mkdir()  # a rename onto a directory fails
    fill(store, random_embeddings(100, seed=3), name="more")
    store.nearest(SCOPE, EAST)
    with caplog.at_level(logging.WARNING):
        store.close()
    assert "not written" in caplog.text
    assert list(tmp_path.glob("*.tmp")) == []
    again = open_local(tuning=GRAPH)
    assert len(again.nearest(SCOPE, EAST)) == 16


def test_two_stores_on_one_directory_see_each_other_at_once(open_local) -> None:
    tuning = Tuning(direct_exemplars=0)
    first, second = open_local(tuning=tuning), open_local(tuning=tuning)
    for number, vector in enumerate(random_embeddings(60)):
        writer, reader = (first, second) if number % 2 else (second, first)
        made = put(writer, f"k{number}", vector)
        assert reader.nearest(SCOPE, vector, k=1)[0].entry.id == made.id
        if number % 3 == 0:
            reader.delete(Selection(entry_ids=(made.id,)))
            assert made.id not in {each.entry.id for each in writer.nearest(SCOPE, vector)}


def test_an_index_that_fell_behind_the_change_log_is_read_anew(open_local, tmp_path) -> None:
    reader, writer = (open_local(tuning=Tuning(direct_exemplars=0)) for _ in range(2))
    gone = put(writer, "gone", EAST)
    assert found(reader, EAST) == ["gone 0"]
    writer.delete(Selection(entry_ids=(gone.id,)))
    with sqlite3.connect(tmp_path / "cache.sqlite3") as connection:
        filler = ((b"another scope", number) for number in range(LOG_LENGTH + 2000))
        connection.executemany("INSERT INTO changes (scope, exemplar, added) VALUES (?, ?, 1)", filler)
        length = connection.execute("SELECT count(*) FROM changes").fetchone()[0]
        assert length < LOG_LENGTH + 1100  # pruned as it grows
        assert last_change(connection) > LOG_LENGTH
    connection.close()
    put(writer, "new", EAST)
    assert found(reader, EAST) == ["new 0"]


def test_the_indexes_of_many_scopes_stay_within_the_memory_budget(open_local) -> None:
    store = open_local(tuning=Tuning(direct_exemplars=0, memory_bytes=10_000))
    vectors = random_embeddings(50)
    for number in range(20):
        made = entry(scope=Scope("shop", f"{number:064x}"))
        store.put(made, [exemplar(made, vector) for vector in vectors])
    for number in [*range(20), *range(20)]:
        assert len(store.nearest(Scope("shop", f"{number:064x}"), EAST)) == 16
        assert store.index_bytes <= 10_000


def test_vectors_of_another_model_are_never_compared_until_embedded_anew(open_local) -> None:
    old = open_local()
    made = put(old, "k1", EAST, hits=4)
    new = open_local(space="model-2", dims=3)
    asked = embedding(1, dims=3)
    assert new.get_exact(SCOPE, "k1") == made
    assert new.nearest(SCOPE, asked) == []
    assert not new.look_up([], [SCOPE]).searchable
    ((entry_, (stale,)),) = new.scan()
    assert (stale.text, stale.embedding.vector.tolist()) == ("k1 0", [0.0, 0.0, 0.0])
    stored = new.put(entry_, [exemplar(entry_, asked, text=stale.text)])
    assert stored == made
    assert found(new, asked) == ["k1 0"]
    assert old.nearest(SCOPE, EAST) == []


def test_scopes_are_told_apart_by_namespace_in_snapshots_too(large, open_local) -> None:
    store, _ = large
    twin = Scope("another shop", SCOPE.digest)
    fill(store, random_embeddings(400, seed=4), name="twin", scope=twin)
    assert all(text.startswith("twin") for text in found(store, EAST, scope=twin))
    assert waited_for(lambda: store.has_graph(twin))
    store.close()
    again = open_local(tuning=GRAPH)
    assert all(text.startswith("twin") for text in found(again, EAST, scope=twin))
    assert all(text.startswith("k") for text in found(again, EAST))
    assert again.nearest(OTHER_SCOPE, EAST) == []
