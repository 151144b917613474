"""How large a prompt may be at most, without a tokenizer."""

from __future__ import annotations

from semcache.pricing import estimate_tokens
from semcache.request import Json

_IMAGE_TOKENS = 1_600
_MARGIN_PERCENT = 125  # code, figures and other languages take more tokens than English prose
_UNREAD = frozenset({"signature", "cache_control"})


def estimated_prompt_tokens(body: Json) -> int | None:
    """Tokens of tools, system and turns by the older tokenizer, rather too many.

    None where a document's size is not to be seen from the request.
    """
    total = 0
    waiting: list[object] = [body.get("tools"), body.get("system"), body.get("messages")]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            total += estimate_tokens(value) + 1
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            if value.get("type") == "image":
                total += _IMAGE_TOKENS
            elif value.get("type") == "document" and not _is_text(value.get("source")):
                return None
            else:
                waiting += [item for name, item in value.items() if name not in _UNREAD]
                total += len(value) * 2
        else:
            total += 1
    return total * _MARGIN_PERCENT // 100


def _is_text(source: object) -> bool:
    return isinstance(source, dict) and source.get("type") in ("text", "content")
