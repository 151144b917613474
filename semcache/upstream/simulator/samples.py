"""Values that satisfy a JSON schema: arguments of forced tools and structured outputs."""

from __future__ import annotations

from typing import Any

_MAX_DEPTH = 12
_MAX_OPTIONAL_DEPTH = 4  # deeper, a schema that refers to itself would never end
_MAX_ITEMS = 100


def sample_of(schema: Any, text: str) -> Any:
    """A small value of this schema, with `text` where a string is free."""
    return _sample(schema, text[:200], schema if isinstance(schema, dict) else {}, 0)


def _sample(schema: Any, text: str, root: dict[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if choices := _listed(schema, "enum"):
        return choices[0]
    if "$ref" in schema:
        return _sample(_resolved(str(schema["$ref"]), root), text, root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if choices := _listed(schema, key):
            return _sample(choices[0], text, root, depth + 1)
    return _typed(schema, text, root, depth)


def _typed(schema: dict[str, Any], text: str, root: dict[str, Any], depth: int) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            given = schema.get("properties")
            properties = given if isinstance(given, dict) else {}
            optional = list(properties) if depth < _MAX_OPTIONAL_DEPTH else []
            names = [name for name in _listed(schema, "required") if isinstance(name, str)] or optional
            return {name: _sample(properties.get(name, {}), text, root, depth + 1) for name in names}
        case "array":
            wanted = schema.get("minItems", 1)
            length = min(max(1, wanted), _MAX_ITEMS) if isinstance(wanted, int) else 1
            return [_sample(schema.get("items", {}), text, root, depth + 1)] * length
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return text


def _listed(schema: dict[str, Any], key: str) -> list[Any]:
    value = schema.get(key)
    return value if isinstance(value, list) else []


def _resolved(pointer: str, root: dict[str, Any]) -> Any:
    found: Any = root
    for step in pointer.removeprefix("#").strip("/").split("/"):
        found = found.get(step) if isinstance(found, dict) else None
    return found
