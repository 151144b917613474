"""Services on one PostgreSQL, end to end; and one whose server comes and goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import postgres_server
import pytest
from postgres_server import Server
from worlds import ANSWERS, RESET, World, outcome_of, until

MakeWorld = Callable[..., World]
UNAVAILABLE = "fwd=bypass; detail=cache-unavailable"
FAQ = "question,answer\nWhen do you open?,At nine.\n"


@pytest.fixture
def server() -> Iterator[Server]:
    with postgres_server.running() as running:
        yield running


@pytest.mark.slow
def test_two_services_on_one_database_are_one_cache(postgres_url: str, make_world: MakeWorld) -> None:
    one, other = make_world(store=postgres_url), make_world(store=postgres_url)
    assert outcome_of(one.ask(RESET)).startswith("fwd=miss")
    answer = other.ask(RESET)
    assert (outcome_of(answer), ANSWERS[RESET] in answer.text) == ("hit; detail=exact", True)
    entry_id = answer.headers["x-semcache-entry"]
    imported = one.http("POST", "/semcache/v1/import?format=csv", content=FAQ.encode())
    assert imported.status_code == 200, imported.text
    assert outcome_of(other.ask("When do you open?")) == "hit; detail=faq"
    assert other.http("GET", f"/semcache/v1/entries/{entry_id}").status_code == 200
    assert one.http("POST", "/semcache/v1/purge", json={"namespace": "default"}).status_code == 200
    assert outcome_of(other.ask(RESET)).startswith("fwd=miss")
    assert (one.calls, other.calls) == (1, 1)
    assert one.metric('semcache_store_circuit{state="closed"}') == 1
    assert one.metric("semcache_store_errors_total") == 0


@pytest.mark.slow
def test_a_service_that_started_without_its_store_gets_a_cache_once_it_is_there(
    server: Server, make_world: MakeWorld
) -> None:
    server.stop()
    world = make_world(store=server.url())
    assert outcome_of(world.ask(RESET)) == UNAVAILABLE
    assert world.metric("semcache_degraded") == 1
    server.start()
    until(lambda: world.http("GET", "/readyz").json()["status"] == "ok", seconds=90)
    assert world.metric("semcache_degraded") == 0
    assert outcome_of(world.ask(RESET)).startswith("fwd=miss")
    assert outcome_of(world.ask(RESET)) == "hit; detail=exact"


@pytest.mark.slow
def test_a_store_that_goes_and_comes_back_costs_hits_and_no_answer(server: Server, make_world: MakeWorld) -> None:
    world = make_world(store=server.url(semcache_timeout_seconds="0.5"))
    world.ask(RESET)
    assert outcome_of(world.ask(RESET)) == "hit; detail=exact"
    server.kill()
    for _ in range(12):
        assert world.ask(RESET).status_code == 200
    assert world.metric("semcache_store_errors_total") > 0
    assert world.metric('semcache_store_circuit{state="closed"}') == 0
    until(lambda: world.http("GET", "/readyz").json()["status"] == "degraded", seconds=60)
    server.start()
    until(lambda: outcome_of(world.ask(RESET)) == "hit; detail=exact", seconds=90)
    server.freeze()
    try:
        for _ in range(3):
            answer = world.ask(RESET)
            assert (answer.status_code, ANSWERS[RESET] in answer.text) == (200, True)
    finally:
        server.thaw()
    until(lambda: outcome_of(world.ask(RESET)) == "hit; detail=exact", seconds=90)
    until(lambda: world.http("GET", "/readyz").json()["status"] == "ok", seconds=60)
