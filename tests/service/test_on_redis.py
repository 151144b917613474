"""Services over one Redis: what one learns the others answer, what one purges nobody answers, and batches work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from batches.batch_worlds import batch_world, items
from redis_servers import RedisServer, redis8_command
from service.worlds import ANSWERS, MODELS, RESET, REWORDED, Place, outcome_of, served, settings, until

from semcache.pricing import PriceBook
from semcache.service.app import app_around
from semcache.service.parts import open_parts
from semcache.upstream.simulator import Simulator

CLOSE = "How do I close my account?"
OpenReplica = Callable[..., Place]


@pytest.fixture
def simulator() -> Simulator:
    return Simulator(
        PriceBook.load(MODELS / "claude.toml"),
        answers={**ANSWERS, CLOSE: "As I said earlier, open Settings and press Close."},
    )


@pytest.fixture
def open_replica(tmp_path: Path, simulator: Simulator) -> Iterator[OpenReplica]:
    """Starts services on one store, in front of one simulator."""
    with ExitStack() as stack:

        def open_one(url: str) -> Place:
            named = settings(tmp_path, store=url)
            app = app_around(lambda: open_parts(named, upstream=simulator))
            return Place(named, stack.enter_context(served(app)))

        yield open_one


def test_what_one_replica_learned_on_redis_another_answers_until_it_is_purged(
    open_replica: OpenReplica, redis_url: str
) -> None:
    one, other = open_replica(redis_url), open_replica(redis_url)
    assert outcome_of(one.ask(RESET)).startswith("fwd=miss")
    until(lambda: outcome_of(other.ask(RESET)) == "hit; detail=exact")
    assert one.http("GET", "/readyz").json() == {"status": "ok"}
    assert other.http("POST", "/semcache/v1/purge", json={"namespace": "default"}).status_code == 200
    assert outcome_of(one.ask(RESET)).startswith("fwd=miss")


def test_an_answer_that_speaks_of_its_conversation_is_stored_on_redis_too(
    open_replica: OpenReplica, redis_url: str
) -> None:
    replica = open_replica(redis_url)
    turns = [
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Hello, what can I do for you?"},
        {"role": "user", "content": CLOSE},
    ]
    replica.ask("", messages=turns)
    until(lambda: outcome_of(replica.ask("", messages=turns)) == "hit; detail=exact")


def test_a_service_on_an_old_redis_says_what_it_cannot_do_and_answers_exact_repeats(
    open_replica: OpenReplica, old_redis_url: str
) -> None:
    replica = open_replica(old_redis_url)
    replica.ask(RESET)
    until(lambda: outcome_of(replica.ask(RESET)) == "hit; detail=exact")
    assert outcome_of(replica.ask(REWORDED)).startswith("fwd=miss")
    (said,) = replica.http("GET", "/readyz").json()["store"]
    assert "only exact repeats" in said


def test_a_faq_on_an_old_redis_answers_its_own_wordings(open_replica: OpenReplica, old_redis_url: str) -> None:
    replica = open_replica(old_redis_url)
    table = f"question,answer\n{CLOSE},Press Close.\n"
    assert replica.http("POST", "/semcache/v1/import?format=csv", content=table.encode()).json()["added"] == 1
    assert outcome_of(replica.ask(CLOSE.upper())) == "hit; detail=faq"
    assert outcome_of(replica.ask("In which way can my account be closed?")).startswith("fwd=miss")


@pytest.mark.slow
def test_batches_are_kept_in_redis(tmp_path: Path, redis_url: str) -> None:
    with batch_world(tmp_path, store=redis_url) as world:
        requests = items(5)
        assert {each["type"] for each in world.finished(requests).values()} == {"succeeded"}
        assert len(world.finished(requests)) == 5
        assert len(world.sent()) == 5  # the second batch was answered from memory


@pytest.mark.slow
def test_a_service_answers_on_while_its_redis_is_dead_and_remembers_again_after(
    open_replica: OpenReplica, tmp_path: Path
) -> None:
    server = RedisServer(tmp_path / "own", redis8_command(), ("--appendonly", "yes", "--appendfsync", "always"))
    try:
        replica = open_replica(server.start().url)
        replica.ask(RESET)
        until(lambda: outcome_of(replica.ask(RESET)) == "hit; detail=exact")
        server.kill()
        for _ in range(8):
            assert replica.ask(RESET).status_code == 200
        server.start()
        until(lambda: outcome_of(replica.ask(RESET)) == "hit; detail=exact")
    finally:
        server.kill()
