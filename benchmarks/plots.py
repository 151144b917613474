"""Draws what the benchmarks measured as SVG: hit rate against error rate, and cold starts. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scoring import Tally, Trace, summed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RESULTS = Path(__file__).with_name("results")
WIDEST_ERROR = 6.0  # per cent: what is wrong more often is named in the legend, not drawn


class MissingPlots(Exception):
    """matplotlib is not installed; the message says how it is."""


@dataclass(frozen=True)
class Series:
    """One cache at one or several settings: (error rate, hit rate) in per cent, joined by a line where several."""

    name: str
    points: tuple[tuple[float, float], ...]
    is_ours: bool = False

    @classmethod
    def of(cls, name: str, settings: Sequence[Tally], *, strict: bool = False, is_ours: bool = False) -> Series:
        errors = (tally.strict_error_share if strict else tally.error_share for tally in settings)
        points = zip(errors, (tally.hit_share for tally in settings), strict=True)
        return cls(name, tuple((100 * error, 100 * hits) for error, hits in points), is_ours)


def plot_hits_against_errors(
    title: str,
    series: Sequence[Series],
    *,
    ceilings: Mapping[str, Tally],
    file: Path,
    widest_error: float = WIDEST_ERROR,
) -> Path:
    """`ceilings` are caches that are never wrong: oracles, the perfect cache."""
    figure, axes = _opened(title, "wrong answers, % of requests", "answered from memory, % of requests")
    for each in series:
        _draw(axes, each, widest_error)
    for number, (name, tally) in enumerate(ceilings.items()):
        shade = str(0.35 + 0.45 * number / max(1, len(ceilings)))
        label = f"{name}: {100 * tally.hit_share:.0f} %"
        axes.axhline(100 * tally.hit_share, color=shade, linestyle=":", linewidth=1, label=label)
    axes.set_xlim(0, widest_error)
    return _closed(figure, axes, file)


def plot_cold_starts(title: str, runs: Mapping[str, Sequence[Trace]], *, file: Path) -> Path:
    """The share of all requests so far that was answered from memory, over the streams of each cache."""
    figure, axes = _opened(title, "requests since the cache was empty", "answered from memory so far, %")
    for name, traces in runs.items():
        moments = [summed(at) for at in zip(*(trace.curve for trace in traces), strict=False)]
        asked = [moment.requests / len(traces) for moment in moments]
        axes.plot(asked, [100 * moment.hit_share for moment in moments], linewidth=1.6, label=name)
    axes.set_xlim(left=0)
    return _closed(figure, axes, file)


def _draw(axes: Axes, series: Series, widest_error: float) -> None:
    label = series.name
    outside = [point for point in series.points if point[0] > widest_error]
    if len(outside) == len(series.points) == 1:
        label += f": {outside[0][1]:.0f} % at {outside[0][0]:.1f} % wrong"
    errors, hits = zip(*sorted(series.points), strict=True) if series.points else ((), ())
    width, marker, layer = (2.4, "o", 5.0) if series.is_ours else (1.4, ".", 2.0)
    axes.plot(errors, hits, label=label, linewidth=width, marker=marker, zorder=layer)


def _opened(title: str, x_label: str, y_label: str) -> tuple[Figure, Axes]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPlots('plots need matplotlib: pip install "semcache[bench]"') from error
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_ylim(0, 100)
    axes.grid(visible=True, linewidth=0.4, alpha=0.5)
    return figure, axes


def _closed(figure: Figure, axes: Axes, file: Path) -> Path:
    """The same figures give the same bytes: no date, and names in the file that chance has no part in."""
    from matplotlib import rc_context

    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": file.stem, "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file
