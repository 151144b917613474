"""`semcache warm`: has prompts held in Claude's prompt cache before, and as long as, they are needed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from semcache.cli.opening import opened
from semcache.cli.output import Duration, ServiceUrl, json_option, money, print_json, print_table, store_options

if TYPE_CHECKING:
    from semcache.message import Usage
    from semcache.pricing import PriceBook
    from semcache.request import Json, Request
    from semcache.strategies.breakpoints.prewarming import Holding

Send = Callable[["Request"], "Usage"]
_COLUMNS = ("model", "tokens", "held by", "sent", "written", "read", "costs $", "pays from")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--for", "seconds", type=Duration(), default="5m", show_default=True, help="How long: 1h, 90m, …")
@click.option("--most", type=click.IntRange(min=1), default=20, show_default=True, help="Different prompts of FILE.")
@click.option("--dry-run", is_flag=True, help="Say what it would cost, and send nothing.")
@click.option("--upstream", help="claude, simulator, or a base URL; see SEMCACHE_UPSTREAM.")
@click.option("--url", type=ServiceUrl(), envvar="SEMCACHE_URL", help="Through this running service; see SEMCACHE_URL.")
@store_options
@json_option
def warm(file: Path, seconds: float, as_json: bool, **options: Any) -> None:
    """Have the prompts of FILE held in Claude's prompt cache: tools, system prompt, documents.

    FILE is JSONL of Messages bodies, or a recording of `serve --record`. Each prompt is sent with `max_tokens: 0`, and
    again before it runs out as long as `--for` says: with marks of five minutes or of an hour, whichever is cheaper.
    What it costs is said beside the number of requests from which on it pays.
    """
    most, is_dry, url = options.pop("most"), options.pop("dry_run"), options.pop("url")
    with _sender(url, options) as (prices, send):
        warmed = [Warmed(each) for each in holdings(file, most, seconds, prices)]
        if not is_dry:
            send_all(warmed, send, Times())
    rows = [each.view() for each in warmed]
    if as_json:
        print_json({"prompts": rows})
    else:
        print_table(_COLUMNS, [_row(view) for view in rows], right=_COLUMNS[1:])
        click.echo("Pays from so many requests in that time, against sending the prompt each time without a cache.")


@dataclass
class Warmed:
    """One prompt and what became of it."""

    holding: Holding
    sent: int = 0
    written: int = 0
    read: int = 0

    def view(self) -> dict[str, Any]:
        known = self.holding
        return {
            "model": known.request.model,
            "tokens": known.tokens,
            "ttl": known.ttl,
            "every_seconds": known.every_seconds,
            "times_more": known.times_more,
            "expected_usd": known.cost_usd,
            "pays_from": known.pays_from,
            "sent": self.sent,
            "written_tokens": self.written,
            "read_tokens": self.read,
        }


def holdings(file: Path, most: int, seconds: float, prices: PriceBook) -> list[Holding]:
    """Of each different prompt, in the order of the file."""
    from semcache.errors import InvalidRequest
    from semcache.request import Request
    from semcache.strategies.breakpoints.prewarming import holding
    from semcache.traffic.recorded import read_traffic

    today = datetime.now(UTC).date()
    found: dict[str, Holding] = {}
    count = 0
    for recorded in read_traffic(file, {"max_tokens": 0}):
        count += 1
        model = prices.model(str(recorded.params.get("model")))
        held = None if model is None else holding(Request(recorded.params), model, seconds, on=today)
        if held is not None:
            found.setdefault(_prompt_of(held.request), held)
        if len(found) == most:
            break
    if not found:
        raise InvalidRequest(
            f"{file}: none of {count} requests has a static part that Claude would hold: tools, a system prompt or a "
            "document before the question, longer than its model's minimum, and no marks of its own"
        )
    return list(found.values())


def _prompt_of(request: Request) -> str:
    """Names what is held: the prompt up to its mark."""
    from semcache.canonical import digest

    static = {name: request.body.get(name) for name in ("model", "tools", "system", "thinking", "output_config")}
    content = request.messages[0].get("content") if request.messages else None
    is_marked = isinstance(content, list) and any("cache_control" in block for block in content)
    return digest([static, content[:-1] if is_marked and isinstance(content, list) else None])


@dataclass(frozen=True)
class Times:
    """Where time comes from, and how it is waited for."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def send_all(warmed: list[Warmed], send: Send, times: Times) -> None:
    """Each at its time; the first of all at once."""
    began = times.now()
    due = [(0.0, each) for each in warmed]
    while due:
        due.sort(key=lambda entry: entry[0])
        at, each = due.pop(0)
        if (wait := began + at - times.now()) > 0:
            times.sleep(wait)
        usage = send(each.holding.request)
        each.sent += 1
        each.written += usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
        each.read += usage.cache_read_tokens
        if each.sent <= each.holding.times_more:
            due.append((at + each.holding.every_seconds, each))


@contextmanager
def _sender(url: str | None, options: dict[str, Any]) -> Iterator[tuple[PriceBook, Send]]:
    from semcache.pricing import PriceBook, find_claude_manifest

    if url is not None:
        yield PriceBook.load(find_claude_manifest(None)), lambda request: _sent_there(url, request.body)
        return
    from dataclasses import replace

    with opened(**options) as cache:
        like = cache.parts.request("")
        yield cache.parts.assembly.prices, lambda request: cache.answer(replace(like, body=request.body)).message.usage


def _sent_there(url: str, body: Json) -> Usage:
    import anthropic

    from semcache.cli.http import NOBODY_THERE, told
    from semcache.cli.remote import sdk_client
    from semcache.message import Message

    named = ("model", "messages", "max_tokens")
    try:
        response = sdk_client(url).messages.with_raw_response.create(
            model=body["model"],
            messages=body["messages"],
            max_tokens=0,
            extra_body={name: value for name, value in body.items() if name not in named},
        )
    except anthropic.APIConnectionError:
        raise click.ClickException(NOBODY_THERE.format(url=url)) from None
    except anthropic.APIStatusError as error:
        raise click.ClickException(f"{url} answered {error.status_code}: {told(error.body)}") from None
    return Message(json.loads(response.text())).usage


def _row(view: dict[str, Any]) -> list[object]:
    return [
        view["model"],
        view["tokens"],
        view["ttl"] if not view["times_more"] else f"{view['ttl']}, {view['times_more']} times more",
        view["sent"],
        view["written_tokens"],
        view["read_tokens"],
        money(view["expected_usd"]),
        view["pays_from"],
    ]
