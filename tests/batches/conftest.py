"""One world for the many tests that leave nothing behind, and one for each that needs its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from batches.batch_worlds import BatchWorld, batch_world


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[Callable[..., BatchWorld]]:
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(batch_world(tmp_path, **changes))


@pytest.fixture
def world(open_world: Callable[..., BatchWorld]) -> Any:
    return open_world()
