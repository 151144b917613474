"""One shape for every benchmark's result: figures, bars, and where, when and with what they were measured."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("faiss-cpu", "onnxruntime", "tokenizers", "numpy", "fastapi", "uvicorn", "anthropic")
Table = Callable[[dict[str, Any]], list[tuple[str, ...]]]


@dataclass(frozen=True)
class Bar:
    """A figure that an issue asks for; `at_most`: smaller is better."""

    name: str
    value: float | None
    required: float
    at_most: bool

    @property
    def holds(self) -> bool:
        if self.value is None:
            return False
        return self.value <= self.required if self.at_most else self.value >= self.required


def report(name: str, figures: dict[str, Any], bars: Sequence[Bar], *, settings: dict[str, Any]) -> dict[str, Any]:
    """The result as one JSON object."""
    return {
        "benchmark": name,
        "settings": settings,
        "figures": figures,
        "bars": [{**asdict(bar), "holds": bar.holds} for bar in bars],
        "measured": _circumstances(),
    }


def print_report(results: dict[str, Any], *, as_json: bool, table: Table | None = None) -> None:
    """JSON, or a table with the bars below it."""
    if as_json:
        print(json.dumps(results, indent=1))
        return
    rows = (
        table(results)
        if table is not None and results["settings"].get("dataset") not in ("sample", "never-merge")
        else _plain(results)
    )
    print(aligned(rows))
    for bar in results["bars"]:
        sign = "≤" if bar["at_most"] else "≥"
        print(f"{'holds' if bar['holds'] else 'FALLS SHORT'}: {bar['name']}: {bar['value']} ({sign} {bar['required']})")


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns of equal width, the first to the left and the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _plain(results: dict[str, Any]) -> list[tuple[str, ...]]:
    columns = sorted({column for row in results["figures"].values() for column in row})
    head = ("", *columns)
    return [
        head,
        *((name, *(str(row.get(column, "")) for column in columns)) for name, row in results["figures"].items()),
    ]


def _circumstances() -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python", *sys.argv]),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+changes" if _git("status", "--porcelain") else ""),
        "machine": f"{_cpu()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "versions": {package: importlib.metadata.version(package) for package in _PACKAGES},
    }


def _git(*arguments: str) -> str:
    try:
        result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:  # no git on this machine
        return "unknown"
    return result.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
