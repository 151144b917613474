"""The combined impact as one HTML page."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 860px; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #8884 }
th:first-child, td:first-child { text-align: left }
figure { margin: 2rem 0 } svg { width: 100%; height: auto; background: #fff }
"""


def impact_page(results: dict[str, Any], *, base_usd: float, plot: str) -> str:
    """The tables of each era with what the literature claims beside, the Shapley shares, and the plot as SVG."""
    eras: dict[str, list[str]] = {}
    shares = []
    for name, row in results["figures"].items():
        era, _, step = name.partition(": ")
        if "left" in row:
            eras.setdefault(era, []).append(_row(step, row, base_usd))
        elif "saved" in row:
            wrong = f"{row['wrong_of_requests']:.2%} of requests answered wrongly from memory"
            eras[era].append(f"<tr><th>in all</th><th>{row['saved']:.1%}</th><th>81.0%</th><th>{wrong}</th></tr>")
        else:
            shares.append(f"<tr><td>{escape(step)}</td><td>{row['share']:.1%}</td></tr>")
    heading = "<tr><th>strategy added</th><th>of the remainder</th><th>claimed</th><th>bill a month</th></tr>"
    tables = "".join(f"<h2>{escape(era.capitalize())}</h2><table>{heading}{''.join(eras[era])}</table>" for era in eras)
    measured = results["measured"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>semcache: combined impact</title>'
        f"<style>{_STYLE}</style><h1>Eight strategies, one after the other</h1>"
        f"<p>{escape(measured['command'])}, {escape(measured['at'])}, at {escape(measured['commit'])}.</p>{tables}"
        f"<h2>Shares over many orders (Shapley), of the unassisted bill</h2><table>{''.join(shares)}</table>"
        f"<figure>{plot}</figure></html>\n"
    )


def _row(step: str, row: dict[str, Any], base_usd: float) -> str:
    saved, claimed = (
        f"{row[name]:.1%}" if name in row else "" for name in ("of_remainder", "claimed_of_remainder")
    )  # fmt: skip
    bill = f"${base_usd * row['left']:,.0f}"
    return f"<tr><td>{escape(step)}</td><td>{saved}</td><td>{claimed}</td><td>{bill}</td></tr>"
