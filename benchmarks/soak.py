"""Replicas on one store for many minutes: mixed traffic, expiries, purges, and every minute one replica is killed.

Each replica is a process started as an operator starts it, in front of one simulator. Clients do what a reverse proxy
and an SDK do: they take the replicas in turn, and try the next where a connection breaks. Counted are answers that
belong to another tenant or question, errors that reach a client, and calls upstream that nothing explains: the same
request was answered before, was not purged and had not expired since, and no replica died while it was being answered.

    python benchmarks/soak.py --store postgresql://… [--minutes 20] [--replicas 3] [--quick] [--json]
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import json
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from reporting import Bar, print_report, report

from semcache.opening import find_models_dir
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.settings import Settings
from semcache.upstream.simulator import Conduct, Simulator, simulator_app

TENANTS = ("anna", "boris", "chloe", "daniel")
QUESTIONS = 400  # for each tenant; drawn with popularity 1 / rank
TTL_SECONDS = 45.0
HEAD_DELAY_SECONDS = 0.15
PURGE_EVERY_SECONDS, KILL_EVERY_SECONDS = 7.0, 60.0
_START_SECONDS = 60.0
_LATE_SECONDS = 1.0  # by which the clocks of client and upstream, and what lies between, may differ
_STORING_SECONDS = 3.0  # a replica that dies so soon after its answer came may not have stored it yet


@dataclass(frozen=True)
class Asked:
    """One call upstream: when it arrived, and when its answer had gone out."""

    key: str
    began: float
    ended: float


@dataclass
class Replica:
    """A service that is started again where it was."""

    number: int
    port: int
    folder: Path
    variables: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with (self.folder / f"replica-{self.number}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "semcache", "serve", "--port", str(self.port), "--log-level", "WARNING"],
                cwd=self.folder,
                env={**os.environ, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + _START_SECONDS
        while not self.is_ready():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"replica {self.number} did not start: see {self.folder}")
            time.sleep(0.1)

    def is_ready(self) -> bool:
        with suppress(httpx2.HTTPError):
            return httpx2.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200
        return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=30)
                return
            self.kill()


@dataclass
class Record:
    """What happened, by the clock of this process. Thread-safe enough: only appended to, read at the end."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    retries: int = 0
    purges: list[tuple[float, float]] = field(default_factory=list)
    kills: list[float] = field(default_factory=list)
    calls: list[Asked] = field(default_factory=list)
    entries: dict[str, set[str]] = field(default_factory=lambda: {tenant: set() for tenant in TENANTS})
    warnings: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def unexplained(self) -> list[tuple[Asked, Asked]]:
        """Calls upstream that the rules do not allow, each behind the one that should have spared it."""
        last: dict[str, Asked] = {}
        found = []
        for call in sorted(self.calls, key=lambda each: each.began):
            before = last.get(call.key)
            if before is not None and not self._is_allowed(before, call):
                found.append((before, call))
            last[call.key] = call
        return found

    def _is_allowed(self, before: Asked, call: Asked) -> bool:
        if call.began - before.ended > TTL_SECONDS - _LATE_SECONDS:
            return True
        since, until = before.began - _LATE_SECONDS, call.began + _LATE_SECONDS
        purged = any(begin <= until and end >= since for begin, end in self.purges)
        died = any(since <= at <= before.ended + _STORING_SECONDS for at in self.kills)
        return purged or died


