"""The connection to Redis: made when it is first needed, one server or a cluster, with timeouts and bounded retries."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any

import redis
from redis import exceptions
from redis.backoff import ExponentialBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry

from semcache.errors import StoreUnavailable
from semcache.stores.breaker import Breaker, Health
from semcache.stores.redis.address import Address
from semcache.stores.redis.faults import SILENCE, explained, unavailable
from semcache.stores.redis.scripts import Script

CONNECT_SECONDS, ANSWER_SECONDS = 1.0, 3.0
POOL_SECONDS = 1.0  # a request waits so long for a free connection
CONNECTIONS = 64
AT_ONCE = 200  # commands in one round trip

Word = bytes | str | int | float
Call = tuple[Script, str, Sequence[Word]]  # a script, the hash tag of the slot it works in, and its arguments


@dataclass(frozen=True)
class Server:
    """What was found behind the address."""

    version: str
    is_cluster: bool
    has_vectors: bool
    policy: str  # what is evicted when memory is full; empty: it does not say

    @property
    def loses_keys(self) -> bool:
        """Whether it may evict what has no TTL."""
        return self.policy.startswith("allkeys-")


class Link:
    """Thread-safe. Everything raises `StoreUnavailable` while the server is away, and works again once it is back."""

    def __init__(self, address: Address, *, said: Callable[[Server], None] = lambda server: None) -> None:
        """`said` hears what was found, each time that the server is found anew."""
        self._address = address
        self._said = said
        self._breaker = Breaker()
        self._lock = Lock()
        self._open: tuple[Any, Server] | None = None
        self._is_closed = False
        self._failed_at = 0.0

    @property
    def name(self) -> str:
        return self._address.name

    @property
    def prefix(self) -> str:
        return self._address.prefix

    @property
    def server(self) -> Server:
        opened = self._open
        if opened is not None:
            return opened[1]
        with self._explained():
            return self._opened()[1]

    @property
    def known_server(self) -> Server | None:
        """What was found, without asking; None while nothing was."""
        opened = self._open
        return None if opened is None else opened[1]

    def info(self) -> list[dict[str, Any]]:
        """What every master says of itself."""
        with self._explained():
            client, server = self._opened()
            if not server.is_cluster:
                return [client.info()]
            return list(client.info(target_nodes=RedisCluster.PRIMARIES).values())

    def run(self, script: Script, slot: str, *words: Word) -> Any:
        """What a script returns."""
        with self._explained():
            client, _ = self._opened()
            try:
                return client.execute_command("EVALSHA", script.sha, 1, slot, *words)
            except exceptions.NoScriptError:
                return client.execute_command("EVAL", script.source, 1, slot, *words)

    def run_all(self, calls: Sequence[Call]) -> list[Any]:
        """What scripts return that are sent together; they may be of different slots, and are not one step."""
        found: list[Any] = []
        for start in range(0, len(calls), AT_ONCE):
            some = calls[start : start + AT_ONCE]
            answers = self.send_all(
                [("EVALSHA", script.sha, 1, slot, *words) for script, slot, words in some], mild=True
            )
            for (script, slot, words), answer in zip(some, answers, strict=True):
                if isinstance(answer, exceptions.NoScriptError):
                    answer = self.run(script, slot, *words)
                elif isinstance(answer, Exception):
                    raise unavailable(self.name, answer) from None
                found.append(answer)
        return found

    def send(self, *words: Word) -> Any:
        """What a command returns."""
        with self._explained():
            return self._opened()[0].execute_command(*words)

    def send_all(self, commands: Sequence[Sequence[Word]], *, mild: bool = False) -> list[Any]:
        """What commands return that are sent together; `mild`: errors are among it."""
        found: list[Any] = []
        with self._explained():
            client, _ = self._opened()
            for start in range(0, len(commands), AT_ONCE):
                with _pipeline(client) as pipe:
                    for words in commands[start : start + AT_ONCE]:
                        pipe.execute_command(*words)
                    found += pipe.execute(raise_on_error=False)
            if not mild and (error := next((each for each in found if isinstance(each, Exception)), None)):
                raise error
        return found

    def close(self) -> None:
        """May be called twice."""
        with self._lock:
            self._is_closed = True
            opened, self._open = self._open, None
        if opened is not None:
            opened[0].close()

    @property
    def health(self) -> Health:
        """How the server has been answering."""
        return self._breaker.health

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Only silence opens the circuit: a server that is full still answers, and is still read."""
        with explained(self.name), self._breaker.guarding():
            try:
                yield
            except SILENCE as error:
                raise unavailable(self.name, error) from None

    def _opened(self) -> tuple[Any, Server]:
        opened = self._open
        if opened is not None:
            return opened
        asked_at = time.monotonic()
        with self._lock:
            if self._is_closed:
                raise StoreUnavailable(f"{self.name}: the store is closed")
            if self._open is None:
                if self._failed_at >= asked_at:  # for whoever waited here: one attempt is enough
                    raise exceptions.ConnectionError
                try:
                    self._open = _connected(self._address)
                except Exception:
                    self._failed_at = time.monotonic()
                    raise
                self._said(self._open[1])
            return self._open


