"""Plots are drawn, and drawn the same each time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from plots import MissingPlots, Series, plot_cold_starts, plot_hits_against_errors
from scoring import Tally, Trace
from truth import Row, same_class

SERIES = [
    Series.of("static", [Tally(requests=100, similar=40, wrong=2), Tally(requests=100, similar=20)]),
    Series.of("far out", [Tally(requests=100, similar=95, wrong=20)]),
    Series.of("ours", [Tally(requests=100, similar=60, wrong=1)], is_ours=True),
]
CEILINGS = {"oracle": Tally(requests=100, similar=90), "perfect cache": Tally(requests=100, similar=99)}


def test_hit_rates_are_drawn_against_error_rates(tmp_path: Path) -> None:
    drawn = plot_hits_against_errors("a set", SERIES, ceilings=CEILINGS, file=tmp_path / "results" / "one.svg")
    text = drawn.read_text("utf-8")
    assert "far out: 95 % at 20.0 % wrong" in text
    assert "perfect cache: 99 %" in text


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / folder / "plot.svg" for folder in ("one", "two")]
    drawn = [plot_hits_against_errors("a set", SERIES, ceilings=CEILINGS, file=file).read_bytes() for file in files]
    assert drawn[0] == drawn[1]


def test_cold_starts_are_drawn(tmp_path: Path) -> None:
    trace, row = Trace(), Row("a", "a")
    for _ in range(300):
        trace.count(is_repeat=True, asked=row, stored=row, judges=(same_class, same_class))
    assert "requests since" in plot_cold_starts("a", {"ours": [trace]}, file=tmp_path / "cold.svg").read_text("utf-8")


def test_a_missing_matplotlib_is_named_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPlots, match=r"semcache\[bench\]"):
        plot_cold_starts("a", {}, file=tmp_path / "cold.svg")
