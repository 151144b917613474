"""What makes two requests the same: the question, the scope digest around it, and the exact key.

The *frame* is the body without what never changes an answer and with a hole where the last user
text stood. Everything we do not understand stays in the frame, so it separates instead of leaking.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from semcache.message import THINKING_TYPES, block_types
from semcache.request import Json, Request

# Fields that change how an answer is delivered or billed, never what it says (Claude API §9.5).
DELIVERY_FIELDS = frozenset({"stream", "metadata", "cache_control", "diagnostics", "service_tier", "max_tokens"})
BILLING_PREFIX = "x-anthropic-billing-header:"  # Claude Code's first system block


_HISTORY_ROLES = ("user", "assistant")
_TEXT_FIELDS = frozenset({"type", "text", "citations"})


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier turn that is nothing but text."""

    role: str  # user or assistant
    text: str


@dataclass(frozen=True)
class Identity:
    """What a request is to the cache."""

    scope_digest: str  # all that must be equal for a similar question to share an answer
    key: str  # equal exactly when two requests mean the same
    question: str | None  # the last user text; None for agent turns and prefilled answers
    companions: frozenset[str]  # types of the blocks that stand beside the question
    history_turns: int  # turns before the question
    open_scope_digest: str  # the scope of the same question asked without the turns before it
    open_key: str  # and its key
    history: tuple[Turn, ...] | None  # the turns before the question; None where one is more than plain text


def identify(request: Request) -> Identity:
    """Digest a request: one canonical encoding of the body, and one without its earlier turns if it has any."""
    position = _question_position(request.messages)
    turns = [{**turn, "content": _normal_content(turn.get("content"))} for turn in request.messages]
    texts: list[str] = []
    companions = frozenset[str]()
    history = _plain_history(turns[: position or 0])
    if position is not None:
        blocks = turns[position]["content"]
        texts = [block["text"] for block in blocks if block.get("type") == "text"]
        companions = block_types(blocks) - {"text"}
        turns[position]["content"] = [_hollowed(block) for block in blocks]
    surroundings = _surroundings(request)
    scope = open_scope = digest([*surroundings, _frame(request, turns)])
    key = open_key = digest([scope, texts])
    if position:
        open_scope = digest([*surroundings, _frame(request, turns[position:])])
        open_key = digest([open_scope, texts])
    return Identity(
        scope_digest=scope,
        key=key,
        question="\n\n".join(texts) if position is not None else None,
        companions=companions,
        history_turns=len(turns) if position is None else position,
        open_scope_digest=open_scope,
        open_key=open_key,
        history=history if position is not None else None,
    )


def last_user_text(request: Request) -> str:
    """What the user says last; empty for agent turns and prefilled answers."""
    position = _question_position(request.messages)
    if position is None:
        return ""
    blocks = _normal_content(request.messages[position].get("content"))
    return "\n\n".join(block["text"] for block in blocks if block.get("type") == "text")


def system_digest(request: Request) -> str:
    """Names a system prompt, whatever its marks and form: how a FAQ import is narrowed to one."""
    return digest(_normal_system(request.body.get("system")))


def digest(value: Any) -> str:
    """SHA-256 of the canonical encoding, in hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def canonical(value: Any) -> bytes:
    """Bytes that are equal exactly when two JSON values are: sorted names, whole integers kept whole."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _surroundings(request: Request) -> list[Any]:
    """What separates requests besides their bodies."""
    query = "&".join(part for part in request.query.split("&") if part not in ("", "beta=true"))
    return [request.caller.namespace, request.caller.partition, request.version, request.betas, query]


def _frame(request: Request, turns: list[Json]) -> Json:
    frame = {name: value for name, value in request.body.items() if name not in DELIVERY_FIELDS}
    if turns:
        frame["messages"] = turns
    return {**frame, "system": _normal_system(frame.get("system")), "tools": _normal_tools(frame.get("tools"))}


def _hollowed(block: Json) -> Json:
    return {**block, "text": None} if block.get("type") == "text" else block


def _question_position(messages: list[Json]) -> int | None:
    """Where the last user text stands: only system turns may follow it, and it must hold text."""
    for index in range(len(messages) - 1, -1, -1):
        role = messages[index].get("role")
        if role == "system":
            continue
        content = _normal_content(messages[index].get("content"))
        types = block_types(content)
        texts = [block.get("text") for block in content if block.get("type") == "text"]
        spoken = [text for text in texts if isinstance(text, str)]
        speaks = role == "user" and "tool_result" not in types and len(spoken) == len(texts)
        return index if speaks and any(text.strip() for text in spoken) else None
    return None


def _plain_history(turns: list[Json]) -> tuple[Turn, ...] | None:
    """Earlier turns as texts, thinking left out; None where a turn has anything else to say."""
    read = [_plain_turn(turn) for turn in turns]
    return tuple(turn for turn in read if turn is not None) if None not in read else None


def _plain_turn(turn: Json) -> Turn | None:
    blocks = [block for block in turn["content"] if block.get("type") not in THINKING_TYPES]
    is_plain = turn.keys() == {"role", "content"} and turn["role"] in _HISTORY_ROLES
    if not is_plain or not all(_is_plain_text(block) for block in blocks):
        return None
    return Turn(turn["role"], "\n\n".join(block["text"] for block in blocks))


def _is_plain_text(block: Json) -> bool:
    return block.get("type") == "text" and isinstance(block.get("text"), str) and _TEXT_FIELDS.issuperset(block)


def _normal_content(content: Any) -> list[Json]:
    """Blocks without cache marks; a bare string is one text block. Anything else is kept, wrapped."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        return [{"type": "unreadable", "value": content}]
    return [_unmarked(block) for block in content]


def _unmarked(block: Any) -> Json:
    if not isinstance(block, dict):
        return {"type": "unreadable", "value": block}
    plain = {name: value for name, value in block.items() if name != "cache_control"}
    nested = plain.get("content")  # tool results and search results nest blocks
    if isinstance(nested, list) or (isinstance(nested, str) and plain.get("type") == "tool_result"):
        plain["content"] = _normal_content(nested)
    return plain


def _normal_system(system: Any) -> Any:
    if system is None or system in ("", []):
        return None
    if not isinstance(system, str | list):
        return system
    blocks = _normal_content(system)
    return [block for block in blocks if not str(block.get("text", "")).startswith(BILLING_PREFIX)] or None


def _normal_tools(tools: Any) -> Any:
    if not isinstance(tools, list) or not tools:
        return None if tools == [] else tools
    return [_unmarked(tool) for tool in tools]
