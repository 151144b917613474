"""Reads models/embedders.toml; every complaint names the file, the key and the remedy."""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from semcache.errors import ManifestError

MANIFEST_NAME = "embedders.toml"
SCHEMA_VERSION = 1
NEVER = 2.0  # above every cosine
T = TypeVar("T")
_NAMES: dict[type, str] = {str: "a text", int: "a whole number", float: "a number", dict: "a table", date: "a date"}
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Pooling(Enum):
    """How token vectors become the vector of a text."""

    MEAN = "mean"
    CLS = "cls"


@dataclass(frozen=True)
class Threshold:
    """At or above `similarity`, at most `false_hit_rate` of the hits are wrong."""

    false_hit_rate: float
    similarity: float


@dataclass(frozen=True)
class Calibration:
    """What a similarity of this model means. `thresholds` are in rising order of the rate."""

    thresholds: tuple[Threshold, ...]
    logit_intercept: float
    logit_slope: float
    data: str
    command: str
    checked: date

    def threshold_for(self, error_budget: float) -> float:
        """The similarity needed for at most this false-hit rate; `NEVER` below the smallest rate measured."""
        affordable = [row.similarity for row in self.thresholds if row.false_hit_rate <= error_budget]
        return affordable[-1] if affordable else NEVER

    def confidence(self, similarity: float) -> float:
        """Probability that the answer is right."""
        logit = self.logit_intercept + self.logit_slope * similarity
        return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


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
    calibration: Calibration | None = None


def find_manifest(models_dir: Path) -> Path:
    """The manifest in `models_dir`, else the one shipped in the package, else the repository's."""
    package = Path(__file__).resolve().parents[1]
    places = [folder / MANIFEST_NAME for folder in (models_dir, package / "data", package.parent / "models")]
    for place in places:
        if place.is_file():
            return place
    raise ManifestError(f"{MANIFEST_NAME}: not found; looked at {', '.join(map(str, places))}")


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
        calibration=_calibration(table.table("calibration")) if "calibration" in table.left else None,
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


def _calibration(table: _Table) -> Calibration:
    rows = table.take("thresholds", list)
    thresholds = tuple(_threshold(table, row, number) for number, row in enumerate(rows, 1))
    for lower, higher in pairwise(thresholds):
        if lower.false_hit_rate >= higher.false_hit_rate or lower.similarity < higher.similarity:
            raise table.complaint("thresholds", "list rows by rising false_hit_rate; similarity must not rise with it")
    slope = table.take("logit_slope", float)
    if slope <= 0:
        raise table.complaint("logit_slope", f"expected more than 0, got {slope}: confidence rises with similarity")
    calibration = Calibration(
        thresholds,
        logit_intercept=table.take("logit_intercept", float),
        logit_slope=slope,
        data=table.take("data", str),
        command=table.take("command", str),
        checked=table.take("checked", date),
    )
    table.finish()
    return calibration


def _threshold(table: _Table, row: object, number: int) -> Threshold:
    cells = _Table(row if isinstance(row, dict) else {}, f"{table.where}.thresholds row {number}")
    threshold = Threshold(cells.take("false_hit_rate", float), cells.take("similarity", float))
    cells.finish()
    if not 0 <= threshold.false_hit_rate <= 1:
        raise cells.complaint("false_hit_rate", f"expected 0 to 1, got {threshold.false_hit_rate}")
    if not -1 <= threshold.similarity <= NEVER:
        raise cells.complaint("similarity", f"expected a cosine, -1 to 1, got {threshold.similarity}")
    return threshold


class _Table:
    """A table that is emptied as it is read, so that what is left at the end is unknown."""

    def __init__(self, values: dict[str, Any], where: str) -> None:
        self.left = dict(values)
        self.where = where
        self._known: list[str] = []

    def take(self, key: str, kind: type[T]) -> T:
        self._known.append(key)
        if key not in self.left:
            raise self.complaint(key, f"missing; add {key} = {_NAMES.get(kind, 'a list')}")
        value = self.left.pop(key)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
            raise self.complaint(key, f"expected {_NAMES.get(kind, 'a list')}, got {value!r}")
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
