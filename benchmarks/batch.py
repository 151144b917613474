"""What a batch behind the cache costs, how fast it is accepted, and what memory its results take.

Four ways to have the same requests answered, each billed by a simulator of its own: one by one, one by one through the
cache, as one Message Batch without us, and as a batch through the service, which is a process of its own with its
shipped settings, but without audits: they are asked in real time. No prompt is marked for Claude's prompt cache. The
unavoidable cost is that of a Message Batch of what nobody has answered before, once each, with what they share marked
for an hour. Then 100,000 requests, of which nothing is looked up, go through the
service, and its memory is watched while their results are fetched.

    python benchmarks/batch.py [--quick] [--json]
"""

from __future__ import annotations

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# ruff: noqa: E402 - threads are pinned before anything that starts them is imported
import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from batch_workload import Asked, Traffic, answer, traffic
from reporting import Bar, print_report, report

from semcache import SemanticCache, Settings
from semcache.opening import find_models_dir
from semcache.pricing import PriceBook, find_claude_manifest
from semcache.upstream.simulator import BatchConduct, Conduct, Simulator, simulator_app
from semcache.upstream.upstream import UpstreamRequest

PATH = "/v1/messages/batches"
HEADERS = {"x-api-key": "benchmark", "anthropic-version": "2026-10-21", "content-type": "application/json"}
WITHIN = 0.02
FLAT_MB = 300


@dataclass
class Served:
    """A service in a process of its own, and the simulator that it asks."""

    url: str
    process: subprocess.Popen[bytes]
    simulator: Simulator

    def memory_mb(self, name: str = "VmRSS") -> float:
        """Resident memory of the service: now, or at most so far with `VmHWM`."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    work = traffic(options.items, seed=options.seed)
    figures = costs(work, options.embedder)
    figures["memory"] = memory(options.results)
    settings = {"items": options.items, "results": options.results, "seed": options.seed, "quick": options.quick}
    print_report(report("batch", figures, bars_of(figures), settings=settings), as_json=options.json)
    return 0


def bars_of(figures: dict[str, dict[str, Any]]) -> list[Bar]:
    ours, memory_row = figures["semcache batch"], figures["memory"]
    return [
        Bar("cost above the unavoidable, share", ours["above_unavoidable"], WITHIN, at_most=True),
        Bar("wrong answers", ours["wrong"], 0, at_most=True),
        Bar("requests accepted in s", ours["accepted_s"], 10, at_most=True),
        Bar("MB of the service while results stream", memory_row["streaming_mb"], FLAT_MB, at_most=True),
    ]


# cost


def costs(work: Traffic, embedder: str) -> dict[str, dict[str, Any]]:
    """Each way's bill in dollars for the same requests."""
    unavoidable_usd = _batched_usd(work.unavoidable.before, work.unavoidable.batch)
    figures: dict[str, dict[str, Any]] = {
        "real time, unassisted": {"cost_usd": _one_by_one_usd(work.before, work.batch)},
        "real time, with cache": {"cost_usd": _cached_usd(work, embedder)},
        "upstream batch alone": {"cost_usd": _batched_usd(work.before, work.batch)},
        "unavoidable": {"cost_usd": unavoidable_usd},
        "semcache batch": _ours(work, embedder),
    }
    ours = figures["semcache batch"]
    ours["above_unavoidable"] = round(ours["cost_usd"] / unavoidable_usd - 1, 4)
    full_usd = figures["real time, unassisted"]["cost_usd"]
    for row in figures.values():
        row["share"] = round(row["cost_usd"] / full_usd, 4)
        row["cost_usd"] = round(row["cost_usd"], 4)
    return figures


def _one_by_one_usd(before: Sequence[Asked], asked: Sequence[Asked]) -> float:
    simulator = _simulator()
    asyncio.run(_sent(simulator, PATH, [_create_body(before)]))
    before_usd = simulator.bill_usd
    asyncio.run(_sent(simulator, "/v1/messages", (json.dumps(each.params).encode() for each in asked)))
    return float(simulator.bill_usd - before_usd)


def _batched_usd(before: Sequence[Asked], asked: Sequence[Asked]) -> float:
    """What was sent before has left its prompts in the cache, for all ways alike."""
    simulator = _simulator()
    asyncio.run(_sent(simulator, PATH, [_create_body(before)]))
    before_usd = simulator.bill_usd
    asyncio.run(_sent(simulator, PATH, [_create_body(asked)]))
    return float(simulator.bill_usd - before_usd)


async def _sent(simulator: Simulator, path: str, bodies: Iterable[bytes]) -> None:
    for body in bodies:
        response = await simulator.open(UpstreamRequest("POST", path, "", tuple(HEADERS.items()), body))
        assert response.status == 200, response.status


def _cached_usd(work: Traffic, embedder: str) -> float:
    simulator = _simulator()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), embedder=embedder, audits=False)
        with SemanticCache(settings, upstream=simulator) as cache:
            before_usd = 0.0
            for number, each in enumerate([*work.before, *work.batch]):
                if number == len(work.before):
                    before_usd = float(simulator.bill_usd)
                body = {name: value for name, value in each.params.items() if name != "messages"}
                cache.ask(each.params["messages"][-1]["content"], api_key="benchmark", **body)
            return float(simulator.bill_usd) - before_usd


