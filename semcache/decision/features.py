"""What a request uses of the API: state kept by Claude, tools, references, sampling, things unknown to us."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from semcache.request import Json, Request

HIGHEST_STEADY_TEMPERATURE = 0.5
"""An explicit temperature above this asks for variety, Claude's own default of 1.0 included: who names it wants it.

Absent sampling parameters are normal traffic; lower ones, top_p and top_k are part of the scope.
"""

_STATEFUL_FIELDS = {
    "thread": "thread",
    "container": "container",
    "mcp_servers": "mcp",
    "context_management": "context-management",
    "compaction": "compaction",
    "fallbacks": "fallbacks",
    "fallback_credit_token": "fallbacks",
}
_KNOWN_FIELDS = frozenset(_STATEFUL_FIELDS) | {
    *("model", "messages", "max_tokens", "system", "tools", "tool_choice", "thinking", "stream", "stop_sequences"),
    *("metadata", "cache_control", "diagnostics", "service_tier", "speed", "inference_geo", "billing_policy"),
    *("temperature", "top_p", "top_k", "output_config", "output_format"),
}
_KNOWN_BLOCKS = frozenset(
    ["text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use", "tool_result"]
)
_REMOTE_SOURCES = frozenset({"url", "file", "file_id"})
_OWN_TOOL_TYPES = (None, "custom")


class Feature(Enum):
    """What makes an answer depend on more than the request says; the values are reasons."""

    THREAD = "thread"
    CONTAINER = "container"
    MCP = "mcp"
    CONTEXT_MANAGEMENT = "context-management"
    COMPACTION = "compaction"
    FALLBACKS = "fallbacks"
    SERVER_TOOLS = "server-tools"
    UNREADABLE = "unreadable"
    TOOL_USE = "tool-use"

    @classmethod
    def present_in(cls, request: Request) -> frozenset[Feature]:
        """Those that this request uses."""
        fields = {cls(_STATEFUL_FIELDS[name]) for name in _STATEFUL_FIELDS if request.body.get(name) not in (None, [])}
        blocks = {feature for block in _blocks(request) if (feature := _of_block(block)) is not None}
        return frozenset(fields | blocks | set(_of_tools(request.body.get("tools"))))


def stateful_feature(request: Request) -> Feature | None:
    """The first feature, in the order of the enum, for which nothing may be looked up."""
    present = Feature.present_in(request) - {Feature.TOOL_USE}
    return next((feature for feature in Feature if feature in present), None)


def tools_offered(request: Request) -> bool:
    """Whether the model may act instead of answering."""
    choice = request.body.get("tool_choice")
    return bool(request.body.get("tools")) and not (isinstance(choice, dict) and choice.get("type") == "none")


def wants_variety(request: Request) -> bool:
    """Whether the caller asks for answers that differ from call to call."""
    temperature = request.body.get("temperature")
    return isinstance(temperature, int | float) and temperature > HIGHEST_STEADY_TEMPERATURE


def refers_to_remote_content(request: Request) -> bool:
    """Whether an image or document is named by URL or file id, so that its content is not in the request."""
    for block in _blocks(request):
        source = block.get("source")
        if isinstance(source, dict) and (source.get("type") in _REMOTE_SOURCES or "file_id" in source):
            return True
    return False


def carries_unknown_fields(request: Request) -> bool:
    """Whether the body has fields whose meaning we do not know."""
    return not _KNOWN_FIELDS.issuperset(request.body)


def carries_unknown_blocks(request: Request) -> bool:
    """Whether a turn holds blocks whose meaning we do not know."""
    return any(block.get("type") not in _KNOWN_BLOCKS for block in _blocks(request))


def _of_block(block: Json) -> Feature | None:
    kind = str(block.get("type"))
    if kind in ("tool_use", "tool_result"):
        return Feature.TOOL_USE
    if kind.startswith("mcp_"):
        return Feature.MCP
    if kind in ("container_upload", "compaction"):
        return Feature.CONTAINER if kind == "container_upload" else Feature.COMPACTION
    if kind == "server_tool_use" or kind.endswith("_tool_result") or kind.startswith("tool_search"):
        return Feature.SERVER_TOOLS
    return Feature.UNREADABLE if kind == "unreadable" else None


def _of_tools(tools: Any) -> Iterator[Feature]:
    """Typed tools run on Claude's side, or on a machine: their answers belong to a moment."""
    if tools is None:
        return
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        yield Feature.UNREADABLE
        return
    for tool in tools:
        kind = tool.get("type")
        if kind not in _OWN_TOOL_TYPES:
            yield Feature.MCP if str(kind).startswith("mcp") else Feature.SERVER_TOOLS


def _blocks(request: Request) -> Iterator[Json]:
    """Every content block of every turn, nested ones included."""
    for turn in request.messages:
        yield from _flattened(turn.get("content"))


def _flattened(content: Any) -> Iterator[Json]:
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        yield {"type": "unreadable"}
        return
    for block in content:
        if not isinstance(block, dict):
            yield {"type": "unreadable"}
            continue
        yield block
        if isinstance(block.get("content"), list):
            yield from _flattened(block["content"])
