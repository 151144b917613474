"""Draws how many facts survive against the tokens that are kept, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from plots import MissingPlots

Curve = Sequence[tuple[float, float]]


def draw_compression(curves: Mapping[str, Mapping[str, Curve]], *, file: Path, ours: str) -> Path:
    """A panel for each data set."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPlots('plots need matplotlib: pip install "semcache[bench]"') from error
    figure = Figure(figsize=(11, 5), layout="constrained")
    for number, (data, named) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(1, len(curves), number)
        for name, curve in named.items():
            tokens, kept = zip(*sorted(curve), strict=True)
            width = 2.4 if name == ours else 1.3
            axes.plot([100 * each for each in tokens], [100 * each for each in kept], label=name, linewidth=width)
        axes.set_title(data, fontsize=11)
        axes.set_xlabel("tokens of the old turns kept, %")
        axes.set_ylabel("facts still needed that are kept, %")
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 101)
        axes.grid(visible=True, linewidth=0.4, alpha=0.5)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    file.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": file.stem, "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file
