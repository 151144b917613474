"""What an examination finds, line by line."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(Enum):
    """How bad it is. Only `FAIL` makes the examination fail."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the report. The message of an error that is reported as it came names its remedy itself."""

    level: Level
    what: str
    finding: str
    remedy: str = ""


def ok(what: str, finding: str) -> Finding:
    return Finding(Level.OK, what, finding)


def warn(what: str, finding: str, remedy: str) -> Finding:
    return Finding(Level.WARN, what, finding, remedy)


def fail(what: str, finding: str, remedy: str = "") -> Finding:
    return Finding(Level.FAIL, what, finding, remedy)
