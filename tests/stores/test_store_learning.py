"""What every store does for the decision that learns: aliases, merging, taking back."""

from __future__ import annotations

from dataclasses import replace
from threading import Event, Thread

import numpy as np
import pytest
from fakes import Clock
from store_samples import OTHER_SCOPE, SCOPE, embedding, entry, exemplar, found, put, random_embeddings, serving

from semcache.entry import Embedding, Entry, Exemplar, Label
from semcache.stores.limits import Limits
from semcache.stores.store import Selection, Store

EAST, NORTH, UP = embedding(1), embedding(0, 1), embedding(0, 0, 1)


def asked(store: Store, key: str, vector: Embedding, **fields) -> Entry:
    """Store an entry whose one exemplar is its question."""
    made = entry(key, **fields)
    return store.put(made, [exemplar(made, vector, text=made.question)])


def labels(store: Store, entry_id: str) -> list[tuple[str, Label, str]]:
    return [(each.text, each.label, each.key) for each in store.exemplars(entry_id)]


def add_alias(store: Store, to: Entry, key: str, **fields) -> Exemplar:
    added = store.add_exemplar(exemplar(to, NORTH, key=key, **fields))
    assert added is not None
    return added


# aliases


def test_an_alias_is_found_by_its_exact_key(store: Store) -> None:
    made = asked(store, "k1", EAST)
    add_alias(store, made, "k2")
    assert store.get_exact(SCOPE, "k2") == made
    assert store.exemplars(made.id)[1].key == store.nearest(SCOPE, NORTH)[0].exemplar.key == "k2"
    assert store.get_exact(OTHER_SCOPE, "k2") is None


def test_a_text_that_is_answered_otherwise_is_no_alias(store: Store) -> None:
    made = asked(store, "k1", EAST)
    add_alias(store, made, "k2", label=Label.NEGATIVE)
    assert store.get_exact(SCOPE, "k2") is None


def test_an_empty_key_is_nobodys_alias(store: Store) -> None:
    asked(store, "k1", EAST)
    assert store.get_exact(SCOPE, "") is None


def test_an_entry_of_its_own_goes_before_an_alias(store: Store, clock: Clock) -> None:
    made = asked(store, "k1", EAST)
    add_alias(store, made, "k2")
    own = asked(store, "k2", UP, expires_at=clock.now + 5)
    assert store.get_exact(SCOPE, "k2") == own
    clock.advance(5)
    assert store.get_exact(SCOPE, "k2") == made


def test_the_newest_alias_of_a_live_entry_counts(store: Store, clock: Clock) -> None:
    older, newer = asked(store, "k1", EAST), asked(store, "k2", UP, expires_at=clock.now + 5)
    add_alias(store, older, "k3")
    add_alias(store, newer, "k3")
    assert store.get_exact(SCOPE, "k3") == newer
    clock.advance(5)
    assert store.get_exact(SCOPE, "k3") == older


@pytest.mark.parametrize("how", ["deleted", "expired", "evicted", "answered anew", "taken back"])
def test_an_alias_goes_with_what_it_stands_for(open_store, clock: Clock, how: str) -> None:
    store = open_store(limits=Limits(max_entries=2))
    made = asked(store, "k1", EAST, expires_at=clock.now + 5)
    alias = add_alias(store, made, "k2")
    assert store.get_exact(SCOPE, "k2") == made
    match how:
        case "deleted":
            store.delete(Selection(entry_ids=(made.id,)))
        case "expired":
            clock.advance(5)
        case "evicted":
            for key in ("k8", "k9"):
                asked(store, key, EAST, cost_usd=1.0)
        case "answered anew":
            asked(store, "k1", EAST, answer="Never.")
        case _:
            store.remove_exemplars([alias.id])
    assert store.get_exact(SCOPE, "k2") is None


def test_aliases_survive_being_embedded_anew(store: Store) -> None:
    made = asked(store, "k1", EAST)
    add_alias(store, made, "k2")
    store.record_serving(serving("m1", made.id))
    ((scanned, exemplars),) = store.scan()
    store.put(scanned, [replace(each, embedding=UP) for each in exemplars])
    assert store.get_exact(SCOPE, "k2") == made
    assert store.serving("m1") is not None


