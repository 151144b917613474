"""A simulator asked in process and in virtual time, and one asked by the official SDK over real HTTP."""

import asyncio
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn

from semcache.pricing import PriceBook
from semcache.upstream.simulator import Conduct, Simulator, simulator_app
from semcache.upstream.upstream import UpstreamRequest

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


@dataclass
class Clock:
    """Time that stands still until a test moves it."""

    now: float = NOON

    def __call__(self):
        return self.now


@dataclass
class Reply:
    status: int
    headers: dict
    raw: bytes

    @property
    def json(self):
        return json.loads(self.raw)

    @property
    def problem(self):
        return self.json["error"]["message"]

    @property
    def events(self):
        frames = self.raw.decode().split("\n\n")[:-1]
        return [json.loads(frame.split("data: ", 1)[1]) for frame in frames]


@dataclass
class Desk:
    """Asks a simulator without HTTP."""

    simulator: Simulator
    clock: Clock
    headers: dict = field(default_factory=lambda: {"x-api-key": "key", "anthropic-version": "2026-10-21"})

    def post(self, body, *, path="/v1/messages", **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, raw, **headers)

    def get(self, path, query="", **headers):
        return self.send("GET", path, query=query, **headers)

    def send(self, method, path, raw=b"", query="", **headers):
        named = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        kept = tuple((name, value) for name, value in named.items() if value is not None)
        return asyncio.run(self._send(UpstreamRequest(method, path, query, kept, raw)))

    async def _send(self, request):
        response = await self.simulator.open(request)
        raw = b"".join([chunk async for chunk in response.chunks()])
        return Reply(response.status, dict(response.headers), raw)


@pytest.fixture(scope="session")
def book():
    return PriceBook.load(Path(__file__).parents[3] / "models" / "claude.toml")


@pytest.fixture
def open_desk(book):
    """Opens a desk whose simulator gives these answers."""

    def open_with(answers=None, **conduct):
        clock = Clock()
        return Desk(Simulator(book, answers=answers, clock=clock, conduct=Conduct(**conduct)), clock)

    return open_with


@pytest.fixture
def desk(open_desk):
    return open_desk()


@pytest.fixture
def ask():
    """A valid body that asks one question, with these changes; None removes a field."""

    def body(**changes):
        asked = {"model": "claude-haiku-5-5", "max_tokens": 1000, "messages": [{"role": "user", "content": "Why?"}]}
        return {name: value for name, value in (asked | changes).items() if value is not None}

    return body


@dataclass
class Live:
    """A simulator behind uvicorn."""

    simulator: Simulator
    base_url: str


@pytest.fixture(scope="module")
def live(book):
    answers = {"What is the capital of Peru?": "Lima is the capital of Peru."}
    simulator = Simulator(book, answers=answers, clock=Clock())
    config = uvicorn.Config(simulator_app(simulator), port=0, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Live(simulator, f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join()
