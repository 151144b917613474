"""`semcache demo`: sample questions through the official SDK, and what became of each."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import click

from semcache.cli.http import send
from semcache.cli.output import json_option, money, print_json, print_table
from semcache.samples import sample_faq

NAMESPACE = "demo"
MODEL = "claude-sonnet-5-5"

# Each line shows something: what it is, the question, and the system prompt it is asked under.
SCENES = (
    ("a curated answer, asked in other words", "How can I pair a new sensor with the Fernhill app?"),
    ("a new question goes to Claude", "What does a leaf wetness reading mean for my roses?"),
    ("the same again", "What does a leaf wetness reading mean for my roses?"),
    ("the same in other words", "What does the leaf wetness reading mean for my roses?"),
    ("", "How often should I water 12 tomato plants in July?"),
    ("another number is another question", "How often should I water 20 tomato plants in July?"),
    ("", "Should I water roses before it rains?"),
    ("the opposite is another question", "Should I water roses after it rains?"),
    ("", "What is the soil moisture right now?"),
    ("what is bound to today is never similar", "What's the soil moisture right now?"),
)


@click.command()
@click.option("--url", default="http://127.0.0.1:8080", envvar="SEMCACHE_URL", show_default=True, help="The service.")
@click.option("--yes", is_flag=True, help="Go ahead although the answers come from Claude and cost money.")
@json_option
def demo(url: str, yes: bool, as_json: bool) -> None:
    """Send sample questions to a running service through the official SDK, and show what became of each."""
    from semcache.cli.remote import ask_service, sdk_client

    upstream = send(f"{url}/readyz").get("x-semcache-upstream", "an unknown upstream")
    if upstream != "simulator" and not yes:
        click.confirm(f"{url} answers from {upstream}: a few questions will cost about a cent. Go ahead?", abort=True)
    _import_sample_faq(url)
    client = sdk_client(url)
    options = {"model": MODEL, "max_tokens": 1024, "namespace": NAMESPACE}
    views = [
        {"shows": shows, "question": question, **ask_service(url, question, client=client, **options)}
        for shows, question in SCENES
    ]
    if as_json:
        print_json(views)
    else:
        _print_views(views)


def _import_sample_faq(url: str) -> None:
    rows = (
        json.dumps({"question": each.question, "answer": each.answer, "tags": list(each.tags)}) for each in sample_faq()
    )
    send(f"{url}/semcache/v1/import?format=jsonl&namespace={NAMESPACE}", "\n".join(rows).encode())


def _print_views(views: list[dict[str, Any]]) -> None:
    columns = ("question", "outcome", "similarity", "confidence", "ms", "cost $", "saved $", "what it shows")
    rows = [
        (
            view["question"],
            view["outcome"] + (f" ({view['reason']})" if view["reason"] else ""),
            view["similarity"],
            view["confidence"],
            f"{view['latency_ms']:.1f}",
            money(view["cost_usd"]),
            money(view["saved_usd"]),
            view["shows"],
        )
        for view in views
    ]
    print_table(columns, rows, right=columns[2:7])
    cost, saved = (sum((view[name] or Decimal(0) for view in views), Decimal(0)) for name in ("cost_usd", "saved_usd"))
    click.echo(f"paid ${money(cost)}, saved ${money(saved)} of ${money(cost + saved)}")
