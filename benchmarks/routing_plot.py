"""Draws the cost-quality curves of routing as SVG: how much of the gap between two models is closed at which cost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from plots import MissingPlots

from semcache.decision.routing.quality import Floats

RULER = np.linspace(0.0, 1.0, 201)  # shares of stronger calls at which curves are drawn


def draw_routing(curves: Mapping[str, Mapping[str, Floats]], *, file: Path, ours: str) -> Path:
    """PGR against the share of stronger calls, a panel for each protocol."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPlots('plots need matplotlib: pip install "semcache[bench]"') from error
    figure = Figure(figsize=(11, 5), layout="constrained")
    for number, (protocol, named) in enumerate(curves.items(), start=1):
        axes = figure.add_subplot(1, len(curves), number)
        for name, curve in named.items():
            axes.plot(100 * RULER, 100 * curve, label=name, linewidth=2.4 if name == ours else 1.3)
        axes.plot([0, 100], [0, 100], color="0.5", linestyle=":", label="random")
        axes.set_title(f"{protocol}", fontsize=11)
        axes.set_xlabel("sent to the stronger model, % of requests")
        axes.set_ylabel("gap between the models closed, %")
        axes.set_ylim(-5, 160)
        axes.grid(visible=True, linewidth=0.4, alpha=0.5)
    axes.legend(fontsize=8, frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": file.stem, "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file