def _connected(address: Address) -> tuple[Any, Server]:
    """A client of whatever answers first."""
    failed: Exception | None = None
    for host, port in address.hosts:
        one = redis.Redis(connection_pool=_pool(address, host, port))
        try:
            is_cluster = address.is_cluster
            if is_cluster is None:
                is_cluster = _info(one).get("redis_mode") == "cluster"
            client = _cluster(address) if is_cluster else one
        except (exceptions.RedisError, OSError) as error:
            failed = error
            one.close()
            continue
        if client is not one:
            one.close()
        try:
            return client, _server(client, is_cluster=is_cluster)
        except BaseException:
            client.close()
            raise
    assert failed is not None
    raise failed


def _pool(address: Address, host: str, port: int) -> Any:
    kind = {"connection_class": redis.SSLConnection} if address.is_tls else {}
    return redis.BlockingConnectionPool(
        host=host, port=port, db=address.database, max_connections=CONNECTIONS, timeout=POOL_SECONDS,
        retry=_again(1), **_manners(address), **kind,
    )  # fmt: skip


def _cluster(address: Address) -> Any:
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in address.hosts], max_connections=CONNECTIONS,
        ssl=address.is_tls, retry=_again(4), **_manners(address),
    )  # fmt: skip


def _again(times: int) -> Any:
    """A connection that broke while it was idle is made anew; a server that is silent is not asked twice."""
    return Retry(ExponentialBackoff(cap=0.2, base=0.02), times, supported_errors=(exceptions.ConnectionError,))


def _manners(address: Address) -> dict[str, Any]:
    return {
        "username": address.username, "password": address.password, "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS, "socket_keepalive": True, "protocol": 2,
    }  # fmt: skip


def _pipeline(client: Any) -> Any:
    return client.pipeline() if isinstance(client, RedisCluster) else client.pipeline(transaction=False)


def _info(client: Any) -> dict[str, Any]:
    found = client.info()
    return dict(found) if "redis_version" in found else dict(next(iter(found.values())))


def _server(client: Any, *, is_cluster: bool) -> Server:
    told = _info(client)
    version = str(told.get("valkey_version") or told.get("redis_version", "?"))
    product = "Valkey" if "valkey_version" in told or told.get("server_name") == "valkey" else "Redis"
    known = re.match(r"\d+", str(told.get("redis_version", "")))
    if known is not None and int(known.group()) < 6:
        raise StoreUnavailable(f"the server is {product} {version}; semcache needs Redis 6 or newer")
    policy = str(told.get("maxmemory_policy", ""))
    return Server(f"{product} {version}", is_cluster, _has_vectors(client), policy)


def _has_vectors(client: Any) -> bool:
    """Asked by asking for one: the version says nothing, for Valkey has none, and modules bring them."""
    try:
        client.execute_command("VCARD", "semcache:probe")
    except exceptions.NoPermissionError:
        raise
    except exceptions.ResponseError:
        return False
    except exceptions.RedisError as error:
        if "doesn't exist" in str(error):  # the client of a cluster looks a command up before it sends it
            return False
        raise
    return True