class Clients:
    """Threads that ask, each in turn of the replicas."""

    def __init__(self, replicas: Sequence[Replica], record: Record, *, seed: int) -> None:
        self._replicas = replicas
        self._record = record
        self._seed = seed
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, count: int) -> None:
        self._threads = [threading.Thread(target=self._ask_on, args=(number,)) for number in range(count)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask_on(self, number: int) -> None:
        chance = random.Random(self._seed * 1000 + number)
        with httpx2.Client(timeout=60, trust_env=False) as client:
            turn = number
            while not self._ended.is_set():
                turn += 1
                tenant, rank = chance.choice(TENANTS), int(QUESTIONS ** chance.random())
                self._ask(client, turn, tenant, f"What does parcel class {rank} cost to send?")
                time.sleep(chance.uniform(0.0, 0.05))

    def _ask(self, client: httpx2.Client, turn: int, tenant: str, question: str) -> None:
        body = question_body(tenant, question)
        headers = {"x-api-key": f"key of {tenant}", "anthropic-version": "2026-10-21"}
        for attempt in range(2 * len(self._replicas)):
            replica = self._replicas[(turn + attempt) % len(self._replicas)]
            try:
                response = client.post(f"{replica.url}/v1/messages", json=body, headers=headers)
            except httpx2.HTTPError:
                with self._record.lock:
                    self._record.retries += 1
                time.sleep(0.05 * attempt)
                continue
            self._note(tenant, question, response)
            return
        with self._record.lock:
            self._record.errors.append("no replica answered")

    def _note(self, tenant: str, question: str, response: httpx2.Response) -> None:
        with self._record.lock:
            if response.status_code != 200:
                self._record.errors.append(f"{response.status_code}: {response.text[:200]}")
                return
            status = response.headers.get("cache-status", "")
            self._record.outcomes["hit" if "; hit" in status else "not a hit"] += 1
            said = "".join(block.get("text", "") for block in response.json()["content"])
            if said != answer_to(tenant, question):
                self._record.wrong.append(f"{tenant}: {question} -> {said}")
            if entry := response.headers.get("x-semcache-entry"):
                self._record.entries[tenant].add(entry)


def question_body(tenant: str, question: str) -> dict[str, Any]:
    """The same system prompt for half of the tenants: only their credentials tell them apart."""
    system = "You are the assistant of a parcel service." if tenant < "c" else f"You are the assistant of {tenant}."
    return {
        "model": "claude-haiku-4-5",
        "max_tokens": 200,
        "system": system,
        "metadata": {"user_id": tenant},
        "messages": [{"role": "user", "content": question}],
    }


def answer_to(tenant: str, question: str) -> str:
    return f"For {tenant}: {question.removeprefix('What does ').removesuffix('?')} 7 crowns."


def spoken(body: dict[str, Any]) -> str:
    """The upstream knows the tenant by what no cache key holds: so a crossed scope shows."""
    return answer_to(body["metadata"]["user_id"], body["messages"][-1]["content"])


def soaked(store: str, *, minutes: float, count: int, clients: int, seed: int) -> Record:
    """Run it, and give what was seen."""
    record, seconds = Record(), minutes * 60
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="semcache-soak-")))
        upstream = stack.enter_context(simulated(record))
        replicas = [Replica(number, free_port(), folder, variables(upstream, store)) for number in range(count)]
        for replica in replicas:
            stack.callback(replica.stop)
            replica.start()
        asking = Clients(replicas, record, seed=seed)
        asking.start(clients)
        try:
            disturb(replicas, record, seconds=seconds, chance=random.Random(seed))
        finally:
            asking.stop()
        for replica in replicas:
            replica.stop()
        record.warnings = said_by(folder)
    return record


def said_by(folder: Path) -> Counter[str]:
    """What the replicas have warned of, without times and numbers."""
    lines = [line for log in folder.glob("replica-*.log") for line in log.read_text("utf-8").splitlines()]
    said = (line.split(maxsplit=2)[2] for line in lines if " WARNING " in line or " ERROR " in line)
    return Counter(re.sub(r"[0-9a-f]*\d[0-9a-f]*", "#", each) for each in said)


