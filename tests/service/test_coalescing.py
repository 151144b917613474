"""Identical requests in flight make one upstream call, and nobody suffers for another's misfortune."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import pytest
from worlds import RESET, Place, Said, Script, Seen, outcome_of, question_body, spoken, until

MakePlace = Callable[..., Place]
STREAM, JSON = True, False


async def ask(client: anthropic.AsyncAnthropic, *, stream: bool) -> str:
    """The text of the answer."""
    if not stream:
        return (await client.messages.create(**question_body(RESET))).content[0].text
    async with client.messages.stream(**question_body(RESET)) as answer:
        return (await answer.get_final_message()).content[0].text


def all_at_once(place: Place, forms: list[bool], script: Script) -> list[Any]:
    """Ask at the same moment; the upstream answers when all have asked."""

    async def scenario() -> list[Any]:
        async with place.async_client() as client:
            asked = [ask(client, stream=form) for form in forms]
            return await asyncio.gather(*asked, return_exceptions=True)

    opener = threading.Thread(target=_open_when_asked, args=(place, len(forms), script), daemon=True)
    opener.start()
    answers = asyncio.run(scenario())
    opener.join()
    return answers


def _open_when_asked(place: Place, count: int, script: Script) -> None:
    assert script.release is not None
    until(lambda: place.metric("semcache_lookup_seconds_count") >= count)
    script.release.set()


@pytest.mark.parametrize(
    "forms",
    [
        pytest.param([JSON] * 100, id="json"),
        pytest.param([STREAM] * 100, id="streams"),
        pytest.param([STREAM, JSON] * 50, id="mixed"),
    ],
)
def test_a_hundred_identical_requests_make_one_call(scripted: MakePlace, forms: list[bool]) -> None:
    script = Script(spoken("one for all"), release=threading.Event())
    answers = all_at_once(scripted(script), forms, script)
    assert set(answers) == {"one for all"}
    assert len(script.seen) == 1


def test_a_hundred_identical_requests_make_one_call_however_fast_it_is(scripted: MakePlace) -> None:
    script = Script(spoken("one for all"), release=threading.Event())
    script.release.set()
    answers = all_at_once(scripted(script), [STREAM, JSON] * 50, script)
    assert set(answers) == {"one for all"}
    assert len(script.seen) == 1


def test_requests_that_differ_share_nothing(scripted: MakePlace) -> None:
    script = Script(spoken())
    place = scripted(script)
    for fields in ({}, {"temperature": 0.5}, {"system": "You are brief."}, {"model": "claude-opus-5-5"}):
        place.ask(RESET, **fields)
    assert len(script.seen) == 4


def test_a_leader_who_hangs_up_takes_nobody_down(scripted: MakePlace) -> None:
    gate = threading.Event()
    script = Script(spoken("to the end", gate=gate))
    place = scripted(script)

    async def scenario() -> list[str]:
        async with place.async_client() as client:
            async with await client.messages.create(stream=True, **question_body(RESET)) as leader:
                await anext(aiter(leader))
                followers = [asyncio.create_task(ask(client, stream=form)) for form in (STREAM, JSON)]
                await asyncio.to_thread(until, lambda: place.metric("semcache_lookup_seconds_count") >= 3)
            gate.set()
            return await asyncio.gather(*followers)

    assert asyncio.run(scenario()) == ["to the end", "to the end"]
    assert (len(script.seen), script.hung_up) == (1, 0)


def test_followers_of_a_leader_who_fails_regroup(scripted: MakePlace) -> None:
    def first_fails(request: Seen) -> Said:
        return spoken("second try")(request) if len(script.seen) > 1 else Said([b'{"type":"error"}'], status=529)

    script = Script(first_fails, release=threading.Event())
    answers = all_at_once(scripted(script), [JSON] * 10, script)
    failures = [answer for answer in answers if isinstance(answer, anthropic.InternalServerError)]
    assert (len(script.seen), len(failures), answers.count("second try")) == (2, 1, 9)


def test_coalescing_can_be_switched_off(scripted: MakePlace) -> None:
    script = Script(spoken(), release=threading.Event())
    all_at_once(scripted(script, coalesce=False), [JSON] * 3, script)
    assert len(script.seen) == 3


def test_followers_are_told_that_they_rode_along(scripted: MakePlace) -> None:
    script = Script(spoken(), release=threading.Event())
    place = scripted(script)
    answers: list[httpx2.Response] = []
    askers = [threading.Thread(target=lambda: answers.append(place.ask(RESET))) for _ in range(2)]
    for asker in askers:
        asker.start()
    _open_when_asked(place, 2, script)
    for asker in askers:
        asker.join()
    assert sorted(outcome_of(answer).split(";")[1].strip() for answer in answers) == ["collapsed", "stored"]
