"""A whole world for the service: an upstream behind HTTP, the service in front of it, real sockets between."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import uvicorn

from semcache.pricing import PriceBook
from semcache.service.app import create_app
from semcache.settings import Settings
from semcache.upstream.simulator import Conduct, Simulator, simulator_app

MODELS = Path(__file__).resolve().parents[2] / "models"
HAS_MODEL = (MODELS / "all-MiniLM-L6-v2" / "built.json").is_file()
MODEL = "claude-haiku-5-5"
RESET, REWORDED = "How do I reset my password?", "How do I reset my password, please?"
ANSWERS = {
    RESET: "Open Settings, choose Security, then press Reset password.",
    REWORDED: "This wording was answered by the upstream.",
    "How do I cancel my subscription?": "Open Billing and press Cancel plan.",
    "Where can I see my invoices?": "Every invoice is listed under Billing, newest first.",
}


@contextmanager
def served(app: Any, **options: Any) -> Iterator[str]:
    """Run an ASGI app on a free port of this machine, in a thread; gives its base URL."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    given = {"log_config": None, "access_log": False, "ws": "none", "timeout_graceful_shutdown": 1, **options}
    server = uvicorn.Server(uvicorn.Config(app, loop="uvloop", http="httptools", proxy_headers=False, **given))
    thread = threading.Thread(target=_run, args=(server, listener), daemon=True)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started, "the server did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    with suppress(SystemExit):  # start-up failed: `served` notices
        server.run(sockets=[listener])


