"""The circuit breaker, on a clock of its own."""

from __future__ import annotations

import pytest
from fakes import Clock

from semcache.errors import Overtaken, StoreUnavailable
from semcache.stores.breaker import Breaker


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(StoreUnavailable, match="gone"), breaker.guarding():
            raise StoreUnavailable("gone")


def is_let_through(breaker: Breaker) -> bool:
    try:
        with breaker.guarding():
            return True
    except StoreUnavailable:
        return False


def breaker_of(clock: Clock) -> Breaker:
    return Breaker(clock=clock, failures=3, pause_seconds=2.0)


def test_failures_in_a_row_open_it_and_others_do_not_call() -> None:
    breaker = breaker_of(Clock())
    fail(breaker, 2)
    assert breaker.state == "closed"
    fail(breaker)
    assert breaker.state == "open"
    assert not is_let_through(breaker)
    assert breaker.health.errors == 3


def test_whoever_is_not_let_through_is_told_what_the_server_failed_with() -> None:
    breaker = breaker_of(Clock())
    fail(breaker, 3)
    with pytest.raises(StoreUnavailable, match=r"gone .*left alone for a moment"), breaker.guarding():
        pass


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = breaker_of(Clock())
    fail(breaker, 2)
    assert is_let_through(breaker)
    fail(breaker, 2)
    assert breaker.state == "closed"


def test_an_error_of_another_kind_shows_that_the_server_answers() -> None:
    breaker = breaker_of(Clock())
    fail(breaker, 2)
    with pytest.raises(Overtaken), breaker.guarding():
        raise Overtaken("somebody else was faster")
    fail(breaker, 2)
    assert breaker.state == "closed"


def test_after_the_pause_one_caller_alone_tries_and_closes_it() -> None:
    clock = Clock()
    breaker = breaker_of(clock)
    fail(breaker, 3)
    clock.advance(2.0)
    assert breaker.state == "half-open"
    with breaker.guarding():
        assert breaker.state == "half-open"
        assert not is_let_through(breaker)
    assert breaker.state == "closed"
    fail(breaker, 2)
    assert breaker.state == "closed"


def test_a_try_that_fails_opens_it_for_another_pause() -> None:
    clock = Clock()
    breaker = breaker_of(clock)
    fail(breaker, 3)
    clock.advance(2.0)
    fail(breaker)
    assert breaker.state == "open"
    clock.advance(1.9)
    assert not is_let_through(breaker)
    clock.advance(0.1)
    assert is_let_through(breaker)
    assert breaker.state == "closed"


def test_a_try_that_is_broken_off_lets_another_one_try() -> None:
    clock = Clock()
    breaker = breaker_of(clock)
    fail(breaker, 3)
    clock.advance(2.0)
    with pytest.raises(KeyboardInterrupt), breaker.guarding():
        raise KeyboardInterrupt
    assert breaker.state == "half-open"
    assert is_let_through(breaker)
    assert breaker.state == "closed"


def test_an_answer_that_was_under_way_when_it_opened_does_not_close_it() -> None:
    breaker = breaker_of(Clock())
    with breaker.guarding():
        fail(breaker, 3)
    assert breaker.state == "open"
