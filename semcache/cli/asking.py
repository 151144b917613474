"""`semcache ask` and `semcache lookup`."""

from __future__ import annotations

import time
from typing import Any

import click

from semcache.cli.opening import opened
from semcache.cli.output import F, ServiceUrl, json_option, money, print_json, print_table, store_options

_WEIGHTIEST = 6  # pieces of evidence that are shown of a candidate


def request_options(command: F) -> F:
    """Adds the options that make a request out of a question."""
    for option in reversed(
        (
            click.option("--model", default="claude-sonnet-5-5", show_default=True, help="Claude model, or auto."),
            click.option("--system", help="System prompt."),
            click.option("--task", default="", help="Kind of work, for example classification."),
            click.option("--strategies", help="Strategies that may be used: all, none, names, or -names."),
            click.option("--namespace", help="Namespace the question belongs to."),
            click.option(
                "--max-tokens", type=click.IntRange(min=1), default=1024, show_default=True, help="Longest answer."
            ),
            click.option(
                "--mode",
                type=click.Choice(["off", "shadow", "exact", "semantic"]),
                default="semantic",
                show_default=True,
                help="How far the cache may go; the settings can forbid more.",
            ),
            click.option("--upstream", help="claude, simulator, or a base URL; see SEMCACHE_UPSTREAM."),
        )
    ):
        command = option(command)
    return command


@click.command()
@click.argument("question")
@request_options
@click.option("--url", type=ServiceUrl(), envvar="SEMCACHE_URL", help="Ask this running service; see SEMCACHE_URL.")
@store_options
@json_option
def ask(question: str, url: str | None, as_json: bool, **options: Any) -> None:
    """Ask QUESTION: from memory where that is known to be right, else from Claude.

    The answer goes to standard output; how it came about, to standard error.
    """
    view = _asked_there(url, question, options) if url else _asked_here(question, options)
    if as_json:
        print_json(view)
        return
    click.echo(view["answer"])
    click.secho(_footnote(view), dim=True, err=True)


@click.command()
@click.argument("question")
@click.option("--explain", is_flag=True, help="Show each candidate's evidence, and what it weighs.")
@request_options
@store_options
@json_option
def lookup(question: str, explain: bool, as_json: bool, **options: Any) -> None:
    """Say what would happen to QUESTION, and why. Nothing is sent, stored or counted.

    Looks with the credential that `ask` would use: ANTHROPIC_API_KEY, or the simulator's with --upstream simulator.
    The exit code is 0 for a hit and 1 otherwise.
    """
    from semcache.canonical import system_digest
    from semcache.cli.views import lookup_view
    from semcache.service.route_views import sending_view

    with opened(**_places(options)) as cache:
        found = cache.lookup(question, **options)
        explanation = cache.explain(found, namespace=options["namespace"] or "default") if explain else None
        view = lookup_view(found, explanation)
        if explain:
            view |= sending_view(cache.explain_sending(question, **options))
            view["system"] = system_digest(cache.parts.request(question, **options))
    if as_json:
        print_json(view)
    else:
        _print_lookup(view)
        if explain:
            _print_explanation(view["explanation"])
            _print_sending(view)
    if view["outcome"] in ("miss", "bypass"):
        raise click.exceptions.Exit(1)


def _asked_here(question: str, options: dict[str, Any]) -> dict[str, Any]:
    from semcache.cli.views import answer_view

    with opened(**_places(options)) as cache:
        began = time.perf_counter()
        answer = cache.ask(question, **options)
        latency_ms = (time.perf_counter() - began) * 1000
        return answer_view(answer, upstream=cache.parts.upstream.name, latency_ms=latency_ms)


def _asked_there(url: str, question: str, options: dict[str, Any]) -> dict[str, Any]:
    from semcache.cli.remote import ask_service, sdk_client

    given = [f"--{name.replace('_', '-')}" for name, value in _places(options).items() if value is not None]
    if given:
        raise click.UsageError(f"{given[0]} is the running service's own matter; leave it out, or --url (SEMCACHE_URL)")
    with sdk_client(url) as client:
        return ask_service(client, question, **options)


def _places(options: dict[str, Any]) -> dict[str, Any]:
    """Takes out of the options those that say which cache is meant."""
    return {name: options.pop(name) for name in ("data_dir", "store", "upstream")}


def _print_lookup(view: dict[str, Any]) -> None:
    why = ": ".join(view[name] for name in ("reason", "detail") if view[name])
    click.echo(view["outcome"] + (f" ({why})" if why else ""))
    if view["entry"]:
        click.echo(f"entry {view['entry']}: {view['question']}")
        click.echo(f"similarity {view['similarity']:.4f}, confidence {view['confidence']:.4f}")
    if view["would_be"]:
        click.echo("without that:")
        _print_lookup(view["would_be"])
    if view["considered"]:
        rows = [
            (row["entry"], f"{row['similarity']:.4f}", f"{row['confidence']:.4f}", ", ".join(row["objections"]))
            for row in view["considered"]
        ]
        numbers = ("similarity", "confidence")
        print_table(("considered", *numbers, "against it"), rows, right=numbers)


def _print_explanation(explanation: dict[str, Any]) -> None:
    click.echo(explanation["says"])
    if explanation["candidates"]:
        click.echo(f"A similar answer may be wrong with probability {explanation['cut']:.4f} at most.")
    for candidate in explanation["candidates"]:
        click.echo(f"\n{candidate['entry']}: {candidate['wording']}")
        click.echo(f"  {candidate['says']}")
        for part in candidate["contributions"][:_WEIGHTIEST]:
            click.echo(f"  {part['says']}")


def _print_sending(view: dict[str, Any]) -> None:
    """Where a miss would go, and in which form; the system prompt's hash is what rules in semcache.toml name."""
    route = view["route"]
    click.echo(f"\nOn a miss: {route['says']}")
    if route["weak_right"] is not None:
        chances = f"{route['weak_right']:.2f}, of a large one {route['strong_right']:.2f}"
        click.echo(f"  Chance of a small model {chances}: {route['evidence']}")
    if route["would_be"]:
        click.echo(f"  It would go to {route['would_be']} ({route['category']}).")
    for way in view["ways"]:
        click.echo(f"  {way['name']}: prompt ${money(way['cost_usd'])}; {way['because']}")
    if view["first_max_tokens"]:
        click.echo(
            f"  Room for the answer: {view['first_max_tokens']} tokens at first, all of it where that is not enough"
        )
    if view["breaks_prefix"]:
        click.echo(f"  Note: {view['breaks_prefix']}.")
    click.echo(f"  System prompt: {view['system'][:16]}")


def _footnote(view: dict[str, Any]) -> str:
    parts = [view["outcome"] + (f" ({view['reason']})" if view["reason"] else "")]
    if view["similarity"] is not None:
        parts.append(f"similarity {view['similarity']}, confidence {view['confidence']}")
    if view["route"]:
        parts.append(view["route"])
    parts.append(f"{view['latency_ms']:.1f} ms")
    if view["cost_usd"] is None:
        parts.append("cost unknown: no price for this model")
    else:
        parts += [f"cost ${money(view['cost_usd'])}", f"saved ${money(view['saved_usd'])}"]
    if view["upstream"] == "simulator":
        parts.append("simulator, not Claude")
    return " · ".join(parts)
