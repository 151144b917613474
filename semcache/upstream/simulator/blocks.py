"""Content in its one normal form: what is the same to the model looks the same here."""

from __future__ import annotations

import json
from typing import Any

from semcache.request import Json


def blocks_of(content: Any) -> list[Json]:
    """A string is the same as one text block; empty and absent are no blocks."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return content if isinstance(content, list) else []


def plain(value: Any) -> Any:
    """Without cache_control marks and nulls, at any depth, and with nested content in blocks."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: plain(item) for key, item in value.items() if key != "cache_control" and item is not None}
    if kept.get("type") == "tool_result":
        kept["content"] = blocks_of(kept.get("content"))
    return kept


def canonical(value: Any) -> bytes:
    """Bytes that are equal exactly when two plain values are."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def question_of(body: Json) -> str:
    """The last text of the last user turn that has one; empty where nobody asked in words.

    A text wholly in brackets, such as a hint of how to answer, is no question where another text stands beside it.
    """
    for message in reversed(body.get("messages", [])):
        if message.get("role") != "user":
            continue
        texts = [str(block["text"]) for block in blocks_of(message.get("content")) if block.get("type") == "text"]
        if texts:
            return next((text for text in reversed(texts) if not _is_remark(text)), texts[-1])
    return ""


def _is_remark(text: str) -> bool:
    return text.lstrip().startswith("(") and text.rstrip().endswith(")")
