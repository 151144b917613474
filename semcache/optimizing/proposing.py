"""Asks a Claude model for shorter versions of a system prompt, and refuses those that lack what must stay."""

from __future__ import annotations

import json
import re
import secrets
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from semcache.canonical import digest
from semcache.message import Message
from semcache.optimizing.asking import Asking
from semcache.optimizing.protected import missing_in
from semcache.pricing import Model, estimate_tokens
from semcache.request import Json

LEAST_SAVING = 0.03  # of the original's tokens: less is not worth a change
_ROOM_TOKENS = 6_000  # to think, and for the JSON around
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL)
_ELEMENT = re.compile(r"<version>\n?(.*?)\n?</version>", re.DOTALL)


@dataclass(frozen=True)
class Proposal:
    """A shorter version. `lacks` is what it should hold and does not, by kind: with any of it, it is refused."""

    text: str = field(repr=False)
    lacks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_refused(self) -> bool:
        return bool(self.lacks)


@dataclass(frozen=True)
class Proposals:
    """Versions that are shorter, the shortest first; `problem`: why there is none."""

    versions: tuple[Proposal, ...] = ()
    problem: str = ""


def propose(original: str, asking: Asking, model: Model, *, count: int, tools: Sequence[str] = ()) -> Proposals:
    """Raises `UpstreamError`."""
    name = f"propose/{digest([original, model.id, count])}"
    message = asking.ask(proposing_body(original, model, count=count), name=name)
    texts = dict.fromkeys(text.strip() for text in read_versions(message))
    most = estimate_tokens(original) * (1 - LEAST_SAVING)
    shorter = sorted((text for text in texts if text and estimate_tokens(text) <= most), key=estimate_tokens)
    if not shorter:
        return Proposals(problem=_problem(message, model, has_versions=bool(texts)))
    return Proposals(tuple(Proposal(text, missing_in(text, original, names=tools)) for text in shorter[:count]))


def _problem(message: Message, model: Model, *, has_versions: bool) -> str:
    if has_versions:
        return f"no version of {model.id}'s is shorter by {LEAST_SAVING:.0%} at least"
    match message.stop_reason:
        case "refusal":
            return f"{model.id} refused to shorten it; try another --model"
        case "max_tokens" | "model_context_window_exceeded":
            return f"{model.id}'s answer was cut off; ask for fewer --versions"
        case _:
            return f"{model.id}'s answer holds no version; try again, or another --model"


def proposing_body(original: str, model: Model, *, count: int, mark: str | None = None) -> Json:
    """The request that asks for versions; the prompt stands in it as data."""
    code = mark or secrets.token_hex(8)
    said = _texts()
    tokens = int(estimate_tokens(original) * model.tokenizer_factor) * count + _ROOM_TOKENS
    asked = said["ask"].format(count=count, original=f"<<<prompt {code}\n{original}\n{code} end of prompt>>>")
    return {
        "model": model.id,
        "max_tokens": min(tokens, model.max_output_tokens),
        "system": said["system"].strip(),
        "messages": [{"role": "user", "content": asked.strip()}],
        "output_config": {"format": {"type": "json_schema", "schema": _schema()}},
    }


def read_versions(message: Message) -> list[str]:
    """The versions in an answer, whether it is the JSON that was asked for, fenced, a bare list, or elements."""
    text = message.text
    fenced = _FENCE.match(text)
    try:
        said = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return [found.strip() for found in _ELEMENT.findall(text)]
    return list(_strings(said.get("versions") if isinstance(said, dict) else said))


def _strings(said: object) -> Iterator[str]:
    for each in said if isinstance(said, list) else []:
        text = each.get("text") if isinstance(each, dict) else each
        if isinstance(text, str):
            yield text


def _schema() -> Json:
    versions = {"type": "array", "items": {"type": "string"}}
    return {
        "type": "object",
        "properties": {"versions": versions},
        "required": ["versions"],
        "additionalProperties": False,
    }


@cache
def _texts() -> dict[str, str]:
    said = tomllib.loads(files("semcache.optimizing").joinpath("proposing.toml").read_text("utf-8"))
    return {name: str(said[name]) for name in ("system", "ask")}
