"""The process: how it starts, what it says, how it stops."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from worlds import HAS_MODEL, MODELS, RESET, question_body

from semcache.errors import SettingsError
from semcache.service.serving import serve
from semcache.settings import Settings

IMPORTS = "from semcache.settings import load_settings; from semcache.service.serving import serve"
SERVE = f"{IMPORTS}; serve(load_settings())"
HEADERS = {"x-api-key": "key-of-anna", "anthropic-version": "2026-10-21"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def variables_for(folder: Path) -> dict[str, str]:
    return {
        "SEMCACHE_UPSTREAM": "simulator",
        "SEMCACHE_MODELS_DIR": str(MODELS),
        "SEMCACHE_DATA_DIR": str(folder / "index"),
        "SEMCACHE_EMBEDDER": "all-MiniLM-L6-v2" if HAS_MODEL else "hashed",
    }


@contextmanager
def process(folder: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The service as a process of its own, on the simulator; ended if the test has not."""
    port = free_port()
    given = {**variables_for(folder), "SEMCACHE_PORT": str(port), **variables}
    started = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        env={**os.environ, **given},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield started, f"http://127.0.0.1:{port}"
    finally:
        started.kill()
        started.communicate()


def banner_of(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    lines = []
    for line in started.stdout:
        lines.append(line)
        if line.startswith("┗"):
            break
    return "".join(lines)


@pytest.mark.slow
def test_it_says_who_it_is_serves_and_stops_cleanly(tmp_path: Path) -> None:
    with process(tmp_path) as (started, url):
        said = banner_of(started)
        answers = [httpx2.post(f"{url}/v1/messages", json=question_body(RESET), headers=HEADERS) for _ in range(2)]
        started.send_signal(signal.SIGTERM)
        rest, _ = started.communicate(timeout=30)
    assert url in said
    assert "SIMULATOR: no answer comes from Claude." in said
    assert [answer.headers["x-semcache-upstream"] for answer in answers] == ["simulator"] * 2
    assert "hit; detail=exact" in answers[1].headers["cache-status"]
    assert started.returncode in (0, -signal.SIGTERM)
    assert "Traceback" not in rest
    assert RESET not in rest


@pytest.mark.slow
def test_a_stream_in_flight_is_finished_before_it_stops(tmp_path: Path) -> None:
    slow = {**HEADERS, "x-simulator-fault": "slow;seconds=0.05"}
    with process(tmp_path) as (started, url):
        banner_of(started)
        body = question_body(RESET, stream=True)
        with httpx2.Client() as client, client.stream("POST", f"{url}/v1/messages", json=body, headers=slow) as answer:
            arriving = answer.iter_raw()
            next(arriving)
            started.send_signal(signal.SIGTERM)
            text = b"".join(arriving)
        started.communicate(timeout=30)
    assert b"event: message_stop" in text


@pytest.mark.slow
def test_what_was_learned_is_there_after_a_restart(tmp_path: Path) -> None:
    statuses = []
    for _ in range(2):
        with process(tmp_path) as (started, url):
            banner_of(started)
            answer = httpx2.post(f"{url}/v1/messages", json=question_body(RESET), headers=HEADERS)
            statuses.append(answer.headers["cache-status"])
            started.send_signal(signal.SIGTERM)
            started.communicate(timeout=30)
    assert [status.split(";")[1].strip() for status in statuses] == ["fwd=miss", "hit"]


@pytest.mark.slow
def test_the_serving_process_loads_no_training_framework(tmp_path: Path) -> None:
    check = "import sys; from semcache.service.parts import open_parts; open_parts(load_settings()).close()"
    unwanted = "print(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))"
    command = [sys.executable, "-c", f"{IMPORTS}; {check}; {unwanted}"]
    environment = {**os.environ, **variables_for(tmp_path)}
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_port_that_is_taken_is_named_with_its_setting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"{port}.*SEMCACHE_PORT"):
            serve(Settings(port=port, data_dir=tmp_path / "index"))
    assert not (tmp_path / "index").exists()


def test_an_address_that_is_not_ours_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SEMCACHE_HOST"):
        serve(Settings(host="203.0.113.1", data_dir=tmp_path / "index"))
