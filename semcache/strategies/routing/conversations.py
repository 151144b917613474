"""Which arm a conversation is on: its prompt cache is warm there, and its thinking is signed for it."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from semcache.canonical import digest
from semcache.journal import Journalled, operation
from semcache.message import THINKING_TYPES
from semcache.request import Json, Request

MOST_KEPT = 8_192
WARM_SECONDS = 300.0  # Claude's shorter time to live of a cached prompt
_SESSION_HEADERS = ("x-claude-code-session-id", "x-claude-code-agent-id")


@dataclass(frozen=True, slots=True)
class Stay:
    """Where a conversation was last answered, and when."""

    arm: str
    at: float


class Conversations(Journalled):
    """The latest conversations; the one that spoke longest ago is forgotten first. Thread-safe."""

    def __init__(self) -> None:
        self._stays: OrderedDict[str, Stay] = OrderedDict()
        self._lock = Lock()

    def of(self, request: Request) -> Stay | None:
        """Where this conversation is; None where it begins here, or is not remembered."""
        if not has_history(request):
            return None
        with self._lock:
            return self._stays.get(conversation_key(request))

    def keep(self, request: Request, arm: str, *, at: float) -> None:
        self._keep(conversation_key(request), arm, at)

    @operation
    def _keep(self, key: str, arm: str, at: float) -> None:
        with self._lock:
            self._stays[key] = Stay(arm, at)
            self._stays.move_to_end(key)
            if len(self._stays) > MOST_KEPT:
                self._stays.popitem(last=False)

    def to_bytes(self) -> bytes:
        with self._lock:
            return json.dumps([[key, stay.arm, round(stay.at)] for key, stay in self._stays.items()]).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        stays = {str(key): Stay(str(arm), float(at)) for key, arm, at in json.loads(content)}
        with self._lock:
            self._stays = OrderedDict(stays)


def conversation_key(request: Request) -> str:
    """The client's own name of the session, else whatever its turns have begun with."""
    caller = [request.caller.namespace, request.caller.partition or request.caller.credential, request.model]
    session = [request.header(name) for name in _SESSION_HEADERS]
    if session[0] is not None:
        return digest([caller, session])[:24]
    opening = next((turn.get("content") for turn in request.messages if turn.get("role") == "user"), None)
    return digest([caller, request.body.get("system"), _plain(opening)])[:24]


def has_history(request: Request) -> bool:
    """Whether Claude has spoken before."""
    return any(turn.get("role") == "assistant" for turn in request.messages)


def carries_signed_thinking(request: Request) -> bool:
    """Whether earlier thinking is sent back: another model could not read it."""
    for turn in request.messages:
        content = turn.get("content")
        if isinstance(content, list) and any(_type_of(block) in THINKING_TYPES for block in content):
            return True
    return False


def _plain(content: object) -> object:
    """Marks move from turn to turn, and a block may come back as a bare text."""
    if not isinstance(content, list):
        return content
    texts = [block.get("text") for block in content if isinstance(block, dict) and block.get("type") == "text"]
    return texts[0] if len(texts) == len(content) == 1 else [_unmarked(block) for block in content]


def _unmarked(block: object) -> object:
    return (
        {name: value for name, value in block.items() if name != "cache_control"} if isinstance(block, dict) else block
    )


def _type_of(block: object) -> object:
    return block.get("type") if isinstance(block, dict) else None


def system_text(body: Json) -> str:
    """The system prompt's texts, joined."""
    system = body.get("system")
    if isinstance(system, str):
        return system
    blocks = system if isinstance(system, list) else []
    return "\n".join(str(block.get("text", "")) for block in blocks if isinstance(block, dict))