def _ours(work: Traffic, embedder: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder), embedder=embedder) as service:
        _finished(service, _create_body(work.before))
        before_usd, before = service.simulator.bill_usd, _requests_sent(service)
        began = time.perf_counter()
        batch_id = _created(service, _create_body(work.batch))
        accepted_s = time.perf_counter() - began
        _wait(service, batch_id)
        ended_s = time.perf_counter() - began
        wrong = _wrong(service, batch_id, work.batch)
        return {
            "cost_usd": float(service.simulator.bill_usd - before_usd),
            "accepted_s": round(accepted_s, 2),
            "ended_s": round(ended_s, 1),
            "sent": _requests_sent(service) - before,
            "wrong": wrong,
            "peak_mb": round(service.memory_mb("VmHWM")),
        }


def _wrong(service: Served, batch_id: str, asked: Sequence[Asked]) -> int:
    """Results that are missing, failed, or the answer to another request."""
    right = {each.custom_id: f"Ticket {each.number}." for each in asked}
    for line in _lines(service, batch_id):
        result = json.loads(line)
        text = "".join(block.get("text", "") for block in result["result"].get("message", {}).get("content", []))
        if text.startswith(right.get(result["custom_id"], "nobody asked")):
            del right[result["custom_id"]]
    return len(right)


# memory


def memory(count: int) -> dict[str, Any]:
    """The service's memory through the life of a batch of so many, in MB."""
    with tempfile.TemporaryDirectory() as folder, _served(Path(folder), embedder="hashed", mode="off") as service:
        before_mb = service.memory_mb()
        began = time.perf_counter()
        batch_id = _created(service, _small_body(count))
        accepted_s = time.perf_counter() - began
        _wait(service, batch_id)
        ended_s = time.perf_counter() - began
        peak_mb = service.memory_mb("VmHWM")
        streaming_mb, lines, began = 0.0, 0, time.perf_counter()
        for lines, _ in enumerate(_lines(service, batch_id), start=1):
            if lines % 1000 == 1:
                streaming_mb = max(streaming_mb, service.memory_mb())
        assert lines == count, f"{lines} results of {count}"
        return {
            "before_mb": round(before_mb),
            "peak_mb": round(peak_mb),
            "streaming_mb": round(streaming_mb),
            "accepted_s": round(accepted_s, 1),
            "ended_s": round(ended_s, 1),
            "results_per_s": round(lines / (time.perf_counter() - began)),
        }


def _small_body(count: int) -> bytes:
    params = {"model": "claude-haiku-5-5", "max_tokens": 100}
    turns = ([{"role": "user", "content": f"What is {number} and one?"}] for number in range(count))
    requests = ({"custom_id": f"n-{n}", "params": {**params, "messages": turn}} for n, turn in enumerate(turns))
    return json.dumps({"requests": list(requests)}).encode()


# the service, and the simulator behind it


@contextmanager
def _served(folder: Path, **settings: str) -> Iterator[Served]:
    simulator = _simulator(seconds=1.0)
    with _listening(simulator) as upstream, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        named = {"upstream": upstream, "audits": "false", "log_level": "WARNING", "port": str(port), **settings}
        environment = {**os.environ, **{f"SEMCACHE_{name.upper()}": value for name, value in named.items()}}
        command = [sys.executable, "-m", "semcache.cli", "serve", "--data-dir", str(folder)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        service = Served(f"http://127.0.0.1:{port}", process, simulator)
        try:
            _until_it_answers(service)
            yield service
        finally:
            process.terminate()
            process.wait()


@contextmanager
def _listening(simulator: Simulator) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(simulator_app(simulator), log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def _simulator(*, seconds: float = 0.0) -> Simulator:
    prices = PriceBook.load(find_claude_manifest(find_models_dir(Settings())))
    return Simulator(prices, answers=_answer, conduct=Conduct(batches=BatchConduct(seconds=seconds), calls_kept=10))


def _answer(body: dict[str, Any]) -> str:
    return answer(body) if "system" in body else "One more than that."


def _create_body(asked: Sequence[Asked]) -> bytes:
    requests = [{"custom_id": each.custom_id, "params": each.params} for each in asked]
    return json.dumps({"requests": requests}).encode()


def _created(service: Served, body: bytes) -> str:
    answered = httpx2.post(f"{service.url}{PATH}", content=body, headers=HEADERS, timeout=300, trust_env=False)
    answered.raise_for_status()
    batch_id: str = answered.json()["id"]
    return batch_id


def _finished(service: Served, body: bytes) -> None:
    _wait(service, _created(service, body))


def _wait(service: Served, batch_id: str) -> None:
    with httpx2.Client(base_url=service.url, headers=HEADERS, timeout=300, trust_env=False) as client:
        while client.get(f"{PATH}/{batch_id}").json()["processing_status"] != "ended":
            time.sleep(0.2)


def _lines(service: Served, batch_id: str) -> Iterator[str]:
    url = f"{service.url}{PATH}/{batch_id}/results"
    with httpx2.stream("GET", url, headers=HEADERS, timeout=300, trust_env=False) as answered:
        yield from answered.iter_lines()


def _requests_sent(service: Served) -> int:
    return sum(len(batch.requests) for batch in service.simulator.batches)


def _until_it_answers(service: Served) -> None:
    while True:
        assert service.process.poll() is None, "the service did not start"
        with suppress(httpx2.TransportError):
            if httpx2.get(f"{service.url}/healthz", trust_env=False).status_code == 200:
                return
        time.sleep(0.05)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, help="requests whose cost is measured; default 10,000")
    parser.add_argument("--results", type=int, help="results whose memory is measured; default 100,000")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--embedder", default=Settings().embedder)
    parser.add_argument("--quick", action="store_true", help="under a minute: 400 requests, 4,000 results")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    options.items = options.items or (400 if options.quick else 10_000)
    options.results = options.results or (4_000 if options.quick else 100_000)
    return options


if __name__ == "__main__":
    sys.exit(main())