# merging


def test_a_merged_entry_is_found_by_what_was_asked_of_either(store: Store) -> None:
    into, duplicate = asked(store, "k1", EAST, answer="First."), asked(store, "k2", NORTH, answer="Second.")
    merged = store.merge(duplicate.id, into.id)
    assert merged == into
    assert store.get_exact(SCOPE, "k1") == store.get_exact(SCOPE, "k2") == into
    assert store.get(duplicate.id) is None
    nearest = store.nearest(SCOPE, NORTH)[0]
    assert (nearest.entry, nearest.exemplar.entry_id, nearest.similarity) == (into, into.id, pytest.approx(1.0))
    assert store.stats().entries == 1


def test_only_what_the_duplicate_answers_goes_over_with_its_vectors(store: Store) -> None:
    into, duplicate = asked(store, "k1", EAST), asked(store, "k2", NORTH)
    windows = np.stack([EAST.vector, NORTH.vector])
    add_alias(store, duplicate, "k3", text="alias")
    store.add_exemplar(exemplar(duplicate, Embedding(UP.vector, windows), text="long", created_at=7.5))
    store.add_exemplar(exemplar(duplicate, UP, text="otherwise", label=Label.NEGATIVE))
    store.merge(duplicate.id, into.id)
    assert labels(store, into.id) == [
        (into.question, Label.POSITIVE, ""),
        (duplicate.question, Label.POSITIVE, "k2"),
        ("alias", Label.POSITIVE, "k3"),
        ("long", Label.POSITIVE, ""),
    ]
    moved = store.exemplars(into.id)[3]
    assert (moved.entry_id, moved.created_at) == (into.id, 7.5)
    assert np.array_equal(moved.embedding.windows, windows)
    assert "otherwise" not in found(store, UP)


def test_a_question_that_has_a_key_keeps_it(store: Store) -> None:
    into, made = asked(store, "k1", EAST), entry("k2")
    duplicate = store.put(made, [exemplar(made, NORTH, text=made.question, key="its own")])
    store.merge(duplicate.id, into.id)
    assert labels(store, into.id)[1] == (duplicate.question, Label.POSITIVE, "its own")


def test_a_duplicate_without_exemplars_leaves_only_its_hits(store: Store) -> None:
    into, duplicate = asked(store, "k1", EAST), store.put(entry("k2", hits=2))
    assert store.merge(duplicate.id, into.id) == replace(into, hits=2)
    assert len(store.exemplars(into.id)) == 1
    assert store.get_exact(SCOPE, "k2") is None


def test_hits_are_added_up_buffered_ones_too(store: Store, clock: Clock) -> None:
    into, duplicate = asked(store, "k1", EAST, hits=3, last_hit_at=clock.now - 9), asked(store, "k2", NORTH)
    clock.advance(5)
    store.record_hit(duplicate.id)
    clock.advance(5)
    merged = store.merge(duplicate.id, into.id)
    assert merged == store.get(into.id) == replace(into, hits=4, last_hit_at=clock.now - 5)
    assert store.stats().hits == 4


def test_servings_go_over_with_their_entry(store: Store) -> None:
    into, duplicate = asked(store, "k1", EAST), asked(store, "k2", NORTH)
    store.record_serving(serving("m1", duplicate.id))
    store.flush()
    store.record_hit(duplicate.id, serving("m2", duplicate.id))
    store.merge(duplicate.id, into.id)
    assert store.serving("m1") == serving("m1", into.id)
    assert store.serving("m2") == serving("m2", into.id)
    store.delete(Selection(entry_ids=(into.id,)))
    assert store.serving("m1") is None


@pytest.mark.parametrize("which", ["unknown duplicate", "unknown target", "the same", "other scope", "expired"])
def test_what_cannot_be_merged_is_left_as_it_is(store: Store, clock: Clock, which: str) -> None:
    into, duplicate = asked(store, "k1", EAST), asked(store, "k2", NORTH)
    elsewhere, old = asked(store, "k3", EAST, scope=OTHER_SCOPE), asked(store, "k4", UP, expires_at=clock.now)
    pairs = {
        "unknown duplicate": ("ent_x", into.id),
        "unknown target": (duplicate.id, "ent_x"),
        "the same": (into.id, into.id),
        "other scope": (elsewhere.id, into.id),
        "expired": (old.id, into.id),
    }
    before = [(each, labels(store, each.id)) for each, _ in store.scan()]
    assert store.merge(*pairs[which]) is None
    assert store.merge(*reversed(pairs[which])) is None
    assert [(each, labels(store, each.id)) for each, _ in store.scan()] == before


