"""A lean HTTP/1.1 load generator: raw sockets, kept alive, in a process of its own, so that it does not distort.

Reads one JSON job from standard input, {"port", "clients", "bodies", "requests"}, and prints one JSON result:
latencies in milliseconds, seconds in all, and how often each Cache-Status came back.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from time import perf_counter

HEADERS = "x-api-key: {key}\r\nanthropic-version: 2026-10-21\r\ncontent-type: application/json"


async def _client(port: int, requests: list[bytes], latencies: list[float], outcomes: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        began = perf_counter()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.index(b"content-length: ") + len(b"content-length: ")
        await reader.readexactly(int(head[length : head.index(b"\r\n", length)]))
        latencies.append((perf_counter() - began) * 1000)
        outcomes[_outcome(head)] += 1
    writer.close()


def _outcome(head: bytes) -> str:
    status = head[head.index(b"cache-status: ") :].split(b"\r\n", 1)[0].decode()
    return status.rpartition("detail=")[2] if "; hit" in status else "not a hit"


async def _run(job: dict[str, object]) -> dict[str, object]:
    port, clients, key = int(str(job["port"])), int(str(job["clients"])), str(job["key"])
    requests = [_wire(body, key) for body in job["bodies"]]  # type: ignore[attr-defined]
    shares = [requests[start::clients] for start in range(clients)]
    latencies: list[float] = []
    outcomes: Counter[str] = Counter()
    began = perf_counter()
    await asyncio.gather(*(_client(port, share, latencies, outcomes) for share in shares))
    return {"latencies_ms": latencies, "seconds": perf_counter() - began, "outcomes": outcomes}


def _wire(body: dict[str, object], key: str) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\n{HEADERS.format(key=key)}\r\ncontent-length: {len(content)}"
    )
    return head.encode() + b"\r\n\r\n" + content


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(json.load(sys.stdin)))))
