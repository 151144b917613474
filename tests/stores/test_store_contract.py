"""What every store does on the path of a request: find, put, label, count."""

from __future__ import annotations

from dataclasses import replace
from threading import Thread

import numpy as np
import pytest
from fakes import Clock
from store_samples import OTHER_SCOPE, SCOPE, embedding, entry, exemplar, found, put, random_embeddings

from semcache.entry import Embedding, Entry, Kind, Label, Origin, Scope
from semcache.errors import IndexMismatch, StoreError
from semcache.stores.limits import Limits
from semcache.stores.looked_up import LookedUp
from semcache.stores.store import Store

EAST, NORTH = embedding(1), embedding(0, 1)


def test_an_entry_comes_back_whole_under_its_exact_key(store: Store) -> None:
    made = entry("k1", tags=("returns", "ünïcode"), credential="hmac", expires_at=2_000_000_000.0, kind=Kind.FAQ)
    stored = store.put(made)
    assert stored == made
    assert store.get_exact(SCOPE, "k1") == made
    assert store.get(made.id) == made
    assert store.get_exact(SCOPE, "k2") is None
    assert store.get("ent_unknown") is None


def test_an_exact_key_is_found_in_its_own_scope_only(store: Store) -> None:
    put(store, "k1")
    assert store.get_exact(OTHER_SCOPE, "k1") is None
    assert store.get_exact(Scope("elsewhere", SCOPE.digest), "k1") is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("a\x00b", id="null character"),
        pytest.param("half a pair: \ud83d", id="lone surrogate"),
        pytest.param("\N{ROCKET} \u202e", id="beyond the basic plane"),
        pytest.param("x" * 500_000, id="long"),
    ],
)
def test_any_text_survives(store: Store, text: str) -> None:
    made = entry("k1", question=text, answer=text)
    store.put(made, [exemplar(made, EAST, text=text)])
    assert store.get_exact(SCOPE, "k1") == made
    assert found(store, EAST) == [text]


def test_a_message_keeps_fields_we_do_not_know_and_whole_numbers(store: Store) -> None:
    made = entry()
    message = replace(made.message, body={**made.message.body, "new": [1.5, None, True, 2**70, {"deep": []}]})
    store.put(replace(made, message=message))
    assert store.get(made.id).message.body == message.body


def test_nearest_ranks_by_cosine_and_counts_opposites_as_minus_one(store: Store) -> None:
    put(store, "east", EAST)
    put(store, "west", embedding(-1))
    put(store, "north-east", embedding(1, 1))
    near = store.nearest(SCOPE, EAST)
    assert [candidate.exemplar.text for candidate in near] == ["east 0", "north-east 0", "west 0"]
    assert [candidate.similarity for candidate in near] == pytest.approx([1.0, 0.5**0.5, -1.0], abs=1e-6)


def test_candidates_carry_their_entry_and_the_whole_exemplar(store: Store) -> None:
    made = entry()
    windows = np.stack([EAST.vector, NORTH.vector])
    long_text = Embedding(embedding(1, 1).vector, windows)
    sent = exemplar(made, long_text, text="both", label=Label.NEGATIVE, origin=Origin.AUDIT, created_at=7.5)
    store.put(made, [sent])
    (candidate,) = store.nearest(SCOPE, EAST)
    got = candidate.exemplar
    assert candidate.entry == made
    assert (got.entry_id, got.text, got.label, got.origin, got.created_at) == (
        made.id,
        "both",
        Label.NEGATIVE,
        Origin.AUDIT,
        7.5,
    )
    assert np.array_equal(got.embedding.vector, long_text.vector)
    assert np.array_equal(got.embedding.windows, windows)
    assert got.id > 0


def test_vectors_of_any_length_are_compared_by_angle(store: Store) -> None:
    put(store, "long", Embedding(EAST.vector * 25, EAST.windows * 25))
    put(store, "nothing", embedding(0))
    near = store.nearest(SCOPE, Embedding(EAST.vector * 0.01, EAST.windows))
    assert [candidate.similarity for candidate in near] == pytest.approx([1.0, 0.0], abs=1e-6)


def test_ties_come_in_the_order_they_were_stored(store: Store) -> None:
    for number in range(60):
        put(store, f"k{number:02}", EAST)
    assert found(store, EAST, k=16) == [f"k{number:02} 0" for number in range(16)]


