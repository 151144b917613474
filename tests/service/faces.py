"""Every way to ask the same question, as one function: question in, text or error out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anthropic
from worlds import MODEL, World

import semcache
from semcache.errors import UpstreamStatus, UpstreamTorn

FAQ = "question,answer\nWhat are your opening hours?,We are here from nine to five.\n"


@dataclass(frozen=True)
class Outcome:
    """What came of it. `detail` is the Cache-Status where the face shows it."""

    text: str = ""
    error: int | None = None  # the status that the library raised with
    kind: str = ""  # the type of the error
    detail: str | None = None


@dataclass
class Face:
    """One way to ask, and to import a FAQ."""

    ask: Callable[..., Outcome]
    import_faq: Callable[[str], None]


def http_face(name: str, world: World, stack: ExitStack) -> Face:
    """The official client library, pointed at the service."""
    client = stack.enter_context(world.client())

    def import_faq(table: str) -> None:
        response = world.http("POST", "/semcache/v1/import?format=csv", content=table)
        assert response.json()["added"] == 1

    match name:
        case "async":
            ask = _async(world.async_client)
        case "raw response":
            ask = _guarded(lambda **options: _raw_response(client, options))
        case _:
            ask = _guarded(lambda **options: _SYNC[name](client, options))
    return Face(ask, import_faq)


def library_face(name: str, world: World, stack: ExitStack, *, folder: Path) -> Face:
    """The same core inside this process: the drop-in clients, and the library itself."""
    settings = replace(world.settings, data_dir=folder / "library")
    if name == "async drop-in":
        return _async_drop_in(settings)
    cache = stack.enter_context(semcache.SemanticCache(settings))
    client = stack.enter_context(semcache.Anthropic(cache=cache, api_key="key-of-anna", max_retries=0))
    asks = {
        "drop-in": _guarded(lambda **options: _created(client, options)),
        "drop-in stream": _guarded(lambda **options: _streamed(client, options)),
        "library": lambda question, **options: _asked(cache, question, options),
    }
    return Face(asks[name], lambda table: _imported(cache, table))


HTTP_FACES = ("sync", "async", "messages.stream", "raw stream", "raw response")
LIBRARY_FACES = ("drop-in", "drop-in stream", "async drop-in", "library")


def open_face(name: str, world: World, stack: ExitStack, *, folder: Path) -> Face:
    if name in HTTP_FACES:
        return http_face(name, world, stack)
    return library_face(name, world, stack, folder=folder)


def _guarded(work: Callable[..., Outcome]) -> Callable[..., Outcome]:
    """Ask with the fields of a Messages request; an error of the library becomes an outcome."""

    def ask(question: str, *, mode: str | None = None, **fields: Any) -> Outcome:
        try:
            return work(**_options(question, mode, fields))
        except anthropic.APIStatusError as error:
            return Outcome(error=error.status_code, kind=str(error.type))

    return ask


def _options(question: str, mode: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    headers = {} if mode is None else {"x-semcache-mode": mode}
    turns = [{"role": "user", "content": question}]
    return {"model": MODEL, "max_tokens": 200, "messages": turns, "extra_headers": headers, **fields}


def _created(client: anthropic.Anthropic, options: dict[str, Any]) -> Outcome:
    return Outcome(_text(client.messages.create(**options)))


def _streamed(client: anthropic.Anthropic, options: dict[str, Any]) -> Outcome:
    with client.messages.stream(**options) as stream:
        return Outcome(_text(stream.get_final_message()))


def _raw_streamed(client: anthropic.Anthropic, options: dict[str, Any]) -> Outcome:
    with client.messages.create(stream=True, **options) as events:
        return Outcome("".join(_deltas(events)))


def _raw_response(client: anthropic.Anthropic, options: dict[str, Any]) -> Outcome:
    response = client.messages.with_raw_response.create(**options)
    status = response.headers["cache-status"]
    return Outcome(_text(response.parse()), detail=status.rpartition("detail=")[2])


_SYNC = {"sync": _created, "messages.stream": _streamed, "raw stream": _raw_streamed}


def _async(open_client: Callable[[], anthropic.AsyncAnthropic]) -> Callable[..., Outcome]:
    async def created(options: dict[str, Any]) -> Outcome:
        async with open_client() as client:
            return Outcome(_text(await client.messages.create(**options)))

    return _guarded(lambda **options: asyncio.run(created(options)))


def _async_drop_in(settings: semcache.Settings) -> Face:
    """An async cache belongs to one event loop: it is closed after each question, and the store remembers."""

    async def with_cache(work: Callable[[semcache.AsyncSemanticCache], Awaitable[Outcome]]) -> Outcome:
        async with semcache.AsyncSemanticCache(settings) as cache:
            return await work(cache)

    async def created(cache: semcache.AsyncSemanticCache, options: dict[str, Any]) -> Outcome:
        async with semcache.AsyncAnthropic(cache=cache, api_key="key-of-anna", max_retries=0) as client:
            return Outcome(_text(await client.messages.create(**options)))

    async def imported(cache: semcache.AsyncSemanticCache, table: str) -> Outcome:
        _imported(cache, table)
        return Outcome()

    ask = _guarded(lambda **options: asyncio.run(with_cache(lambda cache: created(cache, options))))
    return Face(ask, lambda table: asyncio.run(with_cache(lambda cache: imported(cache, table))) and None)


def _asked(cache: semcache.SemanticCache, question: str, options: dict[str, Any]) -> Outcome:
    mode = options.pop("mode", None) or "semantic"
    options = {"model": MODEL, "max_tokens": 200, "api_key": "key-of-anna", "mode": mode, **options}
    try:
        answer = cache.ask(question, **options)
    except UpstreamStatus as error:
        return Outcome(error=error.status)
    except UpstreamTorn:
        return Outcome(error=502)
    return Outcome(answer.message.text, detail=getattr(answer.lookup, "reason", None) or answer.lookup.kind.value)


def _imported(cache: Any, table: str) -> None:
    path = cache.parts.settings.data_dir.with_name("faq.csv")
    path.write_text(table, "utf-8")
    assert cache.import_faq(path).added == 1


def _text(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def _deltas(events: Any) -> Iterator[str]:
    for event in events:
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            yield event.delta.text
