"""A request on its way from one model to another: what is known of the journey, and what has been changed so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

from semcache.pricing import Model
from semcache.request import Headers, Json, Request

STRATEGY = "translation"
DISPLAYS = ("omitted", "summarized")  # of thinking


@dataclass(frozen=True, slots=True)
class Untranslatable:
    """The request stays on its model; `reason` says why in words that hold nothing of the prompt."""

    reason: str


@dataclass(frozen=True, slots=True)
class Passage:
    """From where to where, on which day, and with which effort where the journey wants one of its own."""

    request: Request
    source: Model
    target: Model
    on: date
    effort: str | None = None

    @property
    def changes_model(self) -> bool:
        return self.source.id != self.target.id


@dataclass
class Draft:
    """The translated body as it grows. Its top level is a copy; what lies below is replaced, never edited."""

    body: Json
    headers: Headers
    changes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: Request) -> Draft:
        return cls(dict(request.body), request.headers)

    def put(self, name: str, value: object, told: str) -> None:
        self.body[name] = value
        self.changes.append(told)

    def drop(self, name: str, told: str) -> None:
        del self.body[name]
        self.changes.append(told)

    def request_from(self, original: Request) -> Request:
        """The original itself where nothing of it was changed."""
        if self.body == original.body and self.headers == original.headers:
            return original
        signed = (*original.shaped_by, STRATEGY)
        return replace(original, body=self.body, headers=self.headers, raw=None, shaped_by=signed)


def section(body: Json, name: str) -> Json:
    """The object in this field; empty where there is none, or something else."""
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[Json]:
    """The objects of a list; none where it is not a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def forces_a_tool(body: Json) -> bool:
    return section(body, "tool_choice").get("type") in ("any", "tool")


def may_use_tools(body: Json) -> bool:
    return bool(body.get("tools")) and section(body, "tool_choice").get("type") != "none"


def spoken_turns(request: Request) -> list[Json]:
    """The turns of user and assistant; system messages stand aside."""
    return [turn for turn in request.messages if turn.get("role") != "system"]


def is_prefilled(request: Request) -> bool:
    """Whether the answer's beginning is given: the last to speak is the assistant."""
    turns = spoken_turns(request)
    return bool(turns) and turns[-1].get("role") == "assistant"


def brings_results(turn: Json) -> bool:
    """Whether a turn answers the assistant's tool calls."""
    return any(block.get("type") == "tool_result" for block in objects(turn.get("content")))
