"""The combined impact as one HTML page that needs nothing beside itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

_WIDTH, _LABELS, _BAR, _GAP = 760, 170, 18, 16
_VARIANT_COLUMNS = ("saved", "hit_rate", "wrong_of_requests")
_TEMPLATE = Path(__file__).with_name("impact_page.html")


def impact_page(
    results: Mapping[str, Any],
    *,
    base_usd: float,
    claimed: Mapping[str, float],
    short: Sequence[tuple[str, str]],
    quality: Sequence[str],
) -> str:
    """Waterfall and table of each era with what is claimed beside, variants, Shapley shares, what falls short."""
    figures, measured = results["figures"], results["measured"]
    eras = list(dict.fromkeys(name.partition(": ")[0] for name, row in figures.items() if "left" in row))
    today = figures[f"{eras[0]}: in all"]
    return Template(_TEMPLATE.read_text("utf-8")).substitute(
        saved="".join(_card(f"{figures[f'{era}: in all']['saved']:.1%}", f"saved at the {era}") for era in eras),
        bill=f"${base_usd:,.0f} to ${base_usd * (1 - today['saved']):,.0f}",
        hits=f"{today['hit_rate']:.1%}",
        wrong=f"{today['wrong_of_requests']:.2%}",
        eras="".join(_era(era, figures, base_usd, claimed) for era in eras),
        variants=_rows(
            (name.removeprefix("variant: "), *(f"{row[each]:.1%}" for each in _VARIANT_COLUMNS))
            for name, row in figures.items()
            if name.startswith("variant: ")
        ),
        shares=_rows(
            (name.removeprefix("Shapley: "), f"{row['share']:.1%}", f"± {plus_minus(row)}")
            for name, row in figures.items()
            if name.startswith("Shapley: ")
        ),
        short="".join(f"<dt>{escape(step)}</dt><dd>{escape(why)}</dd>" for step, why in short),
        quality="".join(f"<li>{escape(line)}</li>" for line in quality),
        bars=_rows(
            (bar["name"], f"{bar['value']:.4g}", f"{'≤' if bar['at_most'] else '≥'} {bar['required']}",
             "holds" if bar["holds"] else "falls short")
            for bar in results["bars"]
        ),
        measured=escape(f"{measured['command']} · {measured['at']} · at {measured['commit']} · {measured['machine']}"),
    )  # fmt: skip


def plus_minus(row: Mapping[str, Any]) -> str:
    """Half the 95 % interval of a Shapley share; a few orders tell nothing of it."""
    return "?" if row["plus_minus"] is None else f"{row['plus_minus']:.1%}"


def _card(figure: str, about: str) -> str:
    return f"<div><b>{escape(figure)}</b><span>{escape(about)}</span></div>"


def _era(era: str, figures: Mapping[str, Any], base_usd: float, claimed: Mapping[str, float]) -> str:
    rows = [
        (
            step,
            f"{figures[f'{era}: {step}']['of_remainder']:.1%}",
            f"{claim:.0%}",
            f"{figures[f'{era}: {step}']['of_base']:.1%}",
            f"${base_usd * figures[f'{era}: {step}']['left']:,.0f}",
        )
        for step, claim in claimed.items()
    ]
    last = figures[f"{era}: in all"]
    rows.append(("in all", "", "81%", f"{last['saved']:.1%}", f"${base_usd * (1 - last['saved']):,.0f}"))
    head = "<tr><th>strategy added</th><th>of the remainder</th><th>claimed</th><th>of the whole</th><th>bill</th></tr>"
    return (
        f"<h2>{escape(era.capitalize())}</h2>{_waterfall(era, figures, base_usd, claimed)}"
        f"<table><thead>{head}</thead><tbody>{_rows(rows)}</tbody></table>"
    )


def _waterfall(era: str, figures: Mapping[str, Any], base_usd: float, claimed: Mapping[str, float]) -> str:
    """From the whole bill down to what is left; a line marks where the claims would have it."""
    left = [1.0, *(figures[f"{era}: {step}"]["left"] for step in claimed)]
    said = list(itertools.accumulate(claimed.values(), lambda rest, share: rest * (1 - share), initial=1.0))
    bars = [("unassisted", 0.0, 1.0, "whole", 1.0)]
    for step, (before, after), claim in zip(claimed, itertools.pairwise(left), said[1:], strict=True):
        bars.append((step, min(before, after), max(before, after), "saved" if after <= before else "caused", claim))
    bars.append(("left", 0.0, left[-1], "whole", said[-1]))
    drawn = "".join(_drawn(bar, place * (_BAR + _GAP), base_usd) for place, bar in enumerate(bars))
    height = len(bars) * (_BAR + _GAP)
    label = escape("; ".join(f"{name}: {high - low:.1%} of the bill" for name, low, high, *_ in bars))
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">{drawn}</svg>'


def _drawn(bar: tuple[str, float, float, str, float], top: int, base_usd: float) -> str:
    name, low, high, kind, claim = bar
    scale = _WIDTH - _LABELS - 90
    x, width, text = _LABELS + low * scale, max(1.5, (high - low) * scale), top + _BAR * 0.72
    dollars = f"{'+' if kind == 'caused' else ''}${base_usd * (high - low):,.0f}"
    mark = _LABELS + claim * scale
    return (
        f'<text x="0" y="{text:.0f}">{escape(name)}</text>'
        f'<rect class="{kind}" x="{x:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="3"/>'
        f'<line class="claim" x1="{mark:.1f}" x2="{mark:.1f}" y1="{top - 3}" y2="{top + _BAR + 3}"/>'
        f'<text class="figure" x="{max(x + width, mark) + 6:.1f}" y="{text:.0f}">{dollars}</text>'
    )


def _rows(rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    return "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
