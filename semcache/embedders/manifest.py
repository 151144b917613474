"""Reads models/embedders.toml; every complaint names the file, the key and the remedy."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from semcache.errors import ManifestError
from semcache.shipped import find_shipped

MANIFEST_NAME = "embedders.toml"
SCHEMA_VERSION = 1
T = TypeVar("T")
_NAMES: dict[type, str] = {str: "a text", int: "a whole number", dict: "a table"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Pooling(Enum):
    """How token vectors become the vector of a text."""

    MEAN = "mean"
    CLS = "cls"


@dataclass(frozen=True)
class PipPackage:
    """A pip package that carries a model; `folder` is relative to site-packages."""

    name: str
    version: str
    folder: str


@dataclass(frozen=True)
class EmbedderSpec:
    """One model of the manifest. `sha256` maps files of the original to what they must be."""

    name: str
    hub: str
    package: PipPackage | None
    dims: int
    window_tokens: int
    pooling: Pooling
    licence: str
    sha256: Mapping[str, str]


def find_manifest(models_dir: Path) -> Path:
    """The manifest in `models_dir`, else the one shipped in the package, else the repository's."""
    return find_shipped(MANIFEST_NAME, models_dir)


def read_manifest(path: Path) -> dict[str, EmbedderSpec]:
    """The models by name. Raises `ManifestError` where the file is unreadable or inconsistent."""
    top = _Table(_parse(path), str(path))
    if (version := top.take("schema_version", int)) != SCHEMA_VERSION:
        raise top.complaint("schema_version", f"expected {SCHEMA_VERSION}, got {version}; update semcache")
    models = top.table("models")
    top.finish()
    return {name: _spec(name, models.table(name)) for name in list(models.left)}


def closest(name: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or the list of what is known."""
    names = sorted(set(known))
    lowered = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    return f"; did you mean {lowered[near[0]]!r}?" if near else f"; known: {', '.join(names)}"


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read: {error}; restore it from the repository") from error
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"{path}: not valid TOML: {error}; correct that line") from error


def _spec(name: str, table: _Table) -> EmbedderSpec:
    hashes = table.table("sha256")
    for file, digest in hashes.left.items():
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
            raise hashes.complaint(file, "expected 64 lower-case hex digits, as `sha256sum` prints them")
    spec = EmbedderSpec(
        name=name,
        hub=table.take("hub", str),
        package=_package(table.table("package")) if "package" in table.left else None,
        dims=table.positive("dims"),
        window_tokens=table.positive("window_tokens"),
        pooling=_pooling(table),
        licence=table.take("licence", str),
        sha256=dict(hashes.left),
    )
    table.finish()
    return spec


def _package(table: _Table) -> PipPackage:
    package = PipPackage(table.take("name", str), table.take("version", str), table.take("folder", str))
    table.finish()
    return package


def _pooling(table: _Table) -> Pooling:
    value = table.take("pooling", str)
    try:
        return Pooling(value)
    except ValueError:
        raise table.complaint("pooling", f"expected mean or cls, got {value!r}") from None


class _Table:
    """A table that is emptied as it is read, so that what is left at the end is unknown."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self.left = dict(values)
        self.where = where
        self._known: list[str] = []

    def take(self, key: str, kind: type[T]) -> T:
        self._known.append(key)
        if key not in self.left:
            raise self.complaint(key, f"missing; add {key} = {_NAMES[kind]}")
        value = self.left.pop(key)
        if type(value) is not kind:
            raise self.complaint(key, f"expected {_NAMES[kind]}, got {value!r}")
        return value

    def positive(self, key: str) -> int:
        if (value := self.take(key, int)) < 1:
            raise self.complaint(key, f"expected at least 1, got {value}")
        return value

    def table(self, key: str) -> _Table:
        return _Table(self.take(key, dict), f"{self.where}: {key}" if ": " not in self.where else f"{self.where}.{key}")

    def finish(self) -> None:
        for key in self.left:
            raise self.complaint(key, f"unknown{closest(key, self._known)}")

    def complaint(self, key: str, problem: str) -> ManifestError:
        return ManifestError(f"{self.where}{'.' if ': ' in self.where else ': '}{key}: {problem}")
