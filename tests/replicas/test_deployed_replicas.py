"""The example files for several machines, started on this one: only ports, paths and addresses are others."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import anthropic
import httpx2
import postgres_server
import pytest
from fleets import Fleet, Replica, outcome, running, simulating, text_of
from redis_servers import RedisCluster, RedisServer, cluster_ports, redis8_command
from worlds import MODEL, question_body, until

from semcache.settings import load_settings

pytestmark = pytest.mark.slow

EXAMPLES = Path(str(files("semcache.deployment")))
QUESTION = "How long does a parcel to Norway take?"
ADMIN_KEY = "key-of-the-operator"


def example(name: str, *changes: tuple[str, str]) -> str:
    """A shipped file with other ports, paths and addresses; each must be in it."""
    text = (EXAMPLES / name).read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


# the stores, as the examples set them up


@contextmanager
def postgres_by_the_example() -> Iterator[str]:
    with postgres_server.running() as server:
        script = server.folder / "postgres.sql"
        script.write_text(example("postgres.sql"))
        client = [server.bin / "psql", "-h", server.folder, "-p", str(server.port), "-U", postgres_server.ROLE]
        subprocess.run([*client, "-v", "ON_ERROR_STOP=1", "-f", script], check=True, capture_output=True)
        yield f"postgresql://semcache@/semcache?host={server.folder}&port={server.port}&target_session_attrs=read-write"


@contextmanager
def redis_by_the_example(folder: Path) -> Iterator[str]:
    """Six nodes, each with the file, its own port and its own directory."""
    folder.mkdir()
    ports = iter(cluster_ports())
    nodes = []
    for number in range(6):
        port, home = next(ports), folder / str(number)
        home.mkdir()
        changes = (("port 6379", f"port {port}"), ("dir /var/lib/redis", f"dir {home}"), ("4gb", "200mb"))
        (home / "redis.conf").write_text(example("redis.conf", *changes))
        nodes.append(RedisServer(home, [*redis8_command(), str(home / "redis.conf")], port=port))
    cluster = RedisCluster(nodes)
    try:
        yield cluster.start().url
    finally:
        cluster.kill()


@pytest.fixture(params=["postgres", "redis"])
def store_by_the_example(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Which settings file, and the store to name in it."""
    if request.param == "postgres":
        with postgres_by_the_example() as url:
            yield "postgres.toml", url
    else:
        with redis_by_the_example(tmp_path / "cluster") as url:
            yield "redis.toml", url


# the replicas, and the proxy before them


@dataclass
class Deployment:
    """Two replicas behind nginx, whose address is that of every replica of the fleet."""

    fleet: Fleet

    def client(self) -> anthropic.Anthropic:
        """It does not try again by itself, so what fails is seen."""
        return anthropic.Anthropic(base_url=self.fleet.urls[0], api_key="key-of-anna", max_retries=0, timeout=60)

    def ask(self, question: str) -> httpx2.Response:
        return self.fleet.ask(0, question)

    def metric(self, replica: Replica, sample: str) -> float:
        """One sample of /metrics, past the proxy, as Prometheus reads it."""
        shown = {"x-semcache-admin-key": ADMIN_KEY}
        lines = httpx2.get(f"{replica.url}/metrics", headers=shown, timeout=20, trust_env=False).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(sample))

    def is_asking(self) -> bool:
        """Whether a replica has a call to Claude under way."""
        return any(self.metric(replica, "semcache_upstream_in_flight") for replica in self.fleet.replicas)


StartDeployment = Callable[..., AbstractContextManager[Deployment]]


@contextmanager
def replicas_by_the_example(folder: Path, settings: str, store: str, upstream: str) -> Iterator[list[Replica]]:
    named = load_settings({}, config=EXAMPLES / settings)
    replicas = []
    for number in range(2):
        home = folder / f"machine-{number}"
        home.mkdir()
        replica = Replica(home, {"SEMCACHE_UPSTREAM": upstream, "SEMCACHE_ADMIN_KEY": ADMIN_KEY})
        changes = (
            (named.store, store),
            ("port = 8080", f"port = {replica.port}"),
            (str(named.data_dir), str(home / "state")),
            ('host = "0.0.0.0"', 'host = "127.0.0.1"'),
        )
        (home / "semcache.toml").write_text(example(settings, *changes))
        replicas.append(replica)
    with running(*replicas):
        yield replicas


