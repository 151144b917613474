"""Sealed credentials, what a batch was asked with, files of requests, and batches from inside the process."""

from __future__ import annotations

import logging

import pytest
from batches.batch_worlds import QUICK, TOPICS, items, text_of
from hypothesis import given
from hypothesis import strategies as st
from service.worlds import settings

from semcache import SemanticCache
from semcache.batches.asked import Asked
from semcache.batches.running import run_batch
from semcache.batches.sealing import seal, unseal
from semcache.batching.results import SucceededResult
from semcache.errors import InvalidRequest
from semcache.request import Caller, Directives, Mode, Request, Wish
from semcache.tenants import Tenants

SECRET = b"s" * 32
HEADERS = (("x-api-key", "key-of-anna"), ("authorization", "Bearer token"))


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=200)), max_size=3))
def test_what_is_sealed_is_unsealed_equal(pairs):
    assert unseal(seal(tuple(pairs), SECRET, batch_id="b"), SECRET, batch_id="b") == tuple(pairs)


def test_a_seal_hides_what_it_holds_and_differs_each_time():
    one, other = (seal(HEADERS, SECRET, batch_id="b") for _ in range(2))
    assert one != other
    assert b"anna" not in one


@pytest.mark.parametrize(
    ("secret", "batch_id", "place"),
    [
        pytest.param(b"t" * 32, "b", None, id="another secret"),
        pytest.param(SECRET, "c", None, id="another batch"),
        pytest.param(SECRET, "b", 0, id="a changed nonce"),
        pytest.param(SECRET, "b", 20, id="a changed byte"),
        pytest.param(SECRET, "b", -1, id="a changed tag"),
    ],
)
def test_nothing_else_opens_a_seal(secret, batch_id, place):
    sealed = bytearray(seal(HEADERS, SECRET, batch_id="b"))
    if place is not None:
        sealed[place] ^= 1
    assert unseal(bytes(sealed), secret, batch_id=batch_id) is None


def test_what_a_batch_was_asked_with_is_kept_without_its_credential():
    headers = (
        *HEADERS,
        ("anthropic-beta", "b"),
        ("x-semcache-tags", "x"),
        ("host", "h"),
        ("x-semcache-admin-key", "k"),
    )
    asked = Asked.of(headers, Tenants(SECRET), caller=Caller("n", "p", "c"), query="beta=true")
    content = asked.content()
    assert not any(word in content for word in (b"anna", b"token", b"admin", b"host"))
    again = Asked.parse(content, HEADERS)
    assert (again, again.directives.tags) == (asked, ("x",))


@pytest.mark.parametrize(
    "directives",
    [
        pytest.param(Directives(), id="none"),
        pytest.param(Directives(Mode.EXACT, no_cache=True, tags=("a", "b"), task="coding"), id="some"),
        pytest.param(
            Directives(no_store=True, max_age_seconds=60.0, strategies=Wish(only=frozenset())), id="none at all"
        ),
        pytest.param(Directives(strategies=Wish(without=frozenset({"cascade"}))), id="all but one"),
        pytest.param(Directives(strategies=Wish(only=frozenset({"cascade", "compression"}))), id="only two"),
    ],
)
def test_directives_survive_being_written_down(directives):
    asked = Asked.like(Request({}, directives=directives, headers=HEADERS))
    assert Asked.parse(asked.content(), HEADERS).directives == directives


def test_a_batch_from_inside_the_process_warms_the_cache_and_shows_its_progress(tmp_path, world):
    seen = []
    with SemanticCache(settings(tmp_path / "own", embedder="hashed", upstream=world.upstream_url)) as cache:
        like = cache.parts.request("", api_key="key-of-anna")
        work = run_batch(cache.parts.assembly, cache.flights, items(5), like=like, on_progress=seen.append, rules=QUICK)
        found = cache.portal.call(work)
        lines = list(found)
        assert [line.custom_id for line in lines] == [f"id-{n}" for n in range(5)]
        assert all(isinstance(line.result, SucceededResult) for line in lines)
        assert (seen[-1].processing, seen[-1].succeeded) == (0, 5)
        model = items(1)[0]["params"]["model"]
        assert cache.lookup(TOPICS[1], model=model, max_tokens=200, api_key="key-of-anna").entry.question == TOPICS[1]
        found.forget()


def test_a_batch_from_inside_the_process_is_checked_like_any_other(tmp_path, world):
    with SemanticCache(settings(tmp_path / "own", embedder="hashed", upstream=world.upstream_url)) as cache:
        like = cache.parts.request("", api_key="key-of-anna")
        work = run_batch(cache.parts.assembly, cache.flights, [{"custom_id": "a b", "params": {}}], like=like)
        with pytest.raises(InvalidRequest, match="should match pattern"):
            cache.portal.call(work)


def test_neither_prompts_nor_credentials_are_logged(world, caplog):
    caplog.set_level(logging.DEBUG, logger="semcache")
    results = world.finished(items(4))
    assert text_of(results["id-0"])
    assert "accepted: 4 requests" in caplog.text
    assert not [word for word in ("boiling", "chapel", "key-of-anna") if word in caplog.text]
