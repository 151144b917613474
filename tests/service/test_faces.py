"""One table of scenarios, the same on every face: the official client, the drop-ins, the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from faces import FAQ, HTTP_FACES, LIBRARY_FACES, Face, Outcome, open_face
from worlds import ANSWERS, HAS_MODEL, RESET, REWORDED, World

from semcache.upstream.simulator import Fault, FaultKind

OpenFace = Callable[[str], Face]
FACES = [*HTTP_FACES, *LIBRARY_FACES]
STREAMING = ["messages.stream", "raw stream", "drop-in stream"]
RIGHT = ANSWERS[RESET]
needs_model = pytest.mark.skipif(not HAS_MODEL, reason="the embedding model has not been built")


@pytest.fixture
def world(lasting_world: World) -> World:
    return lasting_world.start_over()


@pytest.fixture
def open_one(world: World, tmp_path: Path) -> Iterator[OpenFace]:
    with ExitStack() as stack:
        yield lambda name: open_face(name, world, stack, folder=tmp_path)


def agrees(outcome: Outcome, text: str, detail: str) -> bool:
    return outcome.text == text and outcome.error is None and outcome.detail in (None, detail)


@pytest.mark.parametrize("name", FACES)
def test_a_repeat_is_answered_from_memory(name: str, world: World, open_one: OpenFace) -> None:
    face = open_one(name)
    first, second = face.ask(RESET), face.ask(RESET)
    assert first.text == RIGHT
    assert agrees(second, RIGHT, "exact")
    assert world.calls == 1


@needs_model
@pytest.mark.parametrize("name", FACES)
def test_another_wording_is_answered_from_memory(name: str, world: World, open_one: OpenFace) -> None:
    face = open_one(name)
    face.ask(RESET)
    assert agrees(face.ask(REWORDED), RIGHT, "semantic")
    assert world.calls == 1


@pytest.mark.parametrize("name", FACES)
def test_a_faq_answers_any_model_without_a_call(name: str, world: World, open_one: OpenFace) -> None:
    face = open_one(name)
    face.import_faq(FAQ)
    outcome = face.ask("What are your opening hours?", model="claude-opus-5-5", system="You are brief.")
    assert agrees(outcome, "We are here from nine to five.", "faq")
    assert world.calls == 0


@pytest.mark.parametrize("name", FACES)
def test_another_question_is_a_miss(name: str, world: World, open_one: OpenFace) -> None:
    face = open_one(name)
    face.ask(RESET)
    assert face.ask("Where can I see my invoices?").text == ANSWERS["Where can I see my invoices?"]
    assert world.calls == 2


@pytest.mark.parametrize("name", FACES)
def test_whoever_switches_the_cache_off_is_never_answered_by_it(name: str, world: World, open_one: OpenFace) -> None:
    face = open_one(name)
    assert [face.ask(RESET, mode="off").text for _ in range(2)] == [RIGHT, RIGHT]
    assert world.calls == 2


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
@pytest.mark.parametrize("name", FACES)
def test_errors_reach_the_caller_and_are_never_stored(name: str, status: int, world: World, open_one: OpenFace) -> None:
    face = open_one(name)
    world.simulator.inject(Fault.of_status(status))
    assert face.ask(RESET).error == status
    assert face.ask(RESET).text == RIGHT
    assert world.calls == 2


@pytest.mark.parametrize("name", FACES)
def test_an_error_in_the_middle_is_raised_and_never_stored(name: str, world: World, open_one: OpenFace) -> None:
    face = open_one(name)
    world.simulator.inject(Fault(FaultKind.MID_STREAM_ERROR))
    outcome = face.ask(RESET)
    assert outcome.error == (200 if name in STREAMING else 529)
    assert outcome.kind in ("overloaded_error", "")
    assert face.ask(RESET).text == RIGHT


@pytest.mark.parametrize("kind", [FaultKind.TRUNCATED, FaultKind.TORN])
@pytest.mark.parametrize("name", [name for name in FACES if name != "drop-in stream"])
def test_a_truncated_answer_is_raised_and_never_stored(
    name: str, kind: FaultKind, world: World, open_one: OpenFace
) -> None:
    face = open_one(name)
    world.simulator.inject(Fault(kind))
    outcome = face.ask(RESET)
    assert (outcome.error, outcome.text) == (200 if name in STREAMING else 502, "")
    assert face.ask(RESET).text == RIGHT


@pytest.mark.parametrize("name", HTTP_FACES)
def test_what_one_face_learned_every_face_knows(name: str, world: World, open_one: OpenFace) -> None:
    learned: Any = open_one("raw stream").ask(RESET)
    assert open_one(name).ask(RESET).text == learned.text == RIGHT
    assert world.calls == 1