def disturb(replicas: Sequence[Replica], record: Record, *, seconds: float, chance: random.Random) -> None:
    """Purge one tenant's answers, or all, now and then; kill a replica every minute and start it again."""
    began = time.monotonic()
    purge_at, kill_at = began + PURGE_EVERY_SECONDS, began + min(KILL_EVERY_SECONDS, seconds / 3)
    while (now := time.monotonic()) < began + seconds:
        if now >= purge_at:
            purge(chance.choice(replicas), record, chance)
            purge_at = now + PURGE_EVERY_SECONDS
        if now >= kill_at:
            victim = chance.choice(replicas)
            record.kills.append(time.monotonic())
            victim.kill()
            victim.start()
            kill_at = now + KILL_EVERY_SECONDS
        time.sleep(0.2)


def purge(replica: Replica, record: Record, chance: random.Random) -> None:
    wanted = {"text": f"class {chance.randint(1, 9)}", "namespace": "default"} if chance.random() < 0.7 else {}
    began = time.monotonic()
    with suppress(httpx2.HTTPError):  # the replica may be one that is being killed
        httpx2.post(
            f"{replica.url}/semcache/v1/purge", json={"namespace": "default", **wanted}, timeout=60, trust_env=False
        )
    record.purges.append((began, time.monotonic()))


def variables(upstream: str, store: str) -> dict[str, str]:
    return {
        "SEMCACHE_UPSTREAM": upstream,
        "SEMCACHE_STORE": store,
        "SEMCACHE_AUDITS": "false",  # they ask again on purpose
        "SEMCACHE_TTL_SECONDS": str(TTL_SECONDS),
        "SEMCACHE_MODELS_DIR": str(find_models_dir(Settings()).resolve()),
    }


@contextmanager
def simulated(record: Record) -> Iterator[str]:
    """The simulator behind HTTP, which notes when each call came and went."""
    prices = PriceBook.load(find_claude_manifest(find_models_dir(Settings())))
    simulator = Simulator(prices, answers=spoken, conduct=Conduct(head_delay_seconds=HEAD_DELAY_SECONDS))
    app = simulator_app(simulator)

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/messages":
            await app(scope, receive, send)
            return
        began, chunks = time.monotonic(), []

        async def received() -> Any:
            message = await receive()
            chunks.append(message.get("body", b""))
            return message

        await app(scope, received, send)
        body = json.loads(b"".join(chunks))
        key = f"{body['metadata']['user_id']}: {body['messages'][-1]['content']}"
        record.calls.append(Asked(key, began, time.monotonic()))

    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = uvicorn.Server(uvicorn.Config(noting, log_config=None, access_log=False, ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def figures_of(record: Record) -> dict[str, dict[str, Any]]:
    crossed = sum(
        len(record.entries[one] & record.entries[other]) for one in TENANTS for other in TENANTS if one < other
    )
    return {
        "soak": {
            "requests": sum(record.outcomes.values()),
            **dict(record.outcomes),
            "calls upstream": len(record.calls),
            "unexplained calls": len(record.unexplained()),
            "answers of another tenant or question": len(record.wrong),
            "entries in two tenants": crossed,
            "errors to clients": len(record.errors),
            "connections tried again": record.retries,
            "purges": len(record.purges),
            "replicas killed": len(record.kills),
            "warnings": dict(record.warnings.most_common(8)),
        }
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    minutes = 0.5 if options.quick else options.minutes
    record = soaked(options.store, minutes=minutes, count=options.replicas, clients=options.clients, seed=options.seed)
    figures = figures_of(record)
    row = figures["soak"]
    bars = [
        Bar(name, row[name], 0, at_most=True)
        for name in ("answers of another tenant or question", "entries in two tenants", "unexplained calls")
    ]
    bars.append(Bar("errors to clients", row["errors to clients"], 0, at_most=True))
    scheme = options.store.partition(":")[0]
    settings = {"store": scheme, "minutes": minutes, "replicas": options.replicas, "clients": options.clients}
    for problem in (*record.errors[:5], *record.wrong[:5], *map(str, record.unexplained()[:5])):
        print(problem, file=sys.stderr)
    print_report(report("soak", figures, bars, settings=settings), as_json=options.json)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", required=True, help="store URL that the replicas share")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--replicas", type=int, default=3)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="half a minute")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
