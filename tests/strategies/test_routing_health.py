"""Models that asked for rest, or fell silent, are left alone as long as they said, and by nobody else."""

from __future__ import annotations

import pytest
from fakes import request

from semcache.errors import UpstreamStatus, UpstreamTimeout, UpstreamTorn, UpstreamUnreachable
from semcache.request import Caller
from semcache.strategies.routing.health import Health, is_failing_over, rest_seconds

NOW = 1_800_000_000.0


def status(code: int, *headers: tuple[str, str]) -> UpstreamStatus:
    return UpstreamStatus(code, headers, b"")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(status(429), True, id="limited"),
        pytest.param(status(529), True, id="overloaded"),
        pytest.param(status(500), True, id="broken"),
        pytest.param(UpstreamTimeout("late"), True, id="silent"),
        pytest.param(status(400), False, id="a bad request"),
        pytest.param(status(401), False, id="a bad key"),
        pytest.param(status(413), False, id="too large"),
        pytest.param(UpstreamTorn("torn"), False, id="an answer that broke off"),
        pytest.param(UpstreamUnreachable("gone"), False, id="nobody there: other models live in the same place"),
    ],
)
def test_which_errors_another_model_may_mend(error, expected) -> None:
    assert is_failing_over(error) is expected


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param((), 5.0, id="nothing said"),
        pytest.param((("retry-after", "30"),), 30.0, id="seconds"),
        pytest.param((("retry-after", "1.5"),), 1.5, id="fractions"),
        pytest.param((("retry-after-ms", "250"), ("retry-after", "9")), 0.25, id="milliseconds first"),
        pytest.param((("retry-after", "Fri, 15 Jan 2027 08:01:00 GMT"),), 60.0, id="a date"),
        pytest.param((("retry-after", "Fri, 15 Jan 2021 08:01:00 GMT"),), 0.0, id="a date that has passed"),
        pytest.param((("retry-after", "soon"),), 5.0, id="unreadable"),
        pytest.param((("retry-after", "99999"),), 600.0, id="no longer than ten minutes"),
    ],
)
def test_how_long_a_model_rests(headers, seconds) -> None:
    assert rest_seconds(status(429, *headers), now=NOW) == pytest.approx(seconds)


def test_a_limit_is_that_of_a_credential_and_a_model() -> None:
    health, mine, other = Health(), request(caller=Caller(credential="a")), request(caller=Caller(credential="b"))
    health.note(mine, "small", status(429), now=NOW)
    assert health.is_resting(mine, "small", now=NOW + 4)
    assert not health.is_resting(mine, "small", now=NOW + 5)
    assert not health.is_resting(mine, "large", now=NOW + 4)
    assert not health.is_resting(other, "small", now=NOW + 4)