@pytest.mark.parametrize(("k", "length"), [(0, 0), (1, 1), (3, 3), (50, 5)])
def test_nearest_returns_k_or_all_there_are(store: Store, k: int, length: int) -> None:
    for number, vector in enumerate(random_embeddings(5)):
        put(store, f"k{number}", vector)
    assert len(store.nearest(SCOPE, EAST, k=k)) == length


def test_near_identical_vectors_never_leave_their_scope(store: Store) -> None:
    scopes = [Scope(f"tenant-{number % 5}", f"{number:064x}") for number in range(50)]
    for scope, vector in zip(scopes, random_embeddings(50), strict=True):
        nearly = EAST.vector + vector.vector * 1e-3
        put(store, scope.digest, Embedding(nearly, nearly[None]), scope=scope)
    for scope in scopes:
        assert [candidate.entry.scope for candidate in store.nearest(scope, EAST)] == [scope]


def test_expired_exemplars_do_not_hide_live_ones(store: Store, clock: Clock) -> None:
    for number in range(100):
        put(store, f"old{number}", EAST, expires_at=clock.now + 1)
    for number in range(20):
        put(store, f"new{number:02}", embedding(1, 1))
    clock.advance(1)
    assert found(store, EAST, k=16) == [f"new{number:02} 0" for number in range(16)]


def test_an_expired_entry_is_gone_from_every_method(store: Store, clock: Clock) -> None:
    made = put(store, "k1", EAST, expires_at=clock.now + 10)
    clock.advance(9.99)
    assert store.get_exact(SCOPE, "k1") == made
    clock.advance(0.01)
    assert store.get_exact(SCOPE, "k1") is None
    assert store.get(made.id) is None
    assert store.nearest(SCOPE, EAST) == []
    assert not store.look_up([], [SCOPE]).searchable
    assert store.exemplars(made.id) == []
    assert store.add_exemplar(exemplar(made, NORTH)) is None
    assert list(store.scan()) == []
    assert store.stats().entries == store.stats().exemplars == 0


def test_a_hit_does_not_prolong_an_entry(store: Store, clock: Clock) -> None:
    made = put(store, "k1", expires_at=clock.now + 10)
    store.record_hit(made.id)
    store.flush()
    clock.advance(10)
    assert store.get(made.id) is None


def test_putting_again_keeps_id_and_hits_and_replaces_the_rest(store: Store) -> None:
    first = put(store, "k1", EAST, tags=("old",))
    store.record_hit(first.id)
    store.flush()
    second = put(store, "k1", NORTH, answer="Within 14 days.", tags=("new",))
    assert (second.id, second.hits) == (first.id, 1)
    assert store.get(first.id) == second == store.get_exact(SCOPE, "k1")
    assert second.message.text == "Within 14 days."
    assert found(store, EAST) == ["k1 0"]  # the old answer's exemplar went with it
    assert store.nearest(SCOPE, NORTH)[0].exemplar.entry_id == first.id
    assert store.stats().entries == 1


def test_an_id_that_belongs_to_another_entry_is_refused(store: Store) -> None:
    made = put(store, "k1", EAST)
    with pytest.raises(StoreError, match=made.id):
        store.put(entry("k2", id=made.id))
    assert store.get(made.id) == made


def test_an_exemplar_can_be_added_to_a_live_entry_only(store: Store) -> None:
    made = put(store, "k1", EAST)
    added = store.add_exemplar(exemplar(made, NORTH, text="alias", label=Label.NEGATIVE, origin=Origin.FEEDBACK))
    assert added is not None
    assert [each.id for each in store.exemplars(made.id)][1:] == [added.id]
    assert store.nearest(SCOPE, NORTH)[0].exemplar.label is Label.NEGATIVE
    assert store.add_exemplar(exemplar(entry(), NORTH)) is None


def test_exemplar_ids_are_never_used_again(store: Store) -> None:
    first = put(store, "k1", EAST)
    (old,) = store.exemplars(first.id)
    put(store, "k1", EAST)
    (new,) = store.exemplars(first.id)
    assert new.id > old.id


def test_only_scopes_in_which_a_search_finds_something_are_searchable(store: Store) -> None:
    put(store, "bare")
    assert not store.look_up([], [SCOPE]).searchable
    put(store, "k1", EAST)
    assert store.look_up([], [OTHER_SCOPE, SCOPE]).searchable == [SCOPE]
    put(store, "k2", EAST, scope=OTHER_SCOPE)
    assert store.look_up([], [OTHER_SCOPE, SCOPE]).searchable == [OTHER_SCOPE, SCOPE]
    assert store.look_up([], [SCOPE, OTHER_SCOPE]).searchable == [SCOPE, OTHER_SCOPE]
    assert store.look_up([], []).searchable == []


