"""`semcache demo`: sample questions through the official SDK, and what became of each."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import click

from semcache.cli.http import send
from semcache.cli.output import ServiceUrl, json_option, money, print_json, print_table

NAMESPACE = "demo"
TAG = "semcache-demo"  # on all that a demo makes Claude say, so that the next one starts afresh
MODEL = "claude-sonnet-5-5"

# What each question shows, the question, and how far the cache may go.
SCENES = (
    ("a curated answer, asked in other words", "How can I pair a new sensor with the Fernhill app?", "semantic"),
    ("a new question goes to Claude", "What does a leaf wetness reading mean for my roses?", "semantic"),
    ("the same again", "What does a leaf wetness reading mean for my roses?", "semantic"),
    ("the same in other words", "What does the leaf wetness reading mean for my roses?", "semantic"),
    ("the caller wants no cache", "What does a leaf wetness reading mean for my roses?", "off"),
    ("", "How often should I water 12 tomato plants in July?", "semantic"),
    ("trap: another number", "How often should I water 20 tomato plants in July?", "semantic"),
    ("", "Should I water roses before it rains?", "semantic"),
    ("trap: the opposite", "Should I water roses after it rains?", "semantic"),
    ("", "What is the soil moisture right now?", "semantic"),
    ("trap: bound to this moment", "What's the soil moisture right now?", "semantic"),
)


@click.command()
@click.option(
    "--url",
    type=ServiceUrl(),
    default="http://127.0.0.1:8080",
    envvar="SEMCACHE_URL",
    show_default=True,
    help="The service; see SEMCACHE_URL.",
)
@click.option("--yes", is_flag=True, help="Go ahead although the answers come from Claude and cost money.")
@json_option
def demo(url: str, yes: bool, as_json: bool) -> None:
    """Send sample questions to a running service through the official SDK, and show what became of each.

    Imports the sample FAQ into the namespace `demo` first. Asks before it spends money.
    """
    upstream = send(url, "/readyz").get("x-semcache-upstream", "an unknown upstream")
    if upstream != "simulator" and not yes:
        question = f"{url} answers from {upstream}: a few questions will cost a few cents. Go ahead?"
        click.confirm(question, abort=True, err=True)
    _prepare(url)
    views = _ask_all(url)
    costs = {name: sum((view[name] or Decimal(0) for view in views), Decimal(0)) for name in ("cost_usd", "saved_usd")}
    if as_json:
        print_json({"upstream": upstream, "questions": views, "total": costs})
        return
    _print_views(views)
    paid, saved = costs["cost_usd"], costs["saved_usd"]
    click.echo(f"paid ${money(paid)}, saved ${money(saved)} of ${money(paid + saved)}")
    if upstream == "simulator":
        click.echo("These answers come from the simulator: nothing was billed. The prices are Claude's.")


def _prepare(url: str) -> None:
    """Forget what the last demo was told, and import the sample FAQ."""
    from semcache.samples import sample_faq

    conditions = {"namespace": NAMESPACE, "tag": TAG, "kind": "learned"}
    send(url, "/semcache/v1/purge", json.dumps(conditions).encode(), content_type="application/json")
    rows = (
        json.dumps({"question": each.question, "answer": each.answer, "tags": list(each.tags)}) for each in sample_faq()
    )
    send(url, f"/semcache/v1/import?format=jsonl&namespace={NAMESPACE}", "\n".join(rows).encode())


def _ask_all(url: str) -> list[dict[str, Any]]:
    from semcache.cli.remote import ask_service, sdk_client

    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 1024, "namespace": NAMESPACE, "tags": (TAG,)}
    with sdk_client(url) as client:
        return [
            {"shows": shows, "question": question, **ask_service(client, question, mode=mode, **asked)}
            for shows, question, mode in SCENES
        ]


def _print_views(views: list[dict[str, Any]]) -> None:
    columns = ("question", "outcome", "similarity", "confidence", "ms", "cost $", "saved $", "what it shows")
    rows = [
        (
            view["question"],
            view["outcome"] + (f" ({view['reason']})" if view["reason"] else ""),
            *("" if view[name] is None else f"{view[name]:.4f}" for name in ("similarity", "confidence")),
            f"{view['latency_ms']:.1f}",
            money(view["cost_usd"]),
            money(view["saved_usd"]),
            view["shows"],
        )
        for view in views
    ]
    print_table(columns, rows, right=columns[2:7])
