"""Worlds on demand, taken down when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from worlds import ANSWERS, MODELS, Place, Script, World, served, settings

from semcache.pricing import PriceBook
from semcache.service.app import create_app
from semcache.upstream.simulator import Conduct, Simulator, simulator_app

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[MakeWorld]:
    """The service in front of the simulator, with these settings; both behind HTTP."""
    with world_maker(tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def lasting_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for a whole table of tests."""
    with world_maker(tmp_path_factory.mktemp("world")) as make:
        yield make()


@contextmanager
def world_maker(folder: Path) -> Iterator[MakeWorld]:
    with ExitStack() as stack:

        def make(*, conduct: Conduct | None = None, answers: Any = ANSWERS, **changes: Any) -> World:
            simulator = Simulator(PriceBook.load(MODELS / "claude.toml"), answers=answers, conduct=conduct)
            upstream = stack.enter_context(served(simulator_app(simulator), lifespan="off"))
            chosen = settings(folder, upstream=upstream, **changes)
            world = World(chosen, stack.enter_context(served(create_app(chosen))), simulator)
            stack.callback(world.check_closed)
            return world

        yield make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """The service in front of a script."""
    with ExitStack() as stack:

        def make(script: Script, **changes: Any) -> Place:
            upstream = stack.enter_context(served(script, lifespan="off"))
            chosen = settings(tmp_path, **{"upstream": upstream, **changes})
            place = Place(chosen, stack.enter_context(served(create_app(chosen))))
            stack.callback(place.check_closed)
            return place

        yield make
