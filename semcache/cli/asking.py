"""`semcache ask` and `semcache lookup`."""

from __future__ import annotations

import time
from typing import Any

import click

from semcache.cli.opening import opened
from semcache.cli.output import F, json_option, money, print_json, print_table, store_options


def request_options(command: F) -> F:
    """Adds the options that make a request out of a question."""
    for option in reversed(
        (
            click.option("--model", default="claude-sonnet-5-5", show_default=True, help="Claude model."),
            click.option("--system", help="System prompt."),
            click.option("--namespace", help="Namespace the question belongs to."),
            click.option("--max-tokens", default=1024, show_default=True, help="Longest answer."),
            click.option("--mode", type=click.Choice(["off", "shadow", "exact", "semantic"]), default="semantic"),
        )
    ):
        command = option(command)
    return command


@click.command()
@click.argument("question")
@request_options
@click.option("--upstream", help="claude, simulator, or a base URL; see SEMCACHE_UPSTREAM.")
@click.option("--url", envvar="SEMCACHE_URL", help="Ask this running service instead; see SEMCACHE_URL.")
@store_options
@json_option
def ask(question: str, url: str | None, as_json: bool, **options: Any) -> None:
    """Ask QUESTION: from memory where that is known to be right, else from Claude."""
    from semcache.cli.remote import ask_service
    from semcache.cli.views import answer_view

    where = {name: options.pop(name) for name in ("data_dir", "store", "upstream")}
    if url:
        view = ask_service(url, question, **options)
    else:
        with opened(**where) as cache:
            began = time.perf_counter()
            answer = cache.ask(question, **options)
            view = answer_view(answer, latency_ms=(time.perf_counter() - began) * 1000)
    if as_json:
        print_json(view)
        return
    click.echo(view["answer"])
    click.secho(_footnote(view), dim=True, err=True)


@click.command()
@click.argument("question")
@request_options
@click.option("--explain", is_flag=True, hidden=True, help="Always on: a lookup explains itself.")
@store_options
@json_option
def lookup(question: str, as_json: bool, data_dir: str | None, store: str | None, **options: Any) -> None:
    """Say what would happen to QUESTION, and why. Nothing is sent, stored or counted.

    The exit code is 0 for a hit and 1 otherwise.
    """
    from semcache.cli.views import lookup_view

    options.pop("explain")
    with opened(data_dir=data_dir, store=store) as cache:
        view = lookup_view(cache.lookup(question, **options))
    if as_json:
        print_json(view)
    else:
        _print_lookup(view)
    if view["outcome"] in ("miss", "bypass"):
        raise click.exceptions.Exit(1)


def _print_lookup(view: dict[str, Any]) -> None:
    reason = f" ({view['reason']})" if view.get("reason") else ""
    click.echo(f"{view['outcome']}{reason}")
    if view.get("entry"):
        click.echo(f"entry {view['entry']}: {view['question']}")
    if view.get("would_be"):
        click.echo("without that:")
        _print_lookup(view["would_be"])
    if view.get("considered"):
        rows = [
            (row["entry"], f"{row['similarity']:.4f}", f"{row['confidence']:.4f}", ", ".join(row["objections"]))
            for row in view["considered"]
        ]
        numbers = ("similarity", "confidence")
        print_table(("considered", *numbers, "against it"), rows, right=numbers)


def _footnote(view: dict[str, Any]) -> str:
    parts = [view["outcome"] + (f" ({view['reason']})" if view.get("reason") else "")]
    if view.get("similarity") is not None:
        parts.append(f"similarity {view['similarity']}, confidence {view['confidence']}")
    parts += [f"{view['latency_ms']:.1f} ms", f"cost ${money(view['cost_usd'])}", f"saved ${money(view['saved_usd'])}"]
    return " · ".join(parts)
