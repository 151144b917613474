"""Values of settings, from TOML or from the environment's texts; each raises if it is none."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from semcache.errors import SettingsError
from semcache.policy import STRATEGIES, Namespace, RouteRule, RoutingPolicy, ServiceKey, TaskPolicy
from semcache.request import Mode

Converter = tuple[Callable[[Any], Any], str]  # and what it makes, for whoever wrote something else


def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if not isinstance(value, str) or value.lower() not in words:
        raise ValueError(value)
    return words[value.lower()]


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    return float(value)


def whole(value: Any) -> int:
    if isinstance(value, bool | float):
        raise TypeError(value)
    return int(value)


def words(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(text(part).strip() for part in parts if text(part).strip())


def strategies(value: Any) -> tuple[str, ...]:
    """`all`, `none`, or names."""
    named = words(value)
    if named in (("all",), ("none",)):
        return STRATEGIES if named == ("all",) else ()
    for name in named:
        if name not in STRATEGIES:
            raise ValueError(name)
    return named


def service_keys(value: Any) -> tuple[ServiceKey, ...]:
    """`label:key`, or keys that are numbered."""
    keys = []
    for place, word in enumerate(words(value), start=1):
        label, colon, key = word.partition(":")
        keys.append(ServiceKey(label, key) if colon and label and key else ServiceKey(f"key-{place}", word))
    return tuple(keys)


def namespaces(value: Any) -> dict[str, Namespace]:
    return {
        text(name): Namespace(**_read(f"namespaces.{name}", dict(table), _NAMESPACE)) for name, table in value.items()
    }


def routing(value: Any) -> RoutingPolicy:
    """The table [routing] with its tasks and rules."""
    read = _read("routing", dict(value), _ROUTING)
    tasks = {
        text(name): TaskPolicy(**_read(f"routing.tasks.{name}", dict(table), _TASK))
        for name, table in read.pop("tasks", {}).items()
    }
    rules = [
        RouteRule(**_read(f"routing.rules[{place}]", dict(table), _RULE))
        for place, table in enumerate(read.pop("rules", ()), start=1)
    ]
    return RoutingPolicy(**read, tasks=tasks, rules=tuple(rules))


def _read(where: str, table: Mapping[str, Any], converters: Mapping[str, Converter]) -> dict[str, Any]:
    """Each value as its setting's type. Raises `SettingsError`, which names the nearest known key."""
    for key in table:
        if key not in converters:
            near = difflib.get_close_matches(key, converters, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(converters)}"
            raise SettingsError(f"{where}: unknown setting {key}{hint}")
    return {key: _converted(f"{where}.{key}", value, converters[key]) for key, value in table.items()}


def _converted(where: str, value: Any, converter: Converter) -> Any:
    convert, kind = converter
    try:
        return convert(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"{where} must be {kind}, got {value!r}") from error


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(table, dict) for table in value.values()):
        raise TypeError(value)
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise TypeError(value)
    return value


_TEXT: Converter = (text, "a text")
_FLAG: Converter = (boolean, "true or false")
_STRATEGIES: Converter = (strategies, f"all, none, or a list of {', '.join(STRATEGIES)}")
_NAMESPACE: dict[str, Converter] = {
    "shared": _FLAG,
    "members": (words, "a list of labels of service keys"),
    "mode": (Mode, "off, shadow, exact or semantic"),
    "ttl_seconds": (number, "a number"),
    "usd_per_day": (number, "a number"),
    "tokens_per_day": (whole, "a whole number"),
    "downshift": _FLAG,
    "strategies": _STRATEGIES,
}
_TASK: dict[str, Converter] = {"arm": _TEXT, "max_tokens": (whole, "a whole number"), "answer_pattern": _TEXT}
_RULE: dict[str, Converter] = {each.name: _TEXT for each in fields(RouteRule)}
_ROUTING: dict[str, Converter] = {
    **{
        name: (text, "a model, or model@effort") for name in ("simple", "moderate", "complex", "baseline", "classifier")
    },
    "tolerance": (number, "a number"),
    "cascade_streams": _FLAG,
    "tasks": (_mapping, "tables [routing.tasks.NAME]"),
    "rules": (_list, "tables [[routing.rules]]"),
}
