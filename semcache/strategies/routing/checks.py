"""Whether an answer fails in a way that is cheap to see: then a stronger model is asked before the caller sees it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from semcache.message import Message
from semcache.request import Request
from semcache.strategies.routing.conversations import system_text
from semcache.strategies.routing.table import Task

TRUNCATED, REFUSED, EMPTY = "truncated", "refusal", "empty"
NOT_JSON, OFF_SCHEMA, HEDGED, PATTERN, OWN_CHECK = "not-json", "off-schema", "hedged", "pattern", "check"
_STOPS = {"max_tokens": TRUNCATED, "refusal": REFUSED, "model_context_window_exceeded": TRUNCATED}
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL | re.IGNORECASE)


def failure_of(request: Request, message: Message, task: Task | None, question: str) -> str | None:
    """One word for what is wrong with the answer; None where nothing can be seen."""
    if (failed := _STOPS.get(message.stop_reason or "")) is not None:
        return failed
    if any(block.get("type") not in ("text", "thinking", "redacted_thinking") for block in message.blocks):
        return None  # a tool is called: there is no text to judge yet
    text = message.text
    if not text.strip():
        return EMPTY
    checks: tuple[Callable[[], str | None], ...] = (
        lambda: _form_failure(request, text, question),
        lambda: HEDGED if _hedges(text) else None,
        lambda: PATTERN if task is not None and not _matches(task, text) else None,
        lambda: OWN_CHECK if not _passes(request, text) else None,
    )
    return next((failed for check in checks if (failed := check()) is not None), None)


def _form_failure(request: Request, text: str, question: str) -> str | None:
    schema = _schema_of(request)
    if schema is None and not _asks_for_json(request, question):
        return None
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced.group(1) if fenced is not None and schema is None else text)
    except ValueError:
        return NOT_JSON
    return OFF_SCHEMA if schema is not None and not _conforms(value, schema) else None


def _schema_of(request: Request) -> dict[str, Any] | None:
    config = request.body.get("output_config")
    wanted = config.get("format") if isinstance(config, dict) else None
    schema = wanted.get("schema") if isinstance(wanted, dict) else None
    return schema if isinstance(schema, dict) else None


def _conforms(value: object, schema: dict[str, Any]) -> bool:
    """A schema that is none cannot be failed: whether Claude takes it is not for us to say."""
    import jsonschema
    from referencing import Registry

    draft = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    # A caller's regular expression could hold a thread for ever, and a reference must not make us fetch anything.
    validator = jsonschema.validators.extend(draft, {name: None for name in ("pattern", "patternProperties")})
    try:
        return bool(validator(schema, registry=Registry()).is_valid(value))
    except Exception:  # whatever an ill-made schema raises
        return True


def _asks_for_json(request: Request, question: str) -> bool:
    lexicon = _lexicon()
    told = f"{question[-600:]}\n{system_text(request.body)[:2_000]}".casefold()
    return any(pattern.search(told) for pattern in lexicon.json_asked)


def _hedges(text: str) -> bool:
    lexicon = _lexicon()
    opening = " ".join(text[: 2 * lexicon.within_characters].replace("\u2019", "'").casefold().split())
    return any(pattern.search(opening[: lexicon.within_characters]) for pattern in lexicon.hedges)


def _matches(task: Task, text: str) -> bool:
    return task.answer_pattern is None or task.answer_pattern.search(text) is not None


def _passes(request: Request, text: str) -> bool:
    """A check that breaks has found nothing: the answer is here."""
    if request.directives.check is None:
        return True
    try:
        return bool(request.directives.check(text))
    except Exception:
        return True


@dataclass(frozen=True)
class _Lexicon:
    hedges: tuple[re.Pattern[str], ...]
    json_asked: tuple[re.Pattern[str], ...]
    within_characters: int


@cache
def _lexicon() -> _Lexicon:
    data = tomllib.loads(files("semcache.strategies.routing").joinpath("hedging.toml").read_text("utf-8"))
    return _Lexicon(
        tuple(re.compile(pattern) for pattern in data["hedges"]),
        tuple(re.compile(pattern) for pattern in data["json_asked"]),
        int(data["within_characters"]),
    )