def until(holds: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


@dataclass
class Place:
    """A service, and how to speak with it."""

    settings: Settings
    url: str
    clients: list[anthropic.Anthropic | anthropic.AsyncAnthropic] = field(default_factory=list, init=False)

    def client(self, *, api_key: str = "key-of-anna", **options: Any) -> anthropic.Anthropic:
        client = anthropic.Anthropic(base_url=self.url, api_key=api_key, max_retries=0, timeout=20, **options)
        self.clients.append(client)
        return client

    def async_client(self, *, api_key: str = "key-of-anna", **options: Any) -> anthropic.AsyncAnthropic:
        client = anthropic.AsyncAnthropic(base_url=self.url, api_key=api_key, max_retries=0, timeout=20, **options)
        self.clients.append(client)
        return client

    def check_closed(self) -> None:
        """An open client fails the test that left it, not whichever runs when its socket is collected."""
        assert all(client.is_closed() for client in self.clients), "a client was left open; write `with world.client()`"

    def ask(self, question: Any, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx2.Response:
        """A Messages request in plain HTTP, with nothing of a client library in between."""
        return self.http("POST", "/v1/messages", json=question_body(question, **fields), headers=headers)

    def http(self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any) -> httpx2.Response:
        standard = {"x-api-key": "key-of-anna", "anthropic-version": "2026-10-21"}
        with httpx2.Client(base_url=self.url, timeout=20, trust_env=False) as client:
            return client.request(method, path, headers={**standard, **(headers or {})}, **options)

    def metric(self, name: str) -> float:
        """One sample of /metrics, or 0."""
        lines = self.http("GET", "/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)


@dataclass
class World(Place):
    """A service in front of the simulator."""

    simulator: Simulator
    calls_before: int = 0

    @property
    def calls(self) -> int:
        """Messages requests that reached the simulator."""
        return sum(call.path == "/v1/messages" for call in self.simulator.calls) - self.calls_before

    def start_over(self) -> World:
        """The same world without memory: for many small tests."""
        self.simulator.clear_faults()
        assert self.http("POST", "/semcache/v1/purge", json={"namespace": "default"}).status_code == 200
        self.calls_before += self.calls
        return self


@contextmanager
def world_maker(folder: Path) -> Iterator[Callable[..., World]]:
    with ExitStack() as stack:

        def make(*, conduct: Conduct | None = None, answers: Any = ANSWERS, **changes: Any) -> World:
            simulator = Simulator(PriceBook.load(MODELS / "claude.toml"), answers=answers, conduct=conduct)
            upstream = stack.enter_context(served(simulator_app(simulator), lifespan="off"))
            chosen = settings(folder, upstream=upstream, **changes)
            world = World(chosen, stack.enter_context(served(create_app(chosen))), simulator)
            stack.callback(world.check_closed)
            return world

        yield make


def question_body(question: Any, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": question}], **fields}


def settings(folder: Path, **changes: Any) -> Settings:
    """The shipped parts; without the built model, a hashing one. No audits: tests count the calls upstream."""
    embedder = "all-MiniLM-L6-v2" if HAS_MODEL else "hashed"
    shipped = {
        "embedder": embedder,
        "models_dir": MODELS,
        "data_dir": folder / "index",
        "error_budget": 0.05,
        "audits": False,
    }
    return Settings(**{**shipped, **changes})


def outcome_of(response: httpx2.Response) -> str:
    """`hit; detail=exact` and the like."""
    return response.headers["cache-status"].removeprefix("semcache; ")


@dataclass
class Seen:
    """A request as it reached the scripted upstream."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


@dataclass
class Said:
    """What the scripted upstream answers. `gate` is waited for before each chunk but the first."""

    chunks: list[bytes]
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    gate: threading.Event | None = None
    is_torn: bool = False


@dataclass
class Script:
    """An upstream that says what a function says, and records what it is sent, byte for byte."""

    answer: Callable[[Seen], Said]
    seen: list[Seen] = field(default_factory=list)
    hung_up: int = 0
    release: threading.Event | None = None  # waited for before the head

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        said = await self._received(scope, receive)
        watch = asyncio.ensure_future(_disconnected(receive))
        try:
            await self._say(said, send, watch)
        finally:
            watch.cancel()

    async def _received(self, scope: Any, receive: Any) -> Said:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        query = f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        request = Seen(scope["method"], scope["raw_path"].decode() + query, headers, body)
        self.seen.append(request)
        return self.answer(request)

    async def _say(self, said: Said, send: Any, watch: asyncio.Future[None]) -> None:
        head = [(name.encode(), value.encode("latin-1")) for name, value in said.headers]
        waits = [self.release, *([said.gate] * (len(said.chunks) - 1))]
        for number, chunk in enumerate(said.chunks):
            if not await _opened(waits[number], watch):
                self.hung_up += 1
                return
            if number == 0:
                await send({"type": "http.response.start", "status": said.status, "headers": head})
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if not said.is_torn:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _opened(gate: threading.Event | None, watch: asyncio.Future[None]) -> bool:
    """Whether the gate opened before the client hung up."""
    while gate is not None and not gate.is_set():
        if watch.done():
            return False
        await asyncio.sleep(0.005)
    return True


async def _disconnected(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def message_json(text: str = "an answer", **fields: Any) -> bytes:
    """A message with fields and spacing of its own, so that nothing but its own bytes will do."""
    usage = {"input_tokens": 10, "output_tokens": 5, "of_tomorrow": None}
    body = {
        "model": MODEL, "id": "msg_original", "type": "message", "role": "assistant", "unheard_of": [1.0, "é"],
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    return json.dumps({**body, **fields}, indent=1).encode()


def stream_chunks(text: str = "an answer", *, end: bool = True) -> list[bytes]:
    """The same as a stream: the beginning, a piece, and the end, cut in the middle of events."""
    start = {"id": "msg_original", "type": "message", "role": "assistant", "model": MODEL, "content": []}
    start |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 10, "output_tokens": 1}}
    events = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
    ]
    closing = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    opening_bytes, closing_bytes = b": hello\n\n" + _frames(events), _frames(closing)
    return [opening_bytes, closing_bytes[:20], closing_bytes[20:]] if end else [opening_bytes]


def _frames(events: list[dict[str, Any]]) -> bytes:
    return b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events)


def spoken(text: str = "an answer", **options: Any) -> Callable[[Seen], Said]:
    """Answers JSON or a stream, as it is asked."""

    def answer(request: Seen) -> Said:
        if json.loads(request.body or b"{}").get("stream"):
            return Said(stream_chunks(text), headers=(("content-type", "text/event-stream; charset=utf-8"),), **options)
        return Said([message_json(text)], **options)

    return answer
