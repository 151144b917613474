"""Says for another model what a request says for its own, so that Claude never refuses it because of the change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

from semcache.pricing import Model
from semcache.request import Request
from semcache.strategies.translation_bounds import bounds
from semcache.strategies.translation_fields import (
    cap_max_tokens,
    drop_sampling,
    drop_signed_thinking,
    drop_speed,
    name_model,
)
from semcache.strategies.translation_passage import Draft, Passage, Untranslatable
from semcache.strategies.translation_thinking import set_effort, set_thinking

__all__ = ["Translation", "Untranslatable", "translated"]

# In this order: the thinking budget depends on max_tokens, the rest on thinking.
_STEPS: tuple[Callable[[Passage, Draft], Untranslatable | None], ...] = (
    name_model,
    drop_signed_thinking,
    cap_max_tokens,
    set_thinking,
    set_effort,
    drop_sampling,
    drop_speed,
)


@dataclass(frozen=True, slots=True)
class Translation:
    """The request for the other model, and what was changed, one phrase for each change.

    The phrases are ASCII without line breaks and hold nothing of the prompt: fit for a header.
    """

    request: Request = field(repr=False)
    changes: tuple[str, ...] = ()


def translated(
    request: Request, *, source: Model, target: Model, on: date, effort: str | None = None
) -> Translation | Untranslatable:
    """The request as `target` takes it.

    `source` is the model for which the request was written: what it leaves out means that model's
    defaults. For `model: "auto"` give the target itself. `effort` is what the router wants in
    place of the caller's. A request that its own model would refuse may be refused by the target.
    """
    if effort is None and source.id == target.id and request.model in (target.id, *target.aliases):
        return Translation(request)
    passage = Passage(request, source, target, on, effort)
    if (reason := next(bounds(passage), None)) is not None:
        return Untranslatable(reason)
    draft = Draft.of(request)
    for step in _STEPS:
        if (stopped := step(passage, draft)) is not None:
            return stopped
    return Translation(draft.request_from(request), tuple(draft.changes))
