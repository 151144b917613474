"""A replay's report as one HTML page that needs nothing beside itself."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from string import Template
from typing import NamedTuple

from semcache.request import Json
from semcache.savings_view import BillStep, bill_steps

_WIDTH, _BAR, _GAP, _LABELS = 760, 22, 8, 220


def page(view: Json) -> str:
    """The page of a `ReplayReport.view()`."""
    template = Template(files("semcache.traffic").joinpath("page.html").read_text("utf-8"))
    savings = view["savings"]
    return template.substitute(
        title=escape(view["traffic"]),
        requests=f"{view['requests']:,}",
        baseline=_usd(savings["baseline_usd"]),
        cost=_usd(savings["cost_usd"]),
        share=f"{savings['saved_share']:.1%}",
        hit_rate=_rate(view["hits"]["rate"], view["hits"]["rate_interval"]),
        false_rate=_rate(view["hits"]["false_rate"], view["hits"]["false_rate_interval"]),
        waterfall=_waterfall(savings),
        parts=_rows([_step(step) for step in bill_steps(savings)]),
        ablations=_rows(
            [
                (
                    row["name"],
                    _usd(row["cost_usd"]),
                    _usd(row["more_usd"]),
                    f"{row['saved_share']:.1%}",
                    f"{row['hits']:,}",
                )
                for row in view["ablations"]
            ]
        ),
        failed=_rows([(reason, f"{count:,}") for reason, count in view["failed"].items()]),
        assumptions="".join(f"<li>{escape(each)}</li>" for each in view["assumptions"]),
    )


def _waterfall(savings: Json) -> str:
    """From what it would have cost, down by each strategy and up by each cause, to what was paid."""
    baseline = float(savings["baseline_usd"]) or 1.0
    scale = (_WIDTH - _LABELS - 110) / baseline
    bars, left = [_Bar("as it came", 0.0, baseline, "whole")], baseline
    for step in bill_steps(savings):
        before, left = left, float(step.remaining_usd)
        kind = "saved" if left <= before else "caused"
        bars.append(_Bar(step.name, min(before, left), max(before, left), kind))
    bars.append(_Bar("paid", 0.0, float(savings["cost_usd"]), "whole"))
    drawn = "".join(_drawn(bar, top=place * (_BAR + _GAP), scale=scale) for place, bar in enumerate(bars))
    height = len(bars) * (_BAR + _GAP)
    said = "; ".join(f"{name}: {high - low:.2f} dollars" for name, low, high, _ in bars)
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(said)}">{drawn}</svg>'


class _Bar(NamedTuple):
    """From one amount of dollars to another; `kind` is its colour."""

    name: str
    low: float
    high: float
    kind: str


def _drawn(bar: _Bar, *, top: int, scale: float) -> str:
    left, width = _LABELS + bar.low * scale, max(1.0, (bar.high - bar.low) * scale)
    text = top + _BAR * 0.7
    return (
        f'<text x="0" y="{text:.0f}">{escape(bar.name)}</text>'
        f'<rect class="{bar.kind}" x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="3"/>'
        f'<text class="figure" x="{left + width + 6:.1f}" y="{text:.0f}">{_usd(bar.high - bar.low)}</text>'
    )


def _step(step: BillStep) -> tuple[str, ...]:
    return step.name, _usd(step.saved_usd), f"{step.share_of_baseline:.1%}", _usd(step.remaining_usd)


def _rows(rows: list[tuple[str, ...]]) -> str:
    return "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)


def _rate(rate: float | None, interval: tuple[float, float] | None) -> str:
    if rate is None or interval is None:
        return "unknown"
    return f"{rate:.1%} ({interval[0]:.1%} to {interval[1]:.1%})"


def _usd(amount: str | float) -> str:
    value = float(amount)
    digits = 2 if abs(value) >= 0.995 or value == 0 else 4
    return f"{'-' if value < 0 else ''}${abs(value):,.{digits}f}"
