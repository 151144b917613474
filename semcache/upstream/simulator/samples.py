"""Values that satisfy a JSON schema: arguments of forced tools and structured outputs."""

from __future__ import annotations

from typing import Any

_MAX_DEPTH = 12


def sample_of(schema: Any, text: str) -> Any:
    """A small value of this schema, with `text` where a string is free."""
    return _sample(schema, text[:200], schema if isinstance(schema, dict) else {}, 0)


def _sample(schema: Any, text: str, root: dict[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    if "$ref" in schema:
        return _sample(_resolved(str(schema["$ref"]), root), text, root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _sample(schema[key][0], text, root, depth + 1)
    return _typed(schema, text, root, depth)


def _typed(schema: dict[str, Any], text: str, root: dict[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            properties = schema.get("properties") or {}
            names = schema.get("required") or list(properties)
            return {name: _sample(properties.get(name, {}), text, root, depth + 1) for name in names}
        case "array":
            length = max(1, int(schema.get("minItems", 1)))
            return [_sample(schema.get("items", {}), text, root, depth + 1)] * length
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return text


def _resolved(pointer: str, root: dict[str, Any]) -> Any:
    found: Any = root
    for step in pointer.removeprefix("#").strip("/").split("/"):
        found = found.get(step) if isinstance(found, dict) else None
    return found
