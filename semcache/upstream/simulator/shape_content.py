"""The shape of turns, content blocks, system and tools."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from semcache.request import Json

Problems = Iterator[str]

ROLES = ("user", "assistant", "system")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_MARK = frozenset({"type", "cache_control"})
# Fields that a block must and may have; None: any further ones.
_BLOCKS: dict[str, tuple[frozenset[str], frozenset[str] | None]] = {
    "text": (frozenset({"text"}), _MARK | {"text", "citations"}),
    "image": (frozenset({"source"}), _MARK | {"source"}),
    "document": (frozenset({"source"}), _MARK | {"source", "title", "context", "citations"}),
    "search_result": (frozenset({"content", "source", "title"}), None),
    "thinking": (frozenset({"thinking", "signature"}), frozenset({"type", "thinking", "signature"})),
    "redacted_thinking": (frozenset({"data"}), frozenset({"type", "data"})),
    "tool_use": (
        frozenset({"id", "name", "input"}),
        _MARK | {"id", "name", "input", "caller", "toolset_name"},
    ),
    "tool_result": (
        frozenset({"tool_use_id"}),
        _MARK | {"tool_use_id", "content", "is_error", "toolset_name"},
    ),
    "server_tool_use": (frozenset({"id", "name", "input"}), None),
    "web_search_tool_result": (frozenset({"tool_use_id", "content"}), None),
    "web_fetch_tool_result": (frozenset({"tool_use_id", "content"}), None),
    "code_execution_tool_result": (frozenset({"tool_use_id", "content"}), None),
    "bash_code_execution_tool_result": (frozenset({"tool_use_id", "content"}), None),
    "text_editor_code_execution_tool_result": (frozenset({"tool_use_id", "content"}), None),
    "tool_search_tool_result": (frozenset({"tool_use_id", "content"}), None),
    "container_upload": (frozenset({"file_id"}), None),
}
_NESTED_ONLY = ("tool_reference", "browser_state")
_TOOL_FIELDS = frozenset(
    {
        "name", "description", "input_schema", "type", "cache_control", "strict", "defer_loading",
        "eager_input_streaming", "input_examples", "allowed_callers",
    }
)  # fmt: skip


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def content_problems(body: Json, *, is_2026: bool, has_betas: bool) -> Problems:
    """What is wrong inside `messages` and `system`; nothing is said where they are not lists."""
    messages, system = body.get("messages"), body.get("system")
    for turn, message in enumerate(messages if isinstance(messages, list) else []):
        yield from _turn_problems(f"messages.{turn}", message, has_betas)
        if is_2026 and isinstance(message, dict):
            yield from _problems_of_2026(f"messages.{turn}", message)
    for place, block in enumerate(system if isinstance(system, list) else []):
        if not isinstance(block, dict) or block.get("type") != "text":
            yield f"system.{place}.type: Input should be 'text'"
        else:
            yield from _block_problems(f"system.{place}", block, has_betas)


def _turn_problems(where: str, message: Any, has_betas: bool) -> Problems:
    if not isinstance(message, dict):
        yield f"{where}: Input should be a valid dictionary"
        return
    for name in ("role", "content"):
        if name not in message:
            yield f"{where}.{name}: Field required"
    for name, value in message.items():
        if name == "role" and value not in ROLES:
            yield f"{where}.role: Input should be 'user', 'assistant' or 'system'"
        elif name == "content":
            yield from _contents_problems(f"{where}.content", value, has_betas)
        elif name != "role" and not has_betas:
            yield f"{where}.{name}: Extra inputs are not permitted"


def _contents_problems(where: str, content: Any, has_betas: bool) -> Problems:
    if not isinstance(content, str | list):
        yield f"{where}: Input should be a valid string or list"
    for place, block in enumerate(content if isinstance(content, list) else []):
        yield from _block_problems(f"{where}.{place}", block, has_betas)


def _block_problems(where: str, block: Any, has_betas: bool) -> Problems:
    if not isinstance(block, dict):
        yield f"{where}: Input should be a valid dictionary"
        return
    tag = block.get("type")
    if not isinstance(tag, str):
        yield f"{where}.type: Field required"
    elif tag not in _BLOCKS:
        if not has_betas:
            known = ", ".join(f"'{name}'" for name in _BLOCKS)
            yield f"{where}: Input tag '{tag}' found using 'type' does not match any of the expected tags: {known}"
    else:
        yield from _field_problems(f"{where}.{tag}", block, tag)
        yield from _value_problems(f"{where}.{tag}", block)


def _field_problems(where: str, block: Json, tag: str) -> Problems:
    required, allowed = _BLOCKS[tag]
    for name in sorted(required - block.keys()):
        yield f"{where}.{name}: Field required"
    for name in block:
        if allowed is not None and name not in allowed:
            yield f"{where}.{name}: Extra inputs are not permitted"


def _value_problems(where: str, block: Json) -> Problems:
    for name in ("text", "thinking", "signature", "id", "name", "tool_use_id"):
        if name in block and not isinstance(block[name], str):
            yield f"{where}.{name}: Input should be a valid string"
    if block["type"] == "tool_use" and not isinstance(block.get("input", {}), dict):
        yield f"{where}.input: Input should be a valid dictionary"
    if block["type"] == "tool_result":
        yield from _result_problems(f"{where}.content", block.get("content"))


def _result_problems(where: str, content: Any) -> Problems:
    if not isinstance(content, str | list | None):
        yield f"{where}: Input should be a valid string or list"
    for place, block in enumerate(content if isinstance(content, list) else []):
        if isinstance(block, dict) and block.get("type") in _NESTED_ONLY:
            continue
        yield from _block_problems(f"{where}.{place}", block, False)


def _problems_of_2026(where: str, message: Json) -> Problems:
    blocks = message.get("content")
    for place, block in enumerate(blocks if isinstance(blocks, list) else []):
        if not isinstance(block, dict):
            continue
        if message.get("role") == "assistant" and block.get("type") == "document":
            yield f"{where}.content.{place}: `document` blocks are not permitted in assistant messages"
        if message.get("role") == "user":
            yield from _citation_problems(f"{where}.content.{place}", block)


def _citation_problems(where: str, block: Json) -> Problems:
    inner = block.get("content") if block.get("type") == "search_result" else [block]
    for each in inner if isinstance(inner, list) else []:
        if isinstance(each, dict) and each.get("type") == "text" and each.get("citations"):
            yield f"{where}.text.citations: citations are not permitted on user text blocks"


def tool_problems(body: Json, *, has_betas: bool) -> Problems:
    """What is wrong with the tools and with the choice among them; nothing where they are no list."""
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        return
    for place, tool in enumerate(tools):
        if not isinstance(tool, dict):
            yield f"tools.{place}: Input should be a valid dictionary"
        elif tool.get("type", "custom") in ("custom", None):
            yield from _custom_tool_problems(f"tools.{place}.custom", tool, has_betas)
    names = [str(tool["name"]) for tool in tools if isinstance(tool, dict) and "name" in tool]
    if len(names) != len(set(names)):
        yield "tools: Tool names must be unique."
    yield from _choice_problems(body.get("tool_choice"), names, has_tools=bool(tools))


def _choice_problems(choice: Any, names: list[str], *, has_tools: bool) -> Problems:
    if not isinstance(choice, dict) or choice.get("type") == "none":
        return
    if not has_tools:
        yield "tool_choice: may only be specified while providing `tools`."
    elif choice.get("type") == "tool" and choice.get("name") not in names:
        yield f"tool_choice.tool.name: Tool '{choice.get('name')}' not found in provided tools"


def _custom_tool_problems(where: str, tool: Json, has_betas: bool) -> Problems:
    for name in ("name", "input_schema"):
        if name not in tool:
            yield f"{where}.{name}: Field required"
    for name in tool:
        if name not in _TOOL_FIELDS and not has_betas:
            yield f"{where}.{name}: Extra inputs are not permitted"
    name = tool.get("name", "unnamed")
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        yield f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
    schema = tool.get("input_schema", {"type": "object"})
    if not isinstance(schema, dict):
        yield f"{where}.input_schema: Input should be a valid dictionary"
    elif schema.get("type") != "object":
        yield f"{where}.input_schema.type: Input should be 'object'"