def test_several_places_are_looked_up_at_once(store: Store) -> None:
    here, there = put(store, "k1"), put(store, "k1", scope=OTHER_SCOPE)
    alias = put(store, "k2")
    store.add_exemplar(exemplar(alias, EAST, key="also"))
    places = [(OTHER_SCOPE, "k1"), (SCOPE, "nowhere"), (SCOPE, "also"), (SCOPE, "k1"), (SCOPE, "k1")]
    assert store.look_up(places).entries == [there, None, alias, here, here]
    assert store.look_up([]) == LookedUp([], [])


def test_a_look_finds_what_is_there_whether_or_not_its_scope_is_worth_a_search(store: Store, clock: Clock) -> None:
    nowhere = Scope("shop", "e" * 64)
    bare = put(store, "k1", scope=OTHER_SCOPE)
    asked = put(store, "k1", EAST, expires_at=clock.now + 10)
    places = [(nowhere, "k1"), (OTHER_SCOPE, "k1"), (SCOPE, "k1")]
    scopes = [nowhere, OTHER_SCOPE, SCOPE]
    assert store.look_up(places, scopes) == LookedUp([None, bare, asked], [SCOPE])
    assert store.look_up(places, [OTHER_SCOPE]) == LookedUp([None, bare, asked], [])
    clock.advance(10)
    assert store.look_up(places, scopes) == LookedUp([None, bare, None], [])


def test_of_a_key_the_live_entry_counts_and_else_its_newest_live_alias(store: Store, clock: Clock) -> None:
    first, second = put(store, "k1"), put(store, "k2", expires_at=clock.now + 10)
    own = put(store, "k3", expires_at=clock.now + 5)
    store.add_exemplar(exemplar(first, EAST, key="k3"))
    store.add_exemplar(exemplar(second, EAST, key="k3"))
    store.add_exemplar(exemplar(first, NORTH, key="k3", label=Label.NEGATIVE))
    store.add_exemplar(exemplar(first, NORTH))
    assert store.look_up([(SCOPE, "k3"), (SCOPE, "")]).entries == [own, None]
    clock.advance(5)
    assert store.look_up([(SCOPE, "k3")]).entries == [second]
    clock.advance(5)
    assert store.look_up([(SCOPE, "k3")]).entries == [first]


def test_hits_are_counted_with_the_time_of_the_last(store: Store, clock: Clock) -> None:
    made = put(store, "k1")
    for _ in range(3):
        clock.advance(5)
        store.record_hit(made.id)
    store.record_hit("ent_unknown")
    store.flush()
    assert store.get(made.id) == replace(made, hits=3, last_hit_at=clock.now)
    assert store.stats().hits == 3


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(Embedding(np.zeros(3, np.float32), np.zeros((1, 3), np.float32)), id="other dims"),
        pytest.param(Embedding(EAST.vector, EAST.vector), id="windows not in rows"),
        pytest.param(Embedding(EAST.vector * np.float32("nan"), EAST.windows), id="not a number"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_nothing_is_stored(store: Store, wrong: Embedding) -> None:
    made = entry()
    with pytest.raises(IndexMismatch):
        store.put(made, [exemplar(made, EAST), exemplar(made, wrong)])
    with pytest.raises(IndexMismatch):
        store.nearest(SCOPE, wrong)
    assert store.stats().entries == 0


def test_an_entry_larger_than_the_whole_store_is_refused(open_store) -> None:
    store = open_store(limits=Limits(max_bytes=1000))
    kept = put(store, "k1")
    with pytest.raises(StoreError, match="larger than the whole store"):
        put(store, "k2", answer="x" * 1000)
    assert store.get(kept.id) == kept


def test_threads_that_put_and_search_see_what_they_put(store: Store) -> None:
    missed: list[str] = []

    def work(name: str, vectors: list[Embedding]) -> None:
        for number, vector in enumerate(vectors):
            made: Entry = put(store, f"{name}{number}", vector)
            if store.nearest(SCOPE, vector, k=1)[0].entry.id != made.id:
                missed.append(made.key)

    threads = [Thread(target=work, args=(name, random_embeddings(80, seed=seed))) for seed, name in enumerate("ab")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missed == []
    assert store.stats().exemplars == 160
