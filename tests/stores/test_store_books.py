"""What every store keeps beside entries: observations of the stream, and small documents."""

from __future__ import annotations

from threading import Thread

import pytest
from store_samples import SCOPE, observation, put

from semcache.stores.store import Observation, Selection, Store


def times(rows: list[Observation]) -> list[float]:
    return [row.at for row in rows]


def test_observations_come_back_whole_and_newest_first(store: Store) -> None:
    body = {"features": [0.5, -1e-9], "same": None, "deep": {"ü": "\ud83d", "n": 2**60}}
    rows = [observation(at=at, body={**body, "at": at}) for at in (20.0, 30.0, 10.0)]
    store.observe(rows[:2])
    store.observe(rows[2:])
    assert store.observations("label", limit=9) == [rows[1], rows[0], rows[2]]
    assert store.observations("other", limit=9) == []


def test_of_observations_of_one_time_the_last_appended_comes_first(store: Store) -> None:
    rows = [observation(entry_id=f"ent_{number}") for number in range(4)]
    store.observe(rows)
    assert store.observations("label", limit=3) == rows[:0:-1]


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        pytest.param({}, [40.0, 30.0, 20.0, 10.0], id="all"),
        pytest.param({"since": 20.0}, [40.0, 30.0, 20.0], id="since includes its moment"),
        pytest.param({"namespace": "shop"}, [30.0, 20.0, 10.0], id="namespace"),
        pytest.param({"namespace": "", "since": 0.0}, [], id="the empty namespace is one"),
        pytest.param({"namespace": "shop", "since": 20.0, "limit": 1}, [30.0], id="limit"),
        pytest.param({"limit": 0}, [], id="none"),
    ],
)
def test_observations_are_chosen_by_namespace_and_time(store: Store, conditions, expected) -> None:
    store.observe([observation(at=at) for at in (10.0, 20.0, 30.0)])
    store.observe([observation(at=40.0, namespace="hotel"), observation("audit", at=50.0)])
    assert times(store.observations("label", **{"limit": 9, **conditions})) == expected


def test_an_observation_does_not_change_with_what_it_was_made_of(store: Store) -> None:
    row = observation(body={"list": [1]})
    store.observe([row])
    row.body["list"].append(2)
    store.observations("label", limit=1)[0].body["list"].append(3)
    assert store.observations("label", limit=1)[0].body == {"list": [1]}


def test_pruning_keeps_the_newest_of_one_kind_and_namespace(store: Store) -> None:
    repeated = observation(at=20.0)
    store.observe([repeated, observation(at=30.0), observation(at=10.0), repeated])
    store.observe([observation(at=5.0, namespace="hotel"), observation("audit", at=5.0)])
    assert store.count_observations("label", namespace="shop") == 4
    assert store.count_observations("label", namespace="nowhere") == 0
    assert store.prune_observations("label", namespace="shop", keep=2) == 2
    assert store.count_observations("label", namespace="shop") == 2
    assert times(store.observations("label", namespace="shop", limit=9)) == [30.0, 20.0]
    assert store.prune_observations("label", namespace="shop", keep=2) == 0
    assert times(store.observations("label", limit=9)) == [30.0, 20.0, 5.0]
    assert store.prune_observations("label", namespace="shop", keep=0) == 2
    assert times(store.observations("audit", limit=9)) == [5.0]


def test_observations_survive_their_entry(store: Store) -> None:
    made = put(store, "k1")
    store.observe([observation(entry_id=made.id)])
    store.delete(Selection(namespace=SCOPE.namespace))
    assert [each.entry_id for each in store.observations("label", limit=9)] == [made.id]


def test_an_observation_that_is_no_json_leaves_nothing_behind(store: Store) -> None:
    with pytest.raises(TypeError):
        store.observe([observation(), observation(body={"set": {1}})])
    assert store.observations("label", limit=9) == []


def test_threads_observe_side_by_side(store: Store) -> None:
    def work(name: str) -> None:
        for number in range(50):
            store.observe([observation(at=float(number), entry_id=name)] * 2)
            store.prune_observations("label", namespace="nowhere", keep=0)

    threads = [Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.observations("label", limit=999)) == 300


def test_a_document_is_kept_until_it_is_saved_again(store: Store) -> None:
    assert store.load_document("scorer/shop") is None
    for content in (b"\x00\xff" * 500, b""):
        store.save_document("scorer/shop", content)
        assert store.load_document("scorer/shop") == content


def test_documents_are_listed_by_how_their_names_start(store: Store) -> None:
    for name in ("b/2", "b", "a", "b/10", "b%", "B/1", "b/ü", "c"):
        store.save_document(name, b"x")
    assert store.documents("b/") == ["b/10", "b/2", "b/ü"]
    assert store.documents("%") == store.documents("zzz") == []
    assert len(store.documents("")) == 8


def test_what_was_learned_survives_reopening(open_local) -> None:
    first = open_local()
    first.observe([observation()])
    first.save_document("scorer", b"weights")
    first.close()
    again = open_local()
    assert again.observations("label", limit=9) == [observation()]
    assert (again.load_document("scorer"), again.documents("")) == (b"weights", ["scorer"])
