"""A whole world for the service: the simulator behind HTTP, the service in front of it, real sockets between."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest
import uvicorn

from semcache.pricing import PriceBook
from semcache.service.app import create_app
from semcache.settings import Settings
from semcache.upstream.simulator import Conduct, Simulator, simulator_app

MODELS = Path(__file__).resolve().parents[2] / "models"
HAS_MODEL = (MODELS / "all-MiniLM-L6-v2" / "built.json").is_file()
MODEL = "claude-haiku-5-5"
ANSWERS = {
    "How do I reset my password?": "Open Settings, choose Security, then press Reset password.",
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
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=30)
        listener.close()


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    try:
        server.run(sockets=[listener])
    except SystemExit:
        return  # start-up failed: `served` notices


@dataclass
class World:
    """A service and the simulator it stands in front of."""

    simulator: Simulator
    settings: Settings
    url: str

    @property
    def calls(self) -> int:
        """Messages requests that reached the upstream."""
        return sum(call.path == "/v1/messages" for call in self.simulator.calls)

    def client(self, *, api_key: str = "key-of-anna", **options: Any) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=self.url, api_key=api_key, max_retries=0, timeout=20, **options)

    def async_client(self, *, api_key: str = "key-of-anna", **options: Any) -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(base_url=self.url, api_key=api_key, max_retries=0, timeout=20, **options)

    def ask(self, question: str | bytes, *, headers: dict[str, str] | None = None, **fields: Any) -> httpx2.Response:
        """A Messages request in plain HTTP, with nothing of a client library in between."""
        body = {"model": MODEL, "max_tokens": 200, "messages": [{"role": "user", "content": question}], **fields}
        return self.http("POST", "/v1/messages", json=body, headers=headers)

    def http(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx2.Response:
        standard = {"x-api-key": "key-of-anna", "anthropic-version": "2026-10-21"}
        with httpx2.Client(base_url=self.url, timeout=20, trust_env=False) as client:
            return client.request(method, path, headers={**standard, **(headers or {})}, **options)


MakeWorld = Callable[..., World]


@pytest.fixture
def prices() -> PriceBook:
    return PriceBook.load(MODELS / "claude.toml")


@pytest.fixture
def make_world(prices: PriceBook, tmp_path: Path) -> Iterator[MakeWorld]:
    """Build worlds with these settings; all are taken down when the test ends."""
    with ExitStack() as stack:

        def make(*, conduct: Conduct | None = None, answers: Any = ANSWERS, **settings: Any) -> World:
            simulator = Simulator(prices, answers=answers, conduct=conduct)
            upstream_url = stack.enter_context(served(simulator_app(simulator)))
            chosen = Settings(**{**_defaults(tmp_path), "upstream": upstream_url, **settings})
            return World(simulator, chosen, stack.enter_context(served(create_app(chosen))))

        yield make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()


def _defaults(folder: Path) -> dict[str, Any]:
    """The shipped parts; without the built model, a hashing one that knows exact repeats only."""
    embedder = "all-MiniLM-L6-v2" if HAS_MODEL else "hashed"
    return {"embedder": embedder, "models_dir": MODELS, "data_dir": folder / "index", "error_budget": 0.05}
