"""kill -9 at any moment, failing upstreams and strangers' batches: no request is lost, none is sent twice."""

import asyncio
import json
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from batching.office import HEADERS, PATH, Crash, Disk, Office, message_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from semcache.batching.markers import read_mark
from semcache.batching.requests import write_create, write_request
from semcache.batching.states import Ending, ending_of
from semcache.errors import UpstreamTorn
from semcache.pricing import PriceBook
from semcache.upstream.simulator import BatchConduct, Conduct, Fault, FaultKind, Simulator
from semcache.upstream.upstream import UpstreamRequest

NOON = 1_795_435_200.0
FAULTS = [
    (Fault.of_status(429), f"POST {PATH}"),
    (Fault.of_status(529), f"POST {PATH}"),
    (Fault.of_status(504), f"POST {PATH}"),
    (Fault(FaultKind.TORN), f"POST {PATH}"),  # created, and the answer is lost
    (Fault(FaultKind.TRUNCATED), f"POST {PATH}"),
    (Fault.of_status(500), f"GET {PATH}*"),
    (Fault(FaultKind.TORN, after_events=1), "GET *results"),
    (Fault(FaultKind.TRUNCATED, after_events=2), "GET *results"),
]


@pytest.fixture(scope="module")
def book():
    return PriceBook.load(Path(__file__).parents[2] / "models" / "claude.toml")


class World:
    """An upstream, a disk, and the time in between."""

    def __init__(self, book, texts):
        self.now = NOON
        conduct = Conduct(batches=BatchConduct(seconds=40, cancel_seconds=10))
        self.simulator = Simulator(book, clock=lambda: self.now, conduct=conduct)
        self.disk = Disk()
        self.disk.accept([{"custom_id": f"mine-{n}", "params": params(text)} for n, text in enumerate(texts)])
        self.chance = random.Random(1)
        self.is_canceled = False

    def live(self, fuse=None, rounds=1):
        """A process until it is killed, or has gone some rounds."""
        office = Office(self.disk, self.simulator, lambda: self.now, self.chance, fuse)
        with suppress(Crash):
            for _ in range(rounds):
                with suppress(UpstreamTorn, ValueError):
                    asyncio.run(office.round())
                self.now += 10
        return office

    def cancel(self):
        self.is_canceled = True
        self.live(rounds=0).cancel()

    def strange_batch(self, count):
        """Somebody else with our key creates a batch that looks like one of ours."""
        body = write_create([write_request(f"theirs-{n}", params("theirs")) for n in range(count)])
        asyncio.run(self.simulator.open(UpstreamRequest("POST", PATH, "", HEADERS, body)))

    def finish(self):
        self.simulator.clear_faults()
        for _ in range(100):
            if self.live().is_done():
                return
        raise AssertionError("not done after 100 rounds")

    def times_sent(self):
        """How often each place is upstream."""
        found = Counter()
        for batch in self.simulator.batches:
            for mark in filter(None, (read_mark(request["custom_id"]) for request in batch.requests)):
                found[self.disk.sendings[mark.marker]["places"][mark.ordinal]] += 1
        return found


def params(text):
    return {"model": "claude-haiku-5-5", "max_tokens": 300, "messages": [{"role": "user", "content": text}]}


def check(world, texts):
    """Every custom id ended exactly once, with the right result; nothing was sent twice."""
    assert max(world.times_sent().values(), default=0) <= 1
    for place, text in enumerate(texts):
        ending = ending_of(world.disk.state(place))
        assert ending is Ending.SUCCEEDED or world.is_canceled
        if ending is Ending.SUCCEEDED:
            assert f"You asked: {text}\n" in message_of(world.disk, place)["content"][-1]["text"]


acts = st.one_of(
    st.tuples(st.just("killed"), st.integers(0, 40)),
    st.tuples(st.just("live"), st.integers(1, 4)),
    st.tuples(st.just("fault"), st.integers(0, len(FAULTS) - 1)),
    st.tuples(st.just("strange"), st.integers(1, 4)),
    st.tuples(st.just("cancel"), st.just(0)),
)
questions = st.lists(st.sampled_from([f"Question {n}" for n in range(8)]), min_size=1, max_size=9)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=questions, story=st.lists(acts, max_size=14))
def test_no_request_is_lost_and_none_sent_twice_whatever_happens(book, texts, story):
    world = World(book, texts)
    for act, value in story:
        match act:
            case "killed":
                world.live(fuse=value, rounds=5)
            case "live":
                world.live(rounds=value)
            case "fault":
                fault, route = FAULTS[value]
                world.simulator.inject(fault, route=route)
            case "strange":
                world.strange_batch(value)
            case "cancel":
                world.cancel()
    world.finish()
    check(world, texts)


TEXTS = ["Question 1", "Question 2", "Question 1", "Question 3", "Question 4", "Question 5", "Question 6"]


@pytest.mark.slow
def test_killed_at_every_single_step_of_its_life_it_recovers(book):
    steps = 0
    while True:
        world = World(book, TEXTS)
        world.live(fuse=steps, rounds=30)
        killed = not world.live(rounds=0).is_done()
        world.finish()
        check(world, TEXTS)
        if not killed:
            break
        steps += 1
    assert steps > 20


def test_a_create_whose_answer_was_lost_is_found_and_not_sent_again(book):
    world = World(book, TEXTS[:2])
    world.simulator.inject(Fault(FaultKind.TORN), route=f"POST {PATH}")
    world.live()
    assert [json.loads(state)["state"] for state in world.disk.states.values()] == ["submitting"] * 2
    world.finish()
    assert world.times_sent() == {0: 1, 1: 1}
    assert len(world.simulator.batches) == 1


def test_a_strangers_batch_of_the_same_size_is_looked_into_and_left_alone(book):
    world = World(book, TEXTS[:2])
    world.strange_batch(2)
    world.simulator.inject(Fault.of_status(504), route=f"POST {PATH}")
    world.finish()
    check(world, TEXTS[:2])
    assert len(world.simulator.batches) == 2


def test_an_outage_postpones_and_drops_nothing(book):
    world = World(book, TEXTS)
    world.simulator.inject(Fault.of_status(529), times=None)
    world.live(rounds=20)
    assert world.simulator.batches == []
    world.finish()
    check(world, TEXTS)


def test_results_torn_again_and_again_come_together(book):
    world = World(book, TEXTS)
    world.simulator.inject(Fault(FaultKind.TORN, after_events=1), times=5, route="GET *results")
    world.finish()
    check(world, TEXTS)
    assert len(world.disk.results) == len(TEXTS)


def test_requests_asked_twice_are_sent_once(book):
    world = World(book, TEXTS)
    world.finish()
    assert world.times_sent() == dict.fromkeys((0, 1, 3, 4, 5, 6), 1)
    assert message_of(world.disk, 0) == message_of(world.disk, 2)


def test_cancelled_on_the_way_it_keeps_what_was_done(book):
    world = World(book, TEXTS)
    world.live(rounds=2)
    world.cancel()
    world.finish()
    endings = Counter(ending_of(world.disk.state(place)) for place in world.disk.states)
    assert endings[Ending.SUCCEEDED] > 0
    assert endings[Ending.CANCELED] > 0
    check(world, TEXTS)
