"""Real Redis servers for tests: version 8 from Debian trixie, run on any Debian, and an older one where there is one.

Trixie's packages are unpacked into `.cache/redis8` once, and run through trixie's own loader: nothing is installed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom

import pytest
import redis

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "redis8"
ROOT = CACHE / "root"
LIBRARIES = ROOT / "usr/lib/x86_64-linux-gnu"
PACKAGES = (
    "redis-server redis-tools libc6 libjemalloc2 liblzf1 libssl3t64 libsystemd0 libatomic1 libstdc++6 libgcc-s1 "
    "libcap2 libzstd1 zlib1g"
).split()
PORTS = range(20_000, 31_000)  # below those that the system gives to clients


def missing(reason: str) -> None:
    """In CI a missing server is a failure, elsewhere a reason to skip."""
    if os.environ.get("CI"):
        pytest.fail(f"CI needs the server: {reason}", pytrace=False)
    pytest.skip(reason)


@dataclass
class RedisServer:
    """One process, a child of the tests."""

    directory: Path
    command: list[str]
    options: tuple[str, ...] = ()
    port: int = field(default_factory=lambda: free_port())
    password: str | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> RedisServer:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory),
                 "--save", "", *self.options],
                stdout=log, stderr=log,
            )  # fmt: skip
        self.wait()
        return self

    def wait(self, *, seconds: float = 30.0) -> None:
        """Until it answers, its data loaded."""
        end = time.monotonic() + seconds
        while True:
            with suppress(redis.RedisError), self.client() as client:
                client.ping()
                return
            said = (self.directory / "log").read_text(errors="replace")[-500:]
            assert self.process is not None
            assert self.process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.02)

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=self.password, socket_timeout=5, protocol=2)

    def kill(self) -> None:
        """As `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class RedisCluster:
    """Three masters with a replica each."""

    nodes: list[RedisServer]

    @property
    def url(self) -> str:
        return "redis://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def start(self) -> RedisCluster:
        for node in self.nodes:
            node.start()
        hosts = [f"127.0.0.1:{node.port}" for node in self.nodes]
        create = [*redis8_cli(), "--cluster", "create", *hosts, "--cluster-replicas", "1", "--cluster-yes"]
        done = subprocess.run(create, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stdout[-800:] + done.stderr[-800:]
        self.wait()
        return self

    def wait(self, *, seconds: float = 60.0) -> None:
        """Until all slots are served, and no master would take its slots along if it died now."""
        end = time.monotonic() + seconds
        while not all(self._is_settled(node) for node in self.nodes):
            assert time.monotonic() < end, "the cluster does not settle"
            time.sleep(0.1)

    def masters(self) -> list[RedisServer]:
        return [node for node in self.nodes if self._told(node, "replication").get("role") == "master"]

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()

    def _is_settled(self, node: RedisServer) -> bool:
        replication = self._told(node, "replication")
        with node.client() as client:
            is_ok = b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO")
        is_followed = replication.get("connected_slaves", 0) >= 1
        return is_ok and (replication.get("master_link_status") == "up" or is_followed)

    def _told(self, node: RedisServer, section: str) -> dict[str, object]:
        if node.process is None:
            return {}
        with node.client() as client:
            return dict(client.info(section))


def redis_cluster(directory: Path) -> RedisCluster:
    """Not started yet."""
    options = ("--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-node-timeout", "2000")
    durable = ("--appendonly", "yes", "--appendfsync", "everysec")
    command = redis8_command()
    ports = iter(cluster_ports())
    return RedisCluster(
        [RedisServer(directory / str(n), command, (*options, *durable), port=next(ports)) for n in range(6)]
    )


def cluster_ports() -> Iterator[int]:
    """Free ports whose bus ports, 10000 above, are free too, and below those of clients."""
    while True:
        port = SystemRandom().randrange(12_000, 20_000)
        try:
            with socket.socket() as one, socket.socket() as bus:
                one.bind(("127.0.0.1", port))
                bus.bind(("127.0.0.1", port + 10_000))
        except OSError:
            continue
        yield port


def redis8_command() -> list[str]:
    """How to start Redis 8. Skips, or fails in CI, where it cannot be had."""
    server = ROOT / "usr/bin/redis-server"
    if not server.exists():
        fetch()
    loader = LIBRARIES / "ld-linux-x86-64.so.2"
    return [str(loader), "--argv0", "redis-server", "--library-path", str(LIBRARIES), str(server)]


def redis8_cli() -> list[str]:
    command = redis8_command()
    return [*command[:2], "redis-cli", *command[3:5], str(ROOT / "usr/bin/redis-cli")]


def old_command() -> list[str]:
    """How to start a Redis without vector sets, as Debian 12 has it. Skips, or fails in CI, where there is none."""
    found = os.environ.get("TEST_OLD_REDIS_SERVER") or shutil.which("redis-server")
    if found is None:
        missing("no redis-server on this machine: apt-get install redis-server")
    said = subprocess.run([str(found), "--version"], capture_output=True, text=True, check=True).stdout
    if "v=8" in said:
        missing(f"this redis-server has vector sets: {said.split(' sha')[0]}")
    return [str(found)]


def fetch() -> None:
    """Download and unpack trixie's packages."""
    if sys.platform != "linux" or os.uname().machine != "x86_64" or shutil.which("apt-get") is None:
        missing("Redis 8 is fetched with apt-get on amd64 only; set TEST_REDIS_URL")
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (CACHE / folder).mkdir(parents=True, exist_ok=True)
    sources = CACHE / "trixie.list"
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    sources.write_text(f"deb [signed-by={keyring}] {mirror()} trixie main\n")
    options = [
        f"Dir::Etc::sourcelist={sources}", "Dir::Etc::sourceparts=-", f"Dir::State={CACHE}/state",
        f"Dir::Cache={CACHE}/cache", "APT::Sandbox::User=root",
    ]  # fmt: skip
    apt = ["apt-get", *(word for option in options for word in ("-o", option))]
    done = None
    for step in (["update"], ["download", *PACKAGES]):
        done = subprocess.run([*apt, *step], cwd=CACHE, capture_output=True, text=True, check=False)
        if done.returncode:
            missing(f"Redis 8 cannot be downloaded: {done.stderr[-300:]}")
    fresh = CACHE / f"root.{os.getpid()}"
    for package in CACHE.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(fresh)], check=True, capture_output=True)
    with suppress(OSError):  # another run was faster
        fresh.rename(ROOT)


def mirror() -> str:
    """Where this machine has its Debian packages from."""
    asked = ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    sites = [line.split()[0] for line in said.splitlines() if line.endswith(" main") and "-" not in line.split()[1]]
    if not sites:
        missing("apt-get knows no Debian archive; set TEST_REDIS_URL")
    return sites[0]


def free_port() -> int:
    random = SystemRandom()
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@pytest.fixture(scope="session")
def redis8(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis with vector sets: TEST_REDIS_URL, or a server of the tests' own."""
    if given := os.environ.get("TEST_REDIS_URL"):
        yield given.rstrip("/")
        return
    server = RedisServer(tmp_path_factory.mktemp("redis8"), redis8_command())
    try:
        yield server.start().url
    finally:
        server.kill()


@pytest.fixture(scope="session")
def old_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis without vector sets."""
    server = RedisServer(tmp_path_factory.mktemp("redis7"), old_command())
    try:
        yield server.start().url
    finally:
        server.kill()


@pytest.fixture(scope="session")
def redis_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """A cluster that nobody kills."""
    cluster = redis_cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield cluster.start()
    finally:
        cluster.kill()


@pytest.fixture
def redis_cluster_url(redis_nodes: RedisCluster) -> str:
    return own_keys(redis_nodes.url)


@pytest.fixture
def redis_url(redis8: str) -> str:
    """Keys of this test's own."""
    return own_keys(redis8)


@pytest.fixture
def old_redis_url(old_redis: str) -> str:
    return own_keys(old_redis)


def own_keys(url: str) -> str:
    return f"{url}/?semcache_prefix=test-{uuid.uuid4().hex[:12]}"
