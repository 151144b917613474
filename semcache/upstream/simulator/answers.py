"""What the simulated Claude says: from a table, from a callable, or a deterministic echo."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from semcache.request import Json, encode_json
from semcache.upstream.simulator.blocks import question_of
from semcache.upstream.simulator.samples import sample_of

_QUOTED_CHARACTERS = 400


@dataclass(frozen=True)
class Reply:
    """An answer before it meets max_tokens and stop sequences.

    `usage` overrides fields of the computed usage object, and with them the bill.
    """

    content: str | tuple[Json, ...]
    stop_reason: str | None = None  # None: whatever follows from the content
    stop_details: Json | None = None
    usage: Json | None = None
    thinking: str | None = None  # what a summarised thinking block says
    model: str | None = None  # another model answered (server-side fallback)

    @property
    def blocks(self) -> tuple[Json, ...]:
        if isinstance(self.content, str):
            return ({"type": "text", "text": self.content},) if self.content else ()
        return self.content


Said = str | Reply
Answers = Mapping[str, Said] | Callable[[Json], Said]


class Voice:
    """Finds the reply to a body."""

    def __init__(self, answers: Answers | None = None) -> None:
        self._ask: Callable[[Json], Said] | None = None
        self._table: dict[str, Said] = {}
        if isinstance(answers, Mapping):
            self._table = {fold(question): said for question, said in answers.items()}
        else:
            self._ask = answers

    def reply(self, body: Json) -> Reply:
        if self._ask is not None:
            return _as_reply(self._ask(body))
        if forced := _forced_tool(body):
            return forced
        question = question_of(body)
        said = self._table.get(fold(question))
        return _as_reply(said if said is not None else _echo(body, question))


def fold(text: str) -> str:
    """One form for a question in whatever case, width and spacing."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def tool_use_block(name: str, arguments: Json, *, id: str = "") -> Json:
    """A tool_use block for a `Reply`; without an id it gets a fresh one."""
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def _as_reply(said: Said) -> Reply:
    return said if isinstance(said, Reply) else Reply(said)


def _forced_tool(body: Json) -> Reply | None:
    """A call of the tool that tool_choice demands; with `any`, of the first one."""
    choice: Json = body.get("tool_choice") or {}
    if choice.get("type") not in ("any", "tool"):
        return None
    tools = [tool for tool in body["tools"] if "name" in tool and choice.get("name") in (None, tool["name"])]
    if not tools:
        return None
    arguments: Any = sample_of(tools[0].get("input_schema", {"type": "object"}), question_of(body))
    return Reply((tool_use_block(tools[0]["name"], arguments),))


def _echo(body: Json, question: str) -> str:
    """Some sentences that are the same for the same question, and differ between questions."""
    wanted = (body.get("output_config") or {}).get("format")
    if wanted is not None:
        return encode_json(sample_of(wanted["schema"], question)).decode()
    asked = " ".join(question.split()) or "nothing in words"
    if len(asked) > _QUOTED_CHARACTERS:
        asked = f"{asked[:_QUOTED_CHARACTERS]}…"
    words = sorted({word.strip(".,;:!?\"'()").casefold() for word in asked.split()} - {""}, key=lambda w: (-len(w), w))
    return (
        f"You asked: {asked}\n\n"
        f"This is a simulated answer. The words that carry most of the question are {', '.join(words[:4]) or 'none'}. "
        "A real answer would take them up one by one, give an example for each, and say what remains open. "
        f"The question has {len(question.split())} words and {len(question)} characters, and whoever asks it again in "
        "exactly this form is told exactly this."
    )
