"""Worlds on demand, taken down when the test ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from worlds import Place, Script, World, served, settings, world_maker

from semcache.service.app import create_app

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