def test_merging_makes_room(open_store) -> None:
    store = open_store(limits=Limits(max_entries=2))
    into, duplicate = asked(store, "k1", EAST), asked(store, "k2", NORTH)
    before = store.stats().bytes
    store.merge(duplicate.id, into.id)
    assert store.stats().bytes < before
    asked(store, "k3", UP)
    assert store.stats().entries == 2
    assert store.get_exact(SCOPE, "k2") == into


def test_a_merged_entry_is_worth_as_much_as_both(open_store, clock: Clock) -> None:
    store = open_store(limits=Limits(max_entries=3))
    often, other = asked(store, "k1", EAST), asked(store, "k2", NORTH)
    for _ in range(9):
        store.record_hit(often.id)
    into = asked(store, "k3", UP)
    store.merge(often.id, into.id)
    asked(store, "k4", UP)
    asked(store, "k5", UP)
    assert store.get(other.id) is None
    assert store.get(into.id) is not None


def test_an_entry_that_many_threads_merge_into_loses_nothing(store: Store) -> None:
    into = asked(store, "into", EAST)
    vectors = random_embeddings(40)
    duplicates = [asked(store, f"k{number}", vector, hits=1) for number, vector in enumerate(vectors)]
    results: list[Entry | None] = []

    def work(chosen: list[Entry]) -> None:
        results.extend(store.merge(each.id, into.id) for each in chosen)

    threads = [Thread(target=work, args=(duplicates[start:],)) for start in (0, 0, 20)]  # most are merged twice
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each is not None for each in results) == 40
    assert store.get(into.id).hits == 40
    assert len(store.exemplars(into.id)) == 41
    assert {store.get_exact(SCOPE, f"k{number}").id for number in range(40)} == {into.id}
    assert all(store.nearest(SCOPE, vector, k=1)[0].entry.id == into.id for vector in vectors)


def test_what_is_just_being_written_goes_over_too(store: Store) -> None:
    into, done = asked(store, "into", EAST), Event()

    def keep_writing() -> None:
        while not done.is_set():
            store.flush()

    writer = Thread(target=keep_writing)
    writer.start()
    for number in range(60):
        duplicate = asked(store, f"k{number}", NORTH)
        store.record_hit(duplicate.id, serving(f"m{number}", duplicate.id))
        store.merge(duplicate.id, into.id)
    done.set()
    writer.join()
    assert store.get(into.id).hits == 60
    assert all(store.serving(f"m{number}") == serving(f"m{number}", into.id) for number in range(60))


# taking back


def test_exemplars_are_removed_by_id(store: Store) -> None:
    made = asked(store, "k1", EAST)
    wrong = [add_alias(store, made, key, text=key) for key in ("a", "b")]
    assert found(store, NORTH) == ["a", "b", made.question]
    assert store.remove_exemplars([each.id for each in wrong] + [wrong[0].id, 999_999]) == 2
    assert found(store, NORTH) == [made.question]
    assert store.remove_exemplars([wrong[0].id]) == store.remove_exemplars([]) == 0
    assert store.get(made.id) == made


# quotas


def test_what_a_credential_wrote_is_counted_while_it_lives(store: Store, clock: Clock) -> None:
    put(store, "k1", credential="a", created_at=clock.now - 10)
    put(store, "k2", credential="a", created_at=clock.now - 5)
    put(store, "k3", credential="a", created_at=clock.now, expires_at=clock.now + 1)
    put(store, "k4", credential="b", created_at=clock.now, scope=OTHER_SCOPE)
    assert [store.written_since("a", clock.now - age) for age in (10, 9.99, 5, 0, -1)] == [3, 2, 2, 1, 0]
    clock.advance(1)
    assert store.written_since("a", 0.0) == 2
    assert store.written_since("nobody", 0.0) == 0
