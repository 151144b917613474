"""The book of beliefs: one for each namespace, written back, and never in the way of a decision."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from schools import SHOP, book_over

from semcache.decision.audit_schedule import AuditPlan
from semcache.decision.beliefs import Beliefs, LabelledCase
from semcache.decision.evidence import FEATURES
from semcache.errors import StoreError
from semcache.learning.keeping import LABEL, BeliefBook
from semcache.learning.shelf import MOST_OPEN
from semcache.stores.memory import MemoryStore
from semcache.stores.store import Observation

CASE = LabelledCase((0.5,) * len(FEATURES), True)
WRONG = AuditPlan(1.0, True, True, False)


class Failing(MemoryStore):
    """A store whose documents cannot be reached while it is down."""

    is_down = True

    def load_document(self, name: str) -> bytes | None:
        if self.is_down:
            raise StoreError("down")
        return super().load_document(name)

    def save_document(self, name: str, content: bytes) -> None:
        if self.is_down:
            raise StoreError("down")
        super().save_document(name, content)


def lived(beliefs: Beliefs, *, hits: int = 20) -> dict[str, Any]:
    """Beliefs after something has happened, as they would be kept."""
    randomness = random.Random(1)
    for number in range(hits):
        plan = beliefs.book_hit(0.99, randomness)
        beliefs.settle_audit(plan, 0.99, number == 0, float(number))
    return beliefs.as_json()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def book(store: MemoryStore) -> BeliefBook:
    return book_over(store)


def test_a_namespace_has_the_same_beliefs_each_time(book: BeliefBook) -> None:
    assert book.of(SHOP) is book.of(SHOP)
    assert book.of("other") is not book.of(SHOP)


def test_what_was_kept_is_there_in_another_process(book: BeliefBook, store: MemoryStore) -> None:
    before = lived(book.of(SHOP))
    book.save()
    other = book_over(store)
    assert other.of(SHOP).as_json() == before
    assert other.namespaces() == [SHOP]


def test_labels_come_back_as_they_were(book: BeliefBook, store: MemoryStore) -> None:
    for count in (1.0, 7.0):
        book.of(SHOP).learn(CASE)
        book.log(SHOP, "ent_1", LabelledCase(CASE.values, count > 1, count), at=count)
    lived(book.of(SHOP))
    book.save()
    assert book_over(store).of(SHOP).labels == 2
    newest, oldest = store.observations(LABEL, namespace=SHOP, limit=10)
    assert (newest.body["count"], newest.body["same"], oldest.body["same"]) == (7.0, True, False)


def test_labels_of_other_evidence_are_left_behind(book: BeliefBook, store: MemoryStore) -> None:
    lived(book.of(SHOP))
    book.save()
    book.log(SHOP, "ent_1", CASE, at=1.0)
    (label,) = store.observations(LABEL, namespace=SHOP, limit=10)
    store.observe([replace(label, body={**label.body, "features": "of another version"})])
    assert book_over(store).of(SHOP).labels == 1


def test_what_is_only_looked_at_stays_closed(book: BeliefBook) -> None:
    book.looked_at("never asked")
    assert book.namespaces() == []
    assert book.looked_at(SHOP) is not book.of(SHOP) is book.looked_at(SHOP)


def test_of_too_many_namespaces_one_is_written_and_closed(book: BeliefBook, store: MemoryStore) -> None:
    before = lived(book.of("first"))
    for number in range(MOST_OPEN):
        book.of(f"namespace {number}")
    assert store.documents("beliefs/") == ["beliefs/first"]
    assert book.of("first").as_json() == before


def test_the_namespace_asked_longest_ago_is_closed(book: BeliefBook) -> None:
    first, second = book.of("first"), book.of("second")
    for number in range(MOST_OPEN - 2):
        book.of(f"namespace {number}")
    assert book.of("first") is first
    book.of("one more")
    assert book.of("first") is first
    assert book.of("second") is not second


def test_what_did_not_change_is_not_written_over_what_another_process_learned(store: MemoryStore) -> None:
    mine, theirs = book_over(store), book_over(store)
    mine.of(SHOP)
    learned = lived(theirs.of(SHOP))
    theirs.save()
    mine.save()
    assert book_over(store).of(SHOP).as_json() == learned


def test_a_store_that_fails_costs_memory_only() -> None:
    store = Failing()
    book = book_over(store)
    before = lived(book.of(SHOP))
    book.save()
    assert book.of(SHOP).as_json() == before
    store.is_down = False
    book.save()
    assert book_over(store).of(SHOP).as_json() == before


def _without(key: str) -> Callable[[dict[str, Any]], bytes]:
    return lambda kept: json.dumps({name: value for name, value in kept.items() if name != key}).encode()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda kept: b"", id="empty"),
        pytest.param(lambda kept: b"\xff\xfe", id="no text"),
        pytest.param(lambda kept: json.dumps(kept).encode()[:-9], id="cut short"),
        pytest.param(lambda kept: b"[]", id="a list"),
        pytest.param(lambda kept: b"null", id="null"),
        pytest.param(lambda kept: json.dumps({**kept, "record": "none"}).encode(), id="no record"),
        pytest.param(lambda kept: json.dumps({**kept, "shadow": []}).encode(), id="no shadow"),
        *(
            pytest.param(_without(key), id=f"without {key}")
            for key in ("record", "budget", "alarm", "weights", "prior")
        ),
    ],
)
def test_what_cannot_be_read_is_learned_anew(store: MemoryStore, spoil: Callable[[dict[str, Any]], bytes]) -> None:
    book = book_over(store)
    kept = lived(book.of(SHOP))
    store.save_document(f"beliefs/{SHOP}", spoil(kept))
    beliefs = book_over(store).of(SHOP)
    assert beliefs.now().scorer.all_weights == book.fresh().now().scorer.all_weights
    lived(beliefs)


def test_labels_of_another_shape_are_left_behind(book: BeliefBook, store: MemoryStore) -> None:
    lived(book.of(SHOP))
    book.save()
    store.observe([Observation(SHOP, LABEL, 1.0, "ent_1", {"values": [0.5], "same": True, "count": 1.0})])
    book.log(SHOP, "ent_1", CASE, at=2.0)
    assert book_over(store).of(SHOP).labels == 1


def test_pruning_goes_through_every_namespace(book: BeliefBook, store: MemoryStore) -> None:
    for namespace in (SHOP, "other"):
        book.of(namespace)
        book.log(namespace, "ent_1", CASE, at=1.0)
    book.prune()
    assert len(store.observations(LABEL, limit=10)) == 2
