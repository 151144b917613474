"""Schools, closed when their test is over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from schools import OpenSchool, School


@pytest.fixture
def open_school() -> Iterator[OpenSchool]:
    opened: list[School] = []

    def opening(**options: Any) -> School:
        opened.append(School(**options))
        return opened[-1]

    yield opening
    for school in opened:
        school.ledger.close()


@pytest.fixture
def school(open_school: OpenSchool) -> School:
    return open_school()