@contextmanager
def nginx_by_the_example(folder: Path, replicas: list[Replica]) -> Iterator[str]:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        postgres_server.missing("no nginx: apt-get install nginx-light")
    port = postgres_server.free_port()
    changes = (
        ("10.0.0.11:8080", f"127.0.0.1:{replicas[0].port}"),
        ("10.0.0.12:8080", f"127.0.0.1:{replicas[1].port}"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("/run/nginx.pid", f"{folder}/nginx.pid"),
        ("/var/log/nginx", str(folder)),
        ("/var/lib/nginx", str(folder)),
    )
    config = folder / "nginx.conf"
    config.write_text(example("nginx.conf", *changes))
    if os.geteuid() == 0:  # its workers are somebody else, who must reach the folder for bodies
        config.write_text(f"user root;\n{config.read_text()}")
    with (folder / "nginx.log").open("wb") as log:
        command = [str(nginx), "-c", str(config), "-p", str(folder), "-g", "daemon off;"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _answers(url, process))
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None
    try:
        return httpx2.get(f"{url}/healthz", timeout=5, trust_env=False).status_code == 200
    except httpx2.HTTPError:
        return False


@pytest.fixture
def start_deployment(store_by_the_example: tuple[str, str], tmp_path: Path) -> StartDeployment:
    @contextmanager
    def start(**conduct: float) -> Iterator[Deployment]:
        settings, store = store_by_the_example
        with ExitStack() as stack:
            upstream, simulator = stack.enter_context(simulating(**conduct))
            replicas = stack.enter_context(replicas_by_the_example(tmp_path, settings, store, upstream))
            url = stack.enter_context(nginx_by_the_example(tmp_path, replicas))
            yield Deployment(Fleet([url], simulator, upstream, replicas))

    return start


def said(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_json_and_streams_come_through_the_proxy_from_one_cache(start_deployment: StartDeployment) -> None:
    with start_deployment() as deployed, deployed.client() as client:
        asked = question_body(QUESTION)
        answer = client.messages.create(**asked)
        texts = []
        for _ in range(6):  # whichever replica they come to
            texts.append(said(client.messages.create(**asked)))
            with client.messages.stream(**asked) as stream:
                texts.append(said(stream.get_final_message()))
        assert set(texts) == {said(answer)}
        assert deployed.fleet.calls == 1
        assert client.messages.count_tokens(model=MODEL, messages=asked["messages"]).input_tokens > 0
        served = [
            deployed.metric(replica, 'semcache_requests_total{outcome="exact"') for replica in deployed.fleet.replicas
        ]
        assert sum(served) == 12


def test_events_come_through_the_proxy_before_the_answer_is_complete(start_deployment: StartDeployment) -> None:
    with (
        start_deployment(chunk_delay_seconds=0.5) as deployed,
        deployed.client() as client,
        client.messages.stream(**question_body(QUESTION)) as stream,
    ):
        assert next(iter(stream)).type == "message_start"
        assert deployed.is_asking()  # the replica was still reading when the client read this
        stream.get_final_message()


def test_nobody_outside_reads_metrics_or_administers_without_the_key(start_deployment: StartDeployment) -> None:
    with start_deployment() as deployed:
        fleet = deployed.fleet
        assert fleet.http(0, "GET", "/metrics").status_code == 404
        assert fleet.http(0, "GET", "/semcache/v1/stats").status_code in (401, 403)
        shown = {"x-semcache-admin-key": ADMIN_KEY}
        assert fleet.http(0, "GET", "/semcache/v1/stats", headers=shown).status_code == 200
        assert fleet.http(0, "GET", "/readyz").json()["status"] == "ok"


def test_a_killed_replica_costs_no_request_of_json(start_deployment: StartDeployment) -> None:
    with start_deployment(head_delay_seconds=2.0) as deployed:
        fleet = deployed.fleet
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(deployed.ask, QUESTION) for _ in range(4)]
            until(lambda: fleet.calls == 1)
            fleet.kill_who_talks_upstream()
            answers = [each.result() for each in asked]
        assert {outcome(answer) for answer in answers} <= {"miss", "hit"}
        assert len({text_of(answer) for answer in answers}) == 1
        assert fleet.calls == 2
        assert [outcome(deployed.ask(QUESTION)) for _ in range(6)] == ["hit"] * 6


def test_where_no_replica_is_left_clients_are_told_so_in_their_language(start_deployment: StartDeployment) -> None:
    with start_deployment() as deployed, deployed.client() as client:
        for replica in deployed.fleet.replicas:
            replica.kill()
        with pytest.raises(anthropic.APIStatusError, match="no replica can be reached") as caught:
            client.messages.create(**question_body(QUESTION))
        assert caught.value.status_code == 529
        deployed.fleet.replicas[1].start()
        deployed.fleet.replicas[1].wait()
        until(lambda: deployed.ask(QUESTION).status_code == 200)


def test_a_rolling_restart_fails_no_request(start_deployment: StartDeployment) -> None:
    with start_deployment(head_delay_seconds=0.2) as deployed:
        is_over = threading.Event()

        def keep_asking(who: int) -> list[int]:
            """JSON and streams in turn, old questions and new ones."""
            statuses = []
            with deployed.client() as client:
                for number in itertools.count():
                    asked = question_body(f"{QUESTION} Number {who * number % 7}.")
                    if number % 2:
                        with client.messages.stream(**asked) as stream:
                            stream.get_final_message()
                    else:
                        client.messages.create(**asked)
                    statuses.append(200)
                    if is_over.is_set():
                        return statuses
            return statuses

        with ThreadPoolExecutor(3) as pool:
            asking = [pool.submit(keep_asking, who) for who in (1, 2, 3)]
            try:
                for replica in deployed.fleet.replicas:
                    replica.stop()
                    replica.start()
                    replica.wait()
                    time.sleep(pause_of_the_unit())
            finally:
                is_over.set()
            assert all(each.result() for each in asking)
        assert {outcome(deployed.ask(f"{QUESTION} Number {number}.")) for number in range(7)} <= {"hit", "miss"}


def pause_of_the_unit() -> float:
    """Seconds that systemd waits after a replica answers, so that the proxy has noticed."""
    (seconds,) = re.findall(r"sleep (\d+)'", example("semcache.service"))
    return float(seconds)
