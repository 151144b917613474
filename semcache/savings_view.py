"""Savings reports as JSON and as CSV."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import NamedTuple

from semcache.attribution import CALL, FREE
from semcache.request import Json
from semcache.savings import Part, Projection, SavingsReport
from semcache.stores.ledger_book import LedgerGroup


def savings_view(report: SavingsReport) -> Json:
    """Money is in text, to the last digit."""
    return {
        **_group_view(report.total, report.repeated.get(())),
        "saved_share": report.saved_share,
        "waterfall": [_part_view(part, "strategy", "saved_usd") for part in report.waterfall],
        "caused": [_part_view(part, "cause", "cost_usd") for part in report.caused],
        "outcomes": [
            {"outcome": group.key[0], **_group_view(group, group if group.key[0] in FREE else None)}
            for group in report.outcomes
        ],
        "groups": [
            {"key": " · ".join(group.key), **_group_view(group, report.repeated.get(group.key))}
            for group in report.groups
        ],
        "projection": None if report.projection is None else _projection_view(report.projection),
    }


def _group_view(group: LedgerGroup, repeated: LedgerGroup | None) -> Json:
    """`repeated`: those of its requests that were answered at no charge, whose `usage` repeats an earlier one."""
    free = repeated or LedgerGroup(group.key)
    return {
        "requests": group.requests,
        "baseline_usd": money_text(group.baseline_usd),
        "cost_usd": money_text(group.cost_usd),
        "saved_usd": money_text(group.baseline_usd - group.cost_usd),
        "input_tokens": group.input_tokens,
        "output_tokens": group.output_tokens,
        "cache_read_tokens": group.cache_read_tokens,
        "cache_write_tokens": group.cache_write_tokens,
        "billed_input_tokens": group.input_tokens - free.input_tokens,
        "billed_output_tokens": group.output_tokens - free.output_tokens,
    }


class BillStep(NamedTuple):
    """From the bill as it came to what was paid; what we caused has saved less than nothing."""

    what: str
    name: str
    saved_usd: str
    share_of_baseline: float
    remaining_usd: str


def bill_steps(view: Json) -> list[BillStep]:
    """The steps of a `savings_view`, in their order."""
    saved = [
        BillStep(row["strategy"], row["name"], row["saved_usd"], row["share_of_baseline"], row["remaining_usd"])
        for row in view["waterfall"]
    ]
    caused = [
        BillStep(row["cause"], row["name"], f"-{row['cost_usd']}", -row["share_of_baseline"], row["remaining_usd"])
        for row in view["caused"]
    ]
    return saved + caused


def _part_view(part: Part, what: str, amount: str) -> Json:
    return {
        what: part.what.removeprefix(CALL),
        "name": part.name,
        amount: money_text(part.usd),
        "share_of_baseline": part.share_of_baseline,
        "remaining_usd": money_text(part.remaining_usd),
    }


def _projection_view(projection: Projection) -> Json:
    return {
        "saved_usd_per_month": money_text(projection.saved_usd),
        "cost_usd_per_month": money_text(projection.cost_usd),
        "assumption": projection.assumption,
    }


def money_text(usd: Decimal) -> str:
    """Dollars in plain digits: never an exponent, and no zeros that say nothing."""
    text = f"{usd:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def savings_csv(report: SavingsReport) -> str:
    """The groups where it is grouped, else the waterfall: one line each, with a heading."""
    view, text = savings_view(report), io.StringIO()
    rows = view["groups"] or [{"part": step.what, "saved_usd": step.saved_usd} for step in bill_steps(view)]
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()
