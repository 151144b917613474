"""`semcache quality`: what is proved about the answers served from memory, and what is not known."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import click

from semcache.cli.opening import opened
from semcache.cli.output import ServiceUrl, json_option, print_json, print_table, store_options

_COLUMNS = ("namespace", "similar hits", "audits", "found wrong", "wrong at most", "last 30 days", "labels", "caution")
_ROUTE_COLUMNS = ("namespace", "cheaper model for", "requests", "compared", "worse", "worse at most", "proven")
_NOT_KNOWN = "not known"


@click.command()
@click.option("--namespace", help="Only this namespace.")
@click.option("--url", type=ServiceUrl(), envvar="SEMCACHE_URL", help="Ask this running service; see SEMCACHE_URL.")
@store_options
@json_option
def quality(namespace: str | None, url: str | None, as_json: bool, **where: str | None) -> None:
    """Say how many answers from memory are wrong at most, from how many audits, and what going live would give.

    Without --url it reads what the service last wrote, which may be half a minute old.
    """
    view = _read_there(url, namespace, where) if url else _read_here(namespace, where)
    if as_json:
        print_json(view)
        return
    for sentence in view["overall"]["says"]:
        click.echo(sentence)
    if view["namespaces"]:
        print_table(_COLUMNS, [_row(each) for each in view["namespaces"]], right=_COLUMNS[1:7])
    _print_routes(view["routes"])
    for each in view["namespaces"]:
        if each["caution_reason"]:
            click.echo(f"{each['namespace']} is {each['caution']}: {each['caution_reason']}")


def _print_routes(routes: list[dict[str, Any]]) -> None:
    """What is proven of cheaper models; nothing where none was tried."""
    if routes:
        rows = [
            (
                each["namespace"],
                each["category"],
                each["routed"],
                each["compared"],
                _NOT_KNOWN if each["worse"] is None else f"{each['worse']:g}",
                _bound(each["worse_at_most"]),
                "yes" if each["certified"] else "no",
            )
            for each in routes
        ]
        print_table(_ROUTE_COLUMNS, rows, right=_ROUTE_COLUMNS[2:6])


def _read_here(namespace: str | None, where: dict[str, str | None]) -> dict[str, Any]:
    from semcache.service.quality_views import quality_view
    from semcache.service.route_views import route_report_view

    with opened(**where) as cache:
        routes = [route_report_view(*each) for each in cache.routes(namespace)]
        return {**quality_view(cache.quality(namespace)), "routes": routes}


def _read_there(url: str, namespace: str | None, where: dict[str, str | None]) -> dict[str, Any]:
    from semcache.cli.http import fetch

    given = [f"--{name.replace('_', '-')}" for name, value in where.items() if value is not None]
    if given:
        raise click.UsageError(f"{given[0]} is the running service's own matter; leave it out, or --url (SEMCACHE_URL)")
    query = f"?{urlencode({'namespace': namespace})}" if namespace else ""
    view: dict[str, Any] = fetch(url, f"/semcache/v1/quality{query}")
    return view


def _row(quality: dict[str, Any]) -> tuple[object, ...]:
    certificate, recent = quality["since_start"], quality["last_30_days"]
    return (
        quality["namespace"],
        certificate["similar_hits"],
        certificate["audits"],
        _NOT_KNOWN if certificate["wrong"] is None else f"{certificate['wrong']:g}",
        _bound(certificate["upper_bound"]),
        _bound(recent["upper_bound"]),
        quality["labels"],
        quality["caution"],
    )


def _bound(share: float | None) -> str:
    return _NOT_KNOWN if share is None else f"{100 * share:.3g} %"
