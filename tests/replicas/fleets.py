"""Several processes of the service in front of one simulator: real ones, started as an operator starts them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from worlds import MODELS, question_body, served, until

from semcache.pricing import PriceBook, find_claude_manifest
from semcache.upstream.simulator import BatchConduct, Conduct, Simulator, simulator_app

HEADERS = {"x-api-key": "key-of-anna", "anthropic-version": "2026-10-21"}


@dataclass
class Fleet:
    """The addresses of the replicas: of several workers behind one port, that one, several times over."""

    urls: list[str]
    simulator: Simulator
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def calls(self) -> int:
        """Messages requests that have reached the upstream."""
        return sum(call.path == "/v1/messages" for call in self.simulator.calls)

    def http(self, replica: int, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request on a connection of its own."""
        with httpx2.Client(base_url=self.urls[replica], timeout=60, trust_env=False, headers=HEADERS) as client:
            return client.request(method, path, **options)

    def ask(self, replica: int, question: str, *, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        return self.http(replica, "POST", "/v1/messages", json=question_body(question), headers=headers)

    def ask_all(self, question: str, *, times: int = 1) -> list[httpx2.Response]:
        """Every replica, all at once."""
        everywhere = [replica for replica in range(len(self.urls)) for _ in range(times)]
        with ThreadPoolExecutor(len(everywhere)) as pool:
            return list(pool.map(lambda replica: self.ask(replica, question), everywhere))

    def everywhere(self, holds: Callable[[int], bool], *, seconds: float = 20.0) -> None:
        """Wait until it holds of every replica; of workers behind one port, several times in a row."""
        until(lambda: all(holds(replica) for replica in range(len(self.urls)) for _ in range(3)), seconds=seconds)


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The pids of the workers under a supervisor."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def outcome(response: httpx2.Response) -> str:
    """`hit`, `miss` or `bypass`, of a good answer."""
    assert response.status_code == 200, response.text
    status = response.headers["cache-status"]
    return "hit" if "; hit" in status else status.split("fwd=")[1].split(";")[0]


def text_of(response: httpx2.Response) -> str:
    return "".join(block.get("text", "") for block in response.json()["content"])


@contextmanager
def simulating(*, head_delay_seconds: float = 0.0) -> Iterator[tuple[str, Simulator]]:
    """The simulator on a port of its own."""
    prices = PriceBook.load(find_claude_manifest(MODELS))
    simulator = Simulator(
        prices, conduct=Conduct(head_delay_seconds=head_delay_seconds, batches=BatchConduct(seconds=0.5))
    )
    with served(simulator_app(simulator)) as url:
        yield url, simulator


@contextmanager
def serving(folder: Path, *words: str, variables: Mapping[str, str]) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`semcache serve` as a process; its log goes to a file, so that no pipe fills up."""
    port = _free_port()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"serve-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "semcache", "serve", "--port", str(port), *words],
            cwd=folder,
            env={**os.environ, "SEMCACHE_MODELS_DIR": str(MODELS), "SEMCACHE_EMBEDDER": "hashed", **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that all of it can be ended at once
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _until_it_answers(url, process, folder / f"serve-{port}.log")
        yield url, process
    finally:
        _end(process)


@contextmanager
def workers_on_one_host(
    folder: Path, *, head_delay_seconds: float = 0.0, replicas: int = 3, **variables: str
) -> Iterator[Fleet]:
    with ExitStack() as stack:
        upstream, simulator = stack.enter_context(simulating(head_delay_seconds=head_delay_seconds))
        given = {"SEMCACHE_UPSTREAM": upstream, "SEMCACHE_AUDITS": "false", **variables}
        url, process = stack.enter_context(serving(folder, "--workers", str(replicas), variables=given))
        yield Fleet([url] * replicas, simulator, [process])


def _until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx2.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == 200
        except httpx2.HTTPError:
            time.sleep(0.05)
            return False

    until(answers, seconds=60)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
