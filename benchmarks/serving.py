"""The real service on a free port, and load upon it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from semcache import Settings
from semcache.opening import find_models_dir

KEY, MODEL, MAX_TOKENS = "benchmark", "claude-haiku-5-5", 512


@contextmanager
def running(folder: Path, *, store: str = "local:") -> Iterator[tuple[int, subprocess.Popen[bytes], float]]:
    """Its port, its process, and how long it took to be ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        "PATH": os.environ["PATH"],
        "OMP_NUM_THREADS": "1",
        "SEMCACHE_DATA_DIR": str(folder),
        "SEMCACHE_MODELS_DIR": str(find_models_dir(Settings()).resolve()),
        "SEMCACHE_STORE": store,
        "SEMCACHE_UPSTREAM": "simulator",
        "SEMCACHE_AUDITS": "false",
        "SEMCACHE_PORT": str(port),
        "SEMCACHE_LOG_LEVEL": "WARNING",
    }
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "semcache", "serve"], env=environment, stdout=subprocess.DEVNULL)
    try:
        while not _is_ready(port):
            if process.poll() is not None:
                raise SystemExit("the service did not start")
            time.sleep(0.01)
        yield port, process, time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def load(port: int, clients: int, bodies: list[dict[str, Any]]) -> dict[str, Any]:
    """What `loadgen.py` says of these requests."""
    job = {"port": port, "clients": clients, "bodies": bodies, "key": KEY}
    script = Path(__file__).with_name("loadgen.py")
    done = subprocess.run(
        [sys.executable, str(script)], input=json.dumps(job), capture_output=True, text=True, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def body(text: str) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": MAX_TOKENS, "messages": [{"role": "user", "content": text}]}


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return bool(json.load(answer)["status"] == "ok")
    except (urllib.error.URLError, OSError):
        return False
