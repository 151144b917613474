"""Where a Redis is, as its URL says. The URL may hold a password, so nothing here ever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from semcache.errors import SettingsError

PORT = 6379
_ABOUT = "use redis://[USER:PASSWORD@]HOST[:PORT][,HOST…][/DATABASE], or rediss:// for TLS"
_SWITCHES = {"true": True, "false": False}
_KNOWN = ("semcache_cluster", "semcache_memory_mb", "semcache_prefix")
_MB = 1024 * 1024


@dataclass(frozen=True)
class Address:
    """Of a server, or of some nodes of a cluster. `is_cluster` None: the server is asked."""

    hosts: tuple[tuple[str, int], ...]
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    is_tls: bool = False
    is_cluster: bool | None = None
    prefix: str = "semcache"  # of every key
    memory_bytes: int = 256 * _MB  # of one process, for vectors that it searches itself; 0: it searches none

    @property
    def name(self) -> str:
        """For messages: no credential."""
        return "redis at " + ",".join(f"{host}:{port}" for host, port in self.hosts)


def read_address(url: str) -> Address:
    """Raises `SettingsError` that names the part which is wrong, and never shows the URL."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise SettingsError(f"store: the redis URL cannot be read; {_ABOUT}") from None
    if unknown := sorted(options.keys() - set(_KNOWN)):
        raise SettingsError(f"store: {unknown[0]} is no option of a redis URL; there are {', '.join(_KNOWN)}")
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    return Address(
        hosts=tuple(_host(each) for each in hosts.split(",")),
        database=_database(parts.path),
        username=unquote(username) or None,
        password=unquote(password) or None,
        is_tls=parts.scheme == "rediss",
        is_cluster=_switch(options.get("semcache_cluster")),
        prefix=_prefix(options.get("semcache_prefix", Address.prefix)),
        memory_bytes=_memory_bytes(options.get("semcache_memory_mb", str(Address.memory_bytes // _MB))),
    )


def _host(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
    if not colon:
        host, port = text, str(PORT)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"store: a port of the redis URL is not a number from 1 to 65535; {_ABOUT}")
    return host.strip("[]") or "localhost", int(port)


def _database(path: str) -> int:
    text = path.strip("/")
    if text and not text.isdecimal():
        raise SettingsError(f"store: the database of the redis URL is not a number; {_ABOUT}")
    return int(text or 0)


def _switch(text: str | None) -> bool | None:
    if text is not None and text not in _SWITCHES:
        raise SettingsError("store: semcache_cluster is true or false; leave it out, and the server is asked")
    return None if text is None else _SWITCHES[text]


def _prefix(text: str) -> str:
    if not text or not all(each.isalnum() or each in "-_." for each in text):
        raise SettingsError("store: semcache_prefix is letters, digits, - _ and . only")
    return text


def _memory_bytes(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) > 1_000_000:
        raise SettingsError("store: semcache_memory_mb is a whole number from 0 to 1000000")
    return int(text) * _MB
