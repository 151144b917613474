"""Which paths the simulated API has, and for which methods."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from semcache.upstream.simulator.conduct import BATCHES
from semcache.upstream.simulator.responses import Problem
from semcache.upstream.upstream import UpstreamRequest

MESSAGES = "/v1/messages"
COUNT_TOKENS = "/v1/messages/count_tokens"
MODELS = "/v1/models"


class Act(Enum):
    """What can be done with batches; the value is the method."""

    CREATE = "POST all"
    LIST = "GET all"
    RETRIEVE = "GET one"
    DELETE = "DELETE one"
    CANCEL = "POST cancel"
    RESULTS = "GET results"


@dataclass(frozen=True)
class BatchErrand:
    """An act, and the batch it is about; empty for those about all."""

    act: Act
    batch_id: str = ""


_ACTS = {act.value: act for act in Act}


def routed(request: UpstreamRequest) -> Problem | None:
    """A problem where this path does not exist, or not for this method."""
    if _is_under_batches(request.path):
        errand = batch_errand(request)
        return errand if isinstance(errand, Problem) else None
    if request.path in (MESSAGES, COUNT_TOKENS):
        allowed = "POST"
    elif request.path == MODELS or _names_a_model(request.path):
        allowed = "GET"
    else:
        return Problem(404, "Not found")
    return None if request.method == allowed else Problem(405, "Method Not Allowed")


def batch_errand(request: UpstreamRequest) -> BatchErrand | Problem | None:
    """What a request wants of batches; None where it wants something else."""
    if not _is_under_batches(request.path):
        return None
    batch_id, _, rest = request.path.removeprefix(BATCHES).removeprefix("/").partition("/")
    part = rest or ("one" if batch_id else "all")
    if not any(known.endswith(f" {part}") for known in _ACTS) or (rest and rest in ("one", "all")):
        return Problem(404, "Not found")
    act = _ACTS.get(f"{request.method} {part}")
    return Problem(405, "Method Not Allowed") if act is None else BatchErrand(act, batch_id)


def _is_under_batches(path: str) -> bool:
    return path == BATCHES or path.startswith(f"{BATCHES}/")


def _names_a_model(path: str) -> bool:
    return path.startswith(f"{MODELS}/") and "/" not in path.removeprefix(f"{MODELS}/")
