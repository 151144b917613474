"""Reads models/claude.toml; every complaint names the file, the table and the key."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from semcache.errors import ManifestError
from semcache.pricing.model import (
    Disabled,
    Effort,
    FastMode,
    Lifecycle,
    LongPrompt,
    Model,
    Preserved,
    Prices,
    Sampling,
    Thinking,
    Tier,
)

SCHEMA_VERSION = 1
T = TypeVar("T")
E = TypeVar("E", bound=Enum)
_REQUIRED: Any = object()
_NAMES = {str: "a text", int: "a whole number", Decimal: "a number", bool: "true or false", date: "a date"}


@dataclass(frozen=True)
class Manifest:
    """The file as data. `retired` and `never_existed` map an id to its line and to its successor."""

    checked: date
    batch_factor: Decimal
    web_search_usd_per_1000: Decimal
    models: tuple[Model, ...]
    retired: dict[str, str]
    never_existed: dict[str, str]


def read_manifest(path: Path) -> Manifest:
    """Raises `ManifestError` where the file is unreadable or inconsistent."""
    top = _Table(_parse(path), str(path))
    if (version := top.take("schema_version", int)) != SCHEMA_VERSION:
        raise ManifestError(f"{path}: schema_version: expected {SCHEMA_VERSION}, got {version}")
    billing = top.table("billing")
    manifest = Manifest(
        checked=top.take("checked", date),
        batch_factor=billing.take("batch_factor", Decimal),
        web_search_usd_per_1000=billing.take("web_search_usd_per_1000", Decimal),
        models=tuple(_model(table) for table in top.tables("models")),
        retired={id: _retired_line(top.table("retired").table(id)) for id in top.table("retired").values},
        never_existed={id: top.table("never_existed").take(id, str) for id in top.table("never_existed").values},
    )
    top.words("sources")
    billing.finish()
    top.finish()
    _check_names(manifest, path)
    return manifest


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ManifestError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: not valid TOML: {error}") from error


@dataclass
class _Table:
    """One table, read key by key; `finish` refuses keys that nobody asked for."""

    values: dict[str, Any]
    where: str
    taken: set[str] = field(default_factory=set)

    def take(self, key: str, kind: type[T], default: T | None = _REQUIRED) -> T:
        self.taken.add(key)
        value = self.values.get(key, default)
        if value is _REQUIRED:
            self.refuse(key, "is missing")
        if kind is Decimal and type(value) is int:
            value = Decimal(value)
        if key in self.values and type(value) is not kind:
            self.refuse(key, f"must be {_NAMES.get(kind, kind.__name__)}, got {value!r}")
        if isinstance(value, int | Decimal) and value < 0:
            self.refuse(key, "must not be negative")
        return value  # type: ignore[return-value]

    def choice(self, key: str, kind: type[E]) -> E:
        value = self.take(key, str)
        if value not in [each.value for each in kind]:
            self.refuse(key, f"must be one of {', '.join(each.value for each in kind)}, got {value!r}")
        return kind(value)

    def words(self, key: str, default: tuple[str, ...] = _REQUIRED) -> tuple[str, ...]:
        value = self.take(key, list, default)
        if not all(isinstance(word, str) for word in value):
            self.refuse(key, "must be a list of texts")
        return tuple(value)

    def table(self, key: str) -> _Table:
        return _Table(self.take(key, dict), f"{self.where}: {key}")

    def optional_table(self, key: str) -> _Table | None:
        return self.table(key) if key in self.values else None

    def tables(self, key: str) -> list[_Table]:
        rows = self.take(key, list)
        if not rows or not all(isinstance(row, dict) for row in rows):
            self.refuse(key, "must be a list of one or more tables")
        return [_Table(row, f"{self.where}: {key}.{row.get('id', place)}") for place, row in enumerate(rows)]

    def finish(self) -> None:
        for key in self.values:
            if key not in self.taken:
                self.refuse(key, "is not a known key")

    def refuse(self, key: str, problem: str) -> None:
        raise ManifestError(f"{self.where}: {key} {problem}")


def _model(table: _Table) -> Model:
    limits = table.table("limits")
    model = Model(
        id=table.take("id", str),
        aliases=table.words("aliases", ()),
        display_name=table.take("display_name", str),
        line=table.take("line", str),
        tier=table.choice("tier", Tier),
        released=table.take("released", date, None),
        lifecycle=table.choice("lifecycle", Lifecycle),
        deprecated_at=table.take("deprecated_at", date, None),
        retires_at=table.take("retires_at", date, None),
        retires_not_before=table.take("retires_not_before", date, None),
        limited=table.take("limited", bool, False),
        context_window=limits.take("context_window", int),
        max_output_tokens=limits.take("max_output_tokens", int),
        max_output_tokens_batch=limits.take("max_output_tokens_batch", int, None),
        min_cacheable_tokens=limits.take("min_cacheable_tokens", int),
        tokenizer_factor=table.take("tokenizer_factor", Decimal),
        us_inference_multiplier=table.take("us_inference_multiplier", Decimal, None),
        thinking=_thinking(table.table("thinking")),
        effort=_effort(table.optional_table("effort")),
        forced_tool_choice=table.take("forced_tool_choice", bool),
        prefill=table.take("prefill", bool),
        sampling=table.choice("sampling", Sampling),
        preserved_thinking=table.choice("preserved_thinking", Preserved),
        prices=_price_rows(table),
        long_prompt=_long_prompt(table.optional_table("long_prompt")),
        fast=_fast(table.optional_table("fast")),
    )
    limits.finish()
    table.finish()
    return model


def _thinking(table: _Table) -> Thinking:
    default, display = table.take("default", str), table.take("display", str)
    if default not in ("on", "off"):
        table.refuse("default", 'must be "on" or "off"')
    if display not in ("omitted", "summarized"):
        table.refuse("display", 'must be "omitted" or "summarized"')
    thinking = Thinking(table.words("types"), default == "on", table.choice("disabled", Disabled), display)
    table.finish()
    return thinking


def _effort(table: _Table | None) -> Effort | None:
    if table is None:
        return None
    effort = Effort(table.words("levels"), table.take("default", str))
    if effort.default not in effort.levels:
        table.refuse("default", "must be one of the levels")
    table.finish()
    return effort


def _price_rows(table: _Table) -> tuple[Prices, ...]:
    rows = tuple(_prices(row) for row in table.tables("prices"))
    days = [row.since or date.min for row in rows]
    if days != sorted(set(days)):
        table.refuse("prices", "must be in the order of their `from` dates")
    return rows


def _prices(table: _Table) -> Prices:
    prices = Prices(
        input=table.take("input", Decimal),
        output=table.take("output", Decimal),
        cache_write_5m=table.take("cache_write_5m", Decimal),
        cache_write_1h=table.take("cache_write_1h", Decimal),
        cache_read=table.take("cache_read", Decimal),
        since=table.take("from", date, None),
    )
    table.finish()
    return prices


def _long_prompt(table: _Table | None) -> LongPrompt | None:
    return None if table is None else LongPrompt(table.take("above_tokens", int), _prices(table))


def _fast(table: _Table | None) -> FastMode | None:
    if table is None:
        return None
    until = table.take("until", date, None)
    return FastMode(_prices(table), until)


def _retired_line(table: _Table) -> str:
    line = table.take("line", str)
    table.take("retired_at", date)
    table.finish()
    return line


def _check_names(manifest: Manifest, path: Path) -> None:
    """No name means two things, and every successor exists."""
    seen: set[str] = set()
    for model in manifest.models:
        for name in (model.id, *model.aliases):
            if name in seen or name in manifest.retired or name in manifest.never_existed:
                raise ManifestError(f"{path}: models.{model.id}: the name {name} is given twice")
            seen.add(name)
    for name, successor in manifest.never_existed.items():
        if successor not in seen:
            raise ManifestError(f"{path}: never_existed.{name}: {successor} is not a model of this file")
