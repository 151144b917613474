"""Whether a body has the shape of a Messages request: each complaint names its field, as Claude's do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from semcache.request import Json
from semcache.upstream.simulator.shape_content import content_problems, is_whole, tool_problems

EXTRA = "Extra inputs are not permitted"
MAX_MESSAGES = 100_000
SAMPLING = ("temperature", "top_p", "top_k")

Problems = Iterator[str]
Check = Callable[[str, Any], Problems]


@dataclass(frozen=True)
class Dialect:
    """Which edition of the API a request is read by."""

    version: str
    betas: frozenset[str]
    in_batch: bool = False

    @property
    def is_2026(self) -> bool:
        return self.version == "2026-10-21"


def message_problems(body: Json, dialect: Dialect) -> Problems:
    """Everything wrong with the shape of a body of /v1/messages; the first is what Claude reports."""
    fields = _COMMON | _MESSAGES_ONLY | ({} if dialect.is_2026 else _SAMPLING_CHECKS)
    yield from _body_problems(body, fields, ("model", "max_tokens", "messages"), dialect)


def count_problems(body: Json, dialect: Dialect) -> Problems:
    """The same for /v1/messages/count_tokens, which takes fewer fields."""
    yield from _body_problems(body, _COMMON, ("model", "messages"), dialect)


def _body_problems(body: Json, fields: Mapping[str, Check], required: tuple[str, ...], dialect: Dialect) -> Problems:
    for name in required:
        if name not in body:
            yield f"{name}: Field required"
    for name, value in body.items():
        if name in fields:
            yield from fields[name](name, value)
        elif not dialect.betas or name in SAMPLING:
            yield f"{name}: {EXTRA}"
    yield from content_problems(body, is_2026=dialect.is_2026, has_betas=bool(dialect.betas))
    yield from tool_problems(body, has_betas=bool(dialect.betas))


def _text(where: str, value: Any) -> Problems:
    if not isinstance(value, str):
        yield f"{where}: Input should be a valid string"


def _nonempty_text(where: str, value: Any) -> Problems:
    yield from _text(where, value)
    if value == "":
        yield f"{where}: String should have at least 1 character"


def _nullable(check: Check) -> Check:
    def checked(where: str, value: Any) -> Problems:
        if value is not None:
            yield from check(where, value)

    return checked


def _boolean(where: str, value: Any) -> Problems:
    if not isinstance(value, bool):
        yield f"{where}: Input should be a valid boolean"


def _whole(where: str, value: Any) -> Problems:
    if not is_whole(value):
        yield f"{where}: Input should be a valid integer"
    elif value < 0:
        yield f"{where}: Input should be greater than or equal to 0"


def _share(where: str, value: Any) -> Problems:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{where}: Input should be a valid number"
    elif value < 0:
        yield f"{where}: Input should be greater than or equal to 0"
    elif value > 1:
        yield f"{where}: Input should be less than or equal to 1"


def _list(where: str, value: Any) -> Problems:
    if not isinstance(value, list):
        yield f"{where}: Input should be a valid list"


def _messages(where: str, value: Any) -> Problems:
    yield from _list(where, value)
    if value == []:
        yield f"{where}: at least one message is required"
    elif isinstance(value, list) and len(value) > MAX_MESSAGES:
        yield f"{where}: List should have at most {MAX_MESSAGES} items after validation, not {len(value)}"


def _text_or_list(where: str, value: Any) -> Problems:
    if not isinstance(value, str | list):
        yield f"{where}: Input should be a valid string or list"


def _text_or_object(where: str, value: Any) -> Problems:
    if not isinstance(value, str | dict):
        yield f"{where}: Input should be a valid string or dictionary"


def _stop_sequences(where: str, value: Any) -> Problems:
    yield from _list(where, value)
    for place, sequence in enumerate(value if isinstance(value, list) else []):
        yield from _text(f"{where}.{place}", sequence)
        if isinstance(sequence, str) and not sequence.strip():
            yield f"{where}: each stop sequence must contain non-whitespace"


def _one_of(*choices: str) -> Check:
    named = " or ".join(f"'{choice}'" for choice in choices)

    def checked(where: str, value: Any) -> Problems:
        if value not in choices:
            yield f"{where}: Input should be {named}"

    return checked


def _object(fields: Mapping[str, Check], required: tuple[str, ...] = ()) -> Check:
    def checked(where: str, value: Any) -> Problems:
        if not isinstance(value, dict):
            yield f"{where}: Input should be a valid dictionary"
            return
        for name in required:
            if name not in value:
                yield f"{where}.{name}: Field required"
        for name, item in value.items():
            if name in fields:
                yield from fields[name](f"{where}.{name}", item)
            else:
                yield f"{where}.{name}: {EXTRA}"

    return checked


def _tagged(shapes: Mapping[str, Check]) -> Check:
    """An object whose `type` says which of these shapes it has."""
    known = ", ".join(f"'{tag}'" for tag in shapes)

    def checked(where: str, value: Any) -> Problems:
        tag = value.get("type") if isinstance(value, dict) else None
        if not isinstance(value, dict):
            yield f"{where}: Input should be a valid dictionary"
        elif not isinstance(tag, str) or tag not in shapes:
            yield f"{where}: Input tag '{tag}' found using 'type' does not match any of the expected tags: {known}"
        else:
            yield from shapes[tag](f"{where}.{tag}", value)

    return checked


def _anything(where: str, value: Any) -> Problems:
    yield from ()


def _dictionary(where: str, value: Any) -> Problems:
    if not isinstance(value, dict):
        yield f"{where}: Input should be a valid dictionary"


_CACHE_CONTROL = _object({"type": _one_of("ephemeral"), "ttl": _one_of("5m", "1h")}, ("type",))
_DISPLAY = _nullable(_one_of("summarized", "omitted"))
_BINDING = {"block_binding": _dictionary}  # beta thinking-binding-controls-2026-08-01
_PARALLEL = {"type": _anything, "disable_parallel_tool_use": _boolean}
_COMMON: dict[str, Check] = {
    "model": _nonempty_text,
    "messages": _messages,
    "system": _text_or_list,
    "tools": _list,
    "cache_control": _nullable(_CACHE_CONTROL),
    "speed": _nullable(_one_of("standard", "fast")),
    "thinking": _tagged(
        {
            "adaptive": _object({"type": _anything, "display": _DISPLAY, **_BINDING}),
            "enabled": _object(
                {"type": _anything, "budget_tokens": _whole, "display": _DISPLAY, **_BINDING}, ("budget_tokens",)
            ),
            "disabled": _object({"type": _anything}),
            "between_tools": _object({"type": _anything, **_BINDING}),
        }
    ),
    "tool_choice": _tagged(
        {
            "auto": _object(_PARALLEL),
            "any": _object(_PARALLEL),
            "tool": _object({**_PARALLEL, "name": _nonempty_text}, ("name",)),
            "none": _object({"type": _anything}),
        }
    ),
    "output_config": _object(
        {
            "effort": _nullable(_one_of("low", "medium", "high", "xhigh", "max")),
            "format": _nullable(_object({"type": _one_of("json_schema"), "schema": _dictionary}, ("type", "schema"))),
            "task_budget": _dictionary,
        }
    ),
}
_MESSAGES_ONLY: dict[str, Check] = {
    "max_tokens": _whole,
    "stream": _boolean,
    "stop_sequences": _stop_sequences,
    "metadata": _object({"user_id": _nullable(_text)}),
    "service_tier": _one_of("auto", "standard_only"),
    "inference_geo": _nullable(_text),
    "container": _nullable(_text_or_object),
    "diagnostics": _nullable(_object({"previous_message_id": _nullable(_text)})),
}
_SAMPLING_CHECKS: dict[str, Check] = {"temperature": _share, "top_p": _share, "top_k": _whole}
