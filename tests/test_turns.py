"""Across processes, identical calls in flight are one upstream call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from fakes import FakeUpstream, Reply, request

from semcache.errors import StoreUnavailable
from semcache.exchange import Call
from semcache.flight import NothingStored
from semcache.flights import Flights
from semcache.message import Message
from semcache.stores.leases import Held, Lease
from semcache.stores.memory_leases import MemoryLeases
from semcache.turns import Pace, Turns

QUICK = Pace(lease_seconds=0.3, patience_seconds=30.0, shortest_look_seconds=0.005, longest_look_seconds=0.01)
KEY = "same"


@dataclass
class Replicas:
    """Processes with leases and stored answers in common, and an upstream that all of them ask."""

    upstream: FakeUpstream = field(default_factory=FakeUpstream)
    stored: dict[str, Message] = field(default_factory=dict)
    leases: MemoryLeases = field(default_factory=lambda: MemoryLeases(time.monotonic))
    stores_answers: bool = True
    pace: Pace = QUICK

    def replica(self) -> Callable[[], object]:
        """One process: a coroutine function that asks, stores what came back, and returns it."""
        turns = Turns(self.leases, pace=self.pace)
        flights = Flights(self.upstream, recall=lambda call: self.stored.get(KEY, NothingStored()), turns=turns)

        async def ask(*, stream: bool = False) -> Message:
            async with flights.carry(Call(request(stream=stream), flight_key=KEY)) as answer:
                if self.stores_answers and not answer.coalesced:
                    lease = turns.held(KEY)
                    assert lease is not None
                    assert self.leases.give_back(lease)
                    turns.note_spent(KEY)
                    self.stored[KEY] = answer
                return answer

        return ask


async def overlapping(replicas: Replicas, count: int) -> list[Message]:
    """All ask while the first is still being answered."""
    replicas.upstream.release = asyncio.Event()
    first = asyncio.create_task(replicas.replica()())
    await replicas.upstream.entered.wait()
    others = [asyncio.create_task(replicas.replica()()) for _ in range(count - 1)]
    await asyncio.sleep(0.05)
    replicas.upstream.release.set()
    return await asyncio.gather(first, *others)


def test_sixteen_processes_that_ask_the_same_make_one_upstream_call() -> None:
    replicas = Replicas()
    answers = asyncio.run(overlapping(replicas, 16))
    assert len(replicas.upstream.calls) == 1
    assert {answer.text for answer in answers} == {"an answer"}
    assert [answer.coalesced for answer in answers].count(False) == 1


def test_a_holder_that_dies_is_followed_by_exactly_one() -> None:
    async def scenario() -> Replicas:
        replicas = Replicas()
        assert isinstance(replicas.leases.acquire(KEY, "dead", seconds=0.2), Lease)
        await asyncio.gather(*(replicas.replica()() for _ in range(4)))
        return replicas

    assert len(asyncio.run(scenario()).upstream.calls) == 1


def test_an_answer_belongs_to_the_generation_in_which_its_turn_came_and_not_to_that_before_the_wait() -> None:
    async def scenario() -> Message:
        replicas, generations = Replicas(), iter(range(7, 1000))
        assert isinstance(replicas.leases.acquire(KEY, "dead", seconds=0.2), Lease)
        turns = Turns(replicas.leases, pace=QUICK)
        looks: list[int] = []

        def looked(call: Call) -> NothingStored:
            looks.append(next(generations))
            return NothingStored((looks[-1],))

        async with Flights(replicas.upstream, recall=looked, turns=turns).carry(
            Call(request(), flight_key=KEY)
        ) as came:
            assert looks[-1] > 7
            assert came.asked_in == (looks[-1],)
            return came

    assert asyncio.run(scenario()).text == "an answer"


def test_a_long_answer_keeps_its_lease() -> None:
    async def scenario() -> Replicas:
        replicas = Replicas(upstream=FakeUpstream(release=asyncio.Event()))
        tasks = [asyncio.create_task(replicas.replica()()) for _ in range(2)]
        await asyncio.sleep(4 * QUICK.lease_seconds)
        assert replicas.upstream.release is not None
        replicas.upstream.release.set()
        await asyncio.gather(*tasks)
        return replicas

    assert len(asyncio.run(scenario()).upstream.calls) == 1


def test_where_the_answer_is_not_one_to_be_stored_the_others_do_not_stand_in_line() -> None:
    replicas = Replicas(stores_answers=False)
    asyncio.run(overlapping(replicas, 4))
    assert len(replicas.upstream.calls) == 4


def test_whoever_has_waited_long_enough_goes_upstream_without_a_lease() -> None:
    async def scenario() -> Replicas:
        replicas = Replicas(pace=Pace(0.3, 0.05, 0.005, 0.01))
        replicas.leases.acquire(KEY, "slow", seconds=60)
        replicas.stores_answers = False
        await replicas.replica()()
        assert replicas.leases.acquire(KEY, "third", seconds=1) == Held("slow", 1)
        return replicas

    assert len(asyncio.run(scenario()).upstream.calls) == 1


def test_a_failed_call_gives_the_lease_back() -> None:
    async def scenario() -> None:
        replicas = Replicas(upstream=FakeUpstream(lambda body: Reply(status=400, body=b"{}")))
        with pytest.raises(Exception, match="400"):
            await replicas.replica()()
        assert replicas.leases.acquire(KEY, "next", seconds=1) == Lease(KEY, "next", 1)

    asyncio.run(scenario())


def test_a_caller_that_hangs_up_gives_the_lease_back() -> None:
    async def scenario() -> None:
        replicas = Replicas(upstream=FakeUpstream(release=asyncio.Event()))
        task = asyncio.create_task(replicas.replica()())
        await replicas.upstream.entered.wait()
        task.cancel()
        await asyncio.wait([task])
        assert replicas.leases.acquire(KEY, "next", seconds=1) == Lease(KEY, "next", 1)

    asyncio.run(scenario())


def test_a_store_that_fails_costs_the_sharing_and_never_the_answer() -> None:
    class Broken(MemoryLeases):
        def acquire(self, key: str, owner: str, *, seconds: float) -> Lease | Held:
            raise StoreUnavailable("gone")

    async def scenario() -> Message:
        turns = Turns(Broken(time.monotonic), pace=QUICK)
        flights = Flights(FakeUpstream(), recall=lambda call: NothingStored(), turns=turns)
        async with flights.carry(Call(request(), flight_key=KEY)) as answer:
            assert turns.held(KEY) is None
            return answer

    assert asyncio.run(scenario()).text == "an answer"
