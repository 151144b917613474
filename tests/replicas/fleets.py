"""Several processes of the service in front of one simulator: real ones, started as an operator starts them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from postgres_server import free_port
from worlds import ANSWERS, MODELS, question_body, served, until

from semcache.pricing import PriceBook, find_claude_manifest
from semcache.upstream.simulator import BatchConduct, Conduct, Simulator, simulator_app

HEADERS = {"x-api-key": "key-of-anna", "anthropic-version": "2026-10-21"}


@dataclass
class Replica:
    """`semcache serve` as a process on a port of its own; its log goes to a file, so that no pipe fills up."""

    folder: Path
    variables: Mapping[str, str]
    words: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.folder / f"serve-{self.port}.log"

    def start(self) -> None:
        """Returns at once; see `wait`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        given = {"SEMCACHE_MODELS_DIR": str(MODELS), "SEMCACHE_EMBEDDER": "hashed", **self.variables}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "semcache", "serve", "--port", str(self.port), *self.words],
                cwd=self.folder,
                env={**os.environ, **given},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that all of it can be ended at once
            )

    def wait(self) -> None:
        """Until it answers."""
        until(self._answers, seconds=90)

    def stop(self) -> None:
        """As an operator does: what is under way is finished."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """As a machine that dies."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    @property
    def pids(self) -> list[int]:
        """Who answers: the workers, or the process that is alone."""
        if self.process is None:
            return []
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split()
        workers = [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return workers or [self.process.pid]

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200
        except httpx2.HTTPError:
            time.sleep(0.05)
            return False


@dataclass
class Fleet:
    """The addresses of the replicas: of several workers behind one port, that one, several times over."""

    urls: list[str]
    simulator: Simulator
    upstream: str
    replicas: list[Replica]

    @property
    def calls(self) -> int:
        """Messages requests that have reached the upstream."""
        return sum(call.path == "/v1/messages" for call in self.simulator.calls)

    @property
    def batches_sent(self) -> int:
        return sum(call.path == "/v1/messages/batches" and call.method == "POST" for call in self.simulator.calls)

    @property
    def alive(self) -> list[int]:
        """The replicas that can be asked."""
        up = {replica.url for replica in self.replicas if replica.process is not None}
        return [number for number, url in enumerate(self.urls) if url in up]

    def http(self, replica: int, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request on a connection of its own."""
        with httpx2.Client(base_url=self.urls[replica], timeout=60, trust_env=False, headers=HEADERS) as client:
            return client.request(method, path, **options)

    def ask(self, replica: int, question: str, *, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        return self.http(replica, "POST", "/v1/messages", json=question_body(question), headers=headers)

    def ask_all(self, question: str, *, times: int = 1) -> list[httpx2.Response]:
        """Every replica, all at once."""
        everywhere = [replica for replica in self.alive for _ in range(times)]
        with ThreadPoolExecutor(len(everywhere)) as pool:
            return list(pool.map(lambda replica: self.ask(replica, question), everywhere))

    def everywhere(self, holds: Callable[[int], bool], *, seconds: float = 20.0) -> None:
        """Wait until it holds of every replica; of workers behind one port, several times in a row."""
        until(lambda: all(holds(replica) for replica in self.alive for _ in range(3)), seconds=seconds)

    def metric(self, replica: int, sample: str) -> float:
        """One sample of a replica's /metrics, or 0."""
        lines = self.http(replica, "GET", "/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample)), 0.0)

    def kill_who_talks_upstream(self) -> None:
        """kill -9 of the one process that has a connection to the upstream; a lone replica is gone with it."""
        talking = [
            (replica, pid)
            for replica in self.replicas
            for pid in replica.pids
            if _has_connection(pid, to_port=urlsplit(self.upstream).port or 0)
        ]
        assert len(talking) == 1, talking
        replica, pid = talking[0]
        if replica.process is not None and pid == replica.process.pid:
            replica.kill()
        else:
            os.kill(pid, signal.SIGKILL)


def outcome(response: httpx2.Response) -> str:
    """`hit`, `miss` or `bypass`, of a good answer."""
    assert response.status_code == 200, response.text
    status = response.headers["cache-status"]
    return "hit" if "; hit" in status else status.split("fwd=")[1].split(";")[0]


def text_of(response: httpx2.Response) -> str:
    return "".join(block.get("text", "") for block in response.json()["content"])


@contextmanager
def simulating(
    *, answers: Mapping[str, str] = ANSWERS, batch_seconds: float = 0.5, **conduct: Any
) -> Iterator[tuple[str, Simulator]]:
    """The simulator on a port of its own; `conduct` as `Conduct` has it."""
    prices = PriceBook.load(find_claude_manifest(MODELS))
    simulator = Simulator(
        prices, answers=answers, conduct=Conduct(batches=BatchConduct(seconds=batch_seconds), **conduct)
    )
    with served(simulator_app(simulator)) as url:
        yield url, simulator


@contextmanager
def running(*replicas: Replica) -> Iterator[None]:
    """All at once, as a machine room does after a power cut."""
    with ExitStack() as stack:
        for replica in replicas:
            stack.callback(replica.stop)
            replica.start()
        for replica in replicas:
            replica.wait()
        yield


@contextmanager
def fleet_of(
    folder: Path,
    store: str | None,
    *,
    replicas: int = 3,
    head_delay_seconds: float = 0.0,
    batch_seconds: float = 0.5,
    answers: Mapping[str, str] = ANSWERS,
    **variables: str,
) -> Iterator[Fleet]:
    """Replicas that share the store; None: workers on this host, behind one port."""
    with ExitStack() as stack:
        simulated = simulating(answers=answers, batch_seconds=batch_seconds, head_delay_seconds=head_delay_seconds)
        upstream, simulator = stack.enter_context(simulated)
        given = {"SEMCACHE_UPSTREAM": upstream, "SEMCACHE_AUDITS": "false", **variables}
        if store is None:
            started = [Replica(folder, given, ("--workers", str(replicas)))]
        else:
            given["SEMCACHE_STORE"] = store
            started = [Replica(folder / str(number), given) for number in range(replicas)]
        stack.enter_context(running(*started))
        urls = [replica.url for replica in started] * (replicas // len(started))
        yield Fleet(urls, simulator, upstream, started)


def _has_connection(pid: int, *, to_port: int) -> bool:
    table = Path(f"/proc/{pid}/net/tcp").read_text("ascii")
    inodes = {line.split()[9] for line in table.splitlines()[1:] if _is_to(line.split(), to_port)}
    descriptors = Path(f"/proc/{pid}/fd")
    for each in descriptors.iterdir():
        with suppress(OSError):  # closed meanwhile
            if os.readlink(each).removeprefix("socket:[").rstrip("]") in inodes:
                return True
    return False


def _is_to(columns: list[str], port: int) -> bool:
    """Of a line of /proc/net/tcp: an established connection to that port."""
    return columns[3] == "01" and int(columns[2].rpartition(":")[2], 16) == port
