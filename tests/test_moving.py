"""Moving house: everything arrives, nothing arrives twice, and an interrupted move goes on."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import Clock, message
from store_samples import SCOPE, embedding, entry, exemplar, ledger_row, observation, put, serving

from semcache.embedders.hashed import HashedEmbedder
from semcache.entry import Entry, Label
from semcache.errors import StoreError
from semcache.learning.reports import withdrawn_key
from semcache.moving import Moved, move
from semcache.stores.ledger_book import LedgerQuery
from semcache.stores.local.store import LocalStore
from semcache.stores.memory import MemoryStore
from semcache.stores.postgres.address import read_address
from semcache.stores.postgres.store import PostgresStore
from semcache.stores.redis.store import RedisStore
from semcache.stores.store import Selection, Store

EMBEDDER = HashedEmbedder()
DIMS = EMBEDDER.dims
Opening = Callable[..., Store]


PAIRS = [
    pytest.param(pair, id=" to ".join(pair))
    for pair in (
        ("local", "local"), ("local", "postgres"), ("postgres", "local"), ("local", "redis"), ("redis", "local"),
        ("postgres", "redis"), ("redis", "postgres"),
    )
]  # fmt: skip


@pytest.fixture(params=PAIRS)
def open_at(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[Opening]:
    """Opens `source` and `target`, of the two kinds; again and again, if need be."""
    opened: list[Store] = []
    kinds = dict(zip(("source", "target"), request.param, strict=True))
    urls = {kind: request.getfixturevalue(f"{kind}_url") for kind in set(request.param) - {"local"}}

    def open_one(name: str, *, space: str = "space", dims: int = DIMS) -> Store:
        store: Store
        kind = kinds[name]
        if kind == "postgres":
            store = PostgresStore(read_address(urls[kind]), space=space, dims=dims, clock=clock)
        elif kind == "redis":
            store = RedisStore(urls[kind], space=space, dims=dims, clock=clock)
        else:
            store = LocalStore(tmp_path / name, space=space, dims=dims, clock=clock)
        opened.append(store)
        return store

    yield open_one
    for store in opened:
        store.close()


def filled(store: Store) -> Store:
    """A bit of everything."""
    vector = EMBEDDER.embed("When may I return it?")
    kept = store.put(entry("k1", tags=("returns",), hits=3), [exemplar(entry("k1"), vector)])
    other = embedding(1.0, 0.5, dims=DIMS)
    store.add_exemplar(exemplar(kept, other, text="May I keep it?", label=Label.NEGATIVE))
    put(store, "k2", embedding(0.0, 1.0, dims=DIMS), expires_at=1_800_009_999.0)
    store.record_serving(serving("msg_served", kept.id))
    store.observe([observation("label", at=float(at)) for at in range(3)])
    store.save_document("beliefs/shop", b"{}")
    store.book([ledger_row(at=1_800_000_000.0 + 40_000 * number) for number in range(5)])
    store.secret("tenants")
    return store


def moved(source: Store, target: Store, **options: Any) -> Moved:
    return move(source, target, embed_many=EMBEDDER.embed_many, **options)


def contents(store: Store) -> list[Any]:
    entries = [
        (each, [(one.text, one.label, one.embedding.vector.tolist()) for one in made]) for each, made in store.scan()
    ]
    return [
        entries,
        store.ledger_groups(LedgerQuery(by=("day", "outcome"))),
        store.observations("label", limit=10),
        [name for name in store.documents("") if not name.startswith("copied/")],
        store.secrets(),
        [store.servings_of(each.id, limit=10) for each, _ in entries],
    ]


def test_everything_arrives(open_at: Opening) -> None:
    source, target = filled(open_at("source")), open_at("target")
    report = moved(source, target)
    assert (report.entries, report.ledger_rows, report.observations, report.servings) == (2, 5, 3, 1)
    assert contents(target) == contents(source)
    found = target.nearest(SCOPE, EMBEDDER.embed("When may I return it?"))
    assert found[0].similarity == pytest.approx(1.0)


def test_moving_again_changes_nothing(open_at: Opening) -> None:
    source, target = filled(open_at("source")), open_at("target")
    moved(source, target)
    again = moved(source, target)
    assert again == Moved(known=2)
    assert contents(target) == contents(source)


@pytest.mark.parametrize("survives", range(6))
def test_a_move_that_broke_off_goes_on(open_at: Opening, survives: int) -> None:
    source, target = filled(open_at("source")), open_at("target")
    writes = itertools.count()

    class Breaking:
        """Passes everything on, and breaks at one of the writes."""

        def __getattr__(self, name: str) -> Any:
            if name in ("put", "book", "observe", "save_document", "keep_secret") and next(writes) == survives:
                raise StoreError("gone")
            return getattr(target, name)

    with pytest.raises(StoreError, match="gone"):
        moved(source, Breaking())  # type: ignore[arg-type]
    moved(source, target)
    assert contents(target) == contents(source)


def test_a_new_model_s_vectors_are_made_on_the_way(open_at: Opening) -> None:
    before = open_at("source", space="of the old model")
    vector = embedding(1.0, dims=DIMS)
    before.put(entry("k1"), [exemplar(entry("k1"), vector, text="When may I return it?")])
    source, target = open_at("source", space="of the new model"), open_at("target", space="of the new model")
    assert moved(source, target).embedded == 1
    assert target.nearest(SCOPE, EMBEDDER.embed("When may I return it?"))[0].similarity == pytest.approx(1.0)


def test_what_services_did_after_they_changed_over_survives_the_last_copy(open_at: Opening) -> None:
    source, target = filled(open_at("source")), open_at("target")
    moved(source, target)
    late, own = 1_800_000_000.0 + 4 * 40_000, 1_800_000_000.0 + 4 * 40_000 + 60
    source.book([ledger_row(at=late)])  # a replica that had not changed over yet
    target.book([ledger_row("exact", at=own)])
    target.save_document("beliefs/shop", b"learned since")
    edited = target.get_exact(SCOPE, "k1")
    assert edited is not None
    target.put(replace(edited, message=message("edited since")), target.exemplars(edited.id))
    assert moved(source, target).ledger_rows == 1
    assert moved(source, target).ledger_rows == 0
    rows = target.ledger_rows(LedgerQuery(since=late), limit=10)
    assert sorted((row.at, row.outcome) for _, row in rows) == [(late, "miss"), (late, "miss"), (own, "exact")]
    assert target.load_document("beliefs/shop") == b"learned since"
    now = target.get(edited.id)
    assert now is not None
    assert now.message.text == "edited since"


def test_a_store_in_use_is_moved_to_a_model_of_other_dimensions(open_at: Opening) -> None:
    """As on a fleet: the services go on with the old model in the old store until all is in the new one."""
    model = HashedEmbedder(dims=96)
    new: dict[str, Any] = {"space": "of the new model", "dims": model.dims}
    service = filled(open_at("source"))
    for number in range(20):
        put(service, f"early {number}", EMBEDDER.embed(f"early {number}"), tags=("early",) if number % 2 else ())
    source, target = open_at("source", **new), open_at("target", **new)
    has_purged = threading.Event()

    def use() -> list[int]:
        """A service on the old model: stores, purges, and finds all the time what it found."""
        found = []
        for number in range(30):
            put(service, f"late {number}", EMBEDDER.embed(f"late {number}"))
            found.append(len(service.nearest(SCOPE, EMBEDDER.embed("When may I return it?"))))
            if number == 1:
                service.delete(Selection(tag="early"))
                has_purged.set()
        return found

    def wait_for_the_purge(place: int) -> None:
        assert has_purged.wait(60)

    with ThreadPoolExecutor(1) as pool:
        using = pool.submit(use)
        move(source, target, embed_many=model.embed_many, on_progress=wait_for_the_purge)
        assert all(using.result())
    move(source, target, embed_many=model.embed_many)  # what came in while the services changed over
    assert {each.id for each, _ in target.scan()} == {each.id for each, _ in source.scan()}
    for question in ("early 2 0", "late 29 0"):
        assert target.nearest(SCOPE, model.embed(question))[0].similarity == pytest.approx(1.0)
    assert target.foreign_exemplars() == 0


def test_what_is_purged_from_the_source_meanwhile_does_not_live_on(clock: Clock) -> None:
    source, target = MemoryStore(clock=clock), MemoryStore(clock=clock)
    first, second = put(source, "k1"), put(source, "k2")

    def purge(place: int) -> None:
        if place == 2:
            source.delete(Selection(entry_ids=(first.id,)))

    assert moved(source, target, on_progress=purge).withdrawn == 1
    assert [each.id for each, _ in target.scan()] == [second.id]


def test_a_store_with_tenants_of_its_own_is_refused(clock: Clock) -> None:
    source, target = MemoryStore(clock=clock), MemoryStore(clock=clock)
    source.secret("tenants")
    target.secret("tenants")
    put(source, "k1")
    with pytest.raises(StoreError, match="no service has used"):
        moved(source, target)
    assert target.stats().entries == 0


def test_what_comes_in_while_moving_comes_with_the_next_move(clock: Clock) -> None:
    source, target = MemoryStore(clock=clock), MemoryStore(clock=clock)
    put(source, "k1")
    late: list[Entry] = []
    moved(source, target, on_progress=lambda place: late.append(put(source, "k2")) if not late else None)
    assert moved(source, target).entries == 1
    assert target.get(late[0].id) is not None


# what was removed from the target


def names(store: Store) -> list[str]:
    return [each.id for each, _ in store.scan()]


def test_what_was_removed_from_the_target_does_not_come_back_with_the_last_copy(open_at: Opening) -> None:
    source, target = filled(open_at("source")), open_at("target")
    moved(source, target)
    assert target.delete(Selection(tag="returns")) == 1
    late = put(source, "k3", embedding(1.0, 1.0, dims=DIMS))
    report = moved(source, target)
    assert (report.entries, report.known, report.left_out) == (1, 1, 1)
    assert late.id in names(target)
    assert target.get_exact(SCOPE, "k1") is None
    assert target.nearest(SCOPE, EMBEDDER.embed("When may I return it?"))[0].similarity < 0.9
    assert moved(source, target, anew=True).entries == 1
    assert sorted(names(target)) == sorted(names(source))


def test_what_a_copy_that_broke_off_has_brought_is_known_to_the_next(clock: Clock) -> None:
    source, target = MemoryStore(clock=clock), MemoryStore(clock=clock)
    first = [put(source, f"k{number}", scope=SCOPE) for number in range(3)]

    def interrupt(place: int) -> None:
        if place == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        moved(source, target, on_progress=interrupt)
    target.delete(Selection(entry_ids=(names(target)[0],)))
    assert moved(source, target).left_out == 1
    assert len(names(target)) == len(first) - 1


def test_more_is_remembered_than_fits_one_document(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("semcache.moving._COPIED_AT_ONCE", 2)
    source, target = MemoryStore(clock=clock), MemoryStore(clock=clock)
    for number in range(5):
        put(source, f"k{number}")
    moved(source, target)
    target.delete(Selection())
    put(source, "late")
    assert (moved(source, target).left_out, len(names(target))) == (5, 1)
    assert len(target.documents("copied/")) == 4
    assert moved(source, target).left_out == 5


def test_a_store_that_was_copied_into_is_copied_itself(clock: Clock) -> None:
    """What it remembers of its own removals says nothing about those of another."""
    first, second, third = (MemoryStore(clock=clock) for _ in range(3))
    put(first, "k1")
    moved(first, second)
    assert moved(second, third).entries == 1
    third.delete(Selection())
    assert (moved(second, third).left_out, names(third)) == (1, [])


def test_an_answer_that_the_target_has_to_the_same_request_stays(open_at: Opening) -> None:
    source, target = filled(open_at("source")), open_at("target")
    moved(source, target)
    target.book([ledger_row("exact", at=1_800_000_000.0 + 4 * 40_000 + 60)])  # a service uses it
    own = put(target, "k3", answer="Learned there.", id="ent_of_the_new")
    put(source, "k3", answer="Learned here.", id="ent_of_the_old")
    report = moved(source, target)
    assert (report.entries, report.known) == (0, 3)
    assert target.get_exact(SCOPE, "k3") == own


def test_an_answer_that_was_reported_wrong_in_the_target_does_not_come_from_the_source(open_at: Opening) -> None:
    source, target = filled(open_at("source")), open_at("target")
    moved(source, target)
    wrong = entry("k3", answer="It is free.", id="ent_of_the_old")
    target.put(replace(wrong, id="ent_withdrawn", key=withdrawn_key("k3")))  # as `feedback.correct` keeps it
    source.put(wrong)
    assert moved(source, target).left_out == 1
    assert target.get_exact(SCOPE, "k3") is None
