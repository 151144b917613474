"""What `semcache optimize` prints for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from semcache.cli.output import money, print_table

_COLUMNS = ("version", "tokens", "saved", "$ a month", "agreement", "of the original", "objections")
_LISTED = ("version", "state", "tokens", "was", "agreement", "served", "control", "prompt")


def print_versions(views: Sequence[dict[str, Any]]) -> None:
    """A table of versions, whatever became of them."""
    print_table(_LISTED, [_listed(view) for view in views], right=_LISTED[2:4])


def print_examination(view: dict[str, Any]) -> None:
    """One prompt, its versions, and what speaks against each."""
    click.echo(f"{view['prompt'][:16]}  {view['title']}")
    volume = view["volume"]
    click.echo(
        f"{view['tokens']} tokens, {view['instructions']} instructions found, {view['requests_tried']} requests to try"
        + (f"; a month: {volume['source']}" if volume else "")
    )
    if not view["versions"]:
        click.echo(f"There is nothing to choose from: {view['problem']}.")
        return
    print_table(_COLUMNS, [_row(version, view["tokens"]) for version in view["versions"]], right=_COLUMNS[1:4])
    for version in view["versions"]:
        click.echo(f"--- {version['hash']}")
        for objection in version["objections"]:
            click.echo(f"  against it: {objection}")
        click.echo(version["diff"])
    best = next((version["hash"] for version in view["versions"] if not version["objections"]), None)
    if view["approved"]:
        click.echo(f"{view['approved']} is approved.")
    elif best:
        click.echo(f"Nothing speaks against {best}: semcache optimize approve {best}")


def _row(version: dict[str, Any], before: int) -> Sequence[object]:
    saving = version["saved_usd_per_month"]
    return (
        version["hash"],
        version["tokens"],
        f"{version['tokens_saved']} ({version['tokens_saved'] / max(1, before):.0%})",
        "" if saving is None else money(saving),
        _share(version["agreement"]),
        _share(version["control"]),
        len(version["objections"]) or "none",
    )


def _listed(view: dict[str, Any]) -> Sequence[object]:
    served = view.get("served", {})
    return (
        view["hash"],
        view["state"],
        view["tokens_after"],
        view["tokens_before"],
        _share(view["tried"]["agreement"]),
        _side(served.get("version")),
        _side(served.get("control")),
        view.get("title") or view["prompt"][:16],
    )


def _side(side: dict[str, Any] | None) -> str:
    if not side or not side["requests"]:
        return ""
    return f"{side['requests']} ({side['mean_output_tokens']:.0f} tokens out)"


def _share(found: dict[str, Any] | None) -> str:
    if found is None or found["share"] is None:
        return "not known"
    low, high = found["interval"]
    unknown = f", {found['undecided']} undecided" if found["undecided"] else ""
    return f"{found['same']}/{found['same'] + found['different']} [{low:.0%}, {high:.0%}]{unknown}"
