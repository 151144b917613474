"""Settings: one frozen object, read once at the edge from `semcache.toml` < environment < arguments."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from semcache.errors import SettingsError
from semcache.policy import DEFAULT_STRATEGIES, STRATEGIES, Namespace, RoutingPolicy, ServiceKey
from semcache.request import Mode
from semcache.settings_tables import (
    boolean,
    namespaces,
    number,
    routing,
    service_keys,
    strategies,
    text,
    whole,
)

CONFIG_FILE = "semcache.toml"
PREFIX = "SEMCACHE_"
# Names under our prefix that are read elsewhere: the settings file itself, the CLI's server, benchmark data.
OTHER_VARIABLES = frozenset({"SEMCACHE_CONFIG", "SEMCACHE_URL", "SEMCACHE_DATA"})


@dataclass(frozen=True)
class Settings:
    """Every setting, with its default; `ABOUT` says what each is for."""

    host: str = "127.0.0.1"
    port: int = 8080
    data_dir: Path = Path("index")
    models_dir: Path | None = None
    store: str = field(default="local:", repr=False)  # a URL may hold a password
    upstream: str = "claude"
    embedder: str = "all-MiniLM-L6-v2"
    error_budget: float = 0.01
    audits: bool = True
    audit_floor: float = 0.02
    judge_model: str | None = None
    mode: Mode = Mode.SEMANTIC
    api_keys: tuple[ServiceKey, ...] = ()
    admin_key: str | None = field(default=None, repr=False)
    anthropic_api_key: str | None = field(default=None, repr=False)
    ttl_seconds: float = 7 * 24 * 3600.0
    max_entries: int = 200_000
    max_bytes: int = 2_000_000_000
    max_entry_bytes: int = 1_000_000
    writes_per_hour: int = 1000
    refresh_seconds: float = 0.0
    own_jobs_wait_seconds: float = 0.0
    ledger_rows_days: float = 30.0
    ledger_sums_days: float = 800.0
    max_request_bytes: int = 32_000_000
    coalesce: bool = True
    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 660.0
    ping_seconds: float = 15.0
    threads: int | None = None
    workers: int = 1
    log_level: str = "INFO"
    log_format: str = "text"
    log_texts: bool = False
    traces: bool | None = None
    record: Path | None = None
    record_redacted: bool = True
    usd_per_day: float | None = None
    tokens_per_day: int | None = None
    credential_usd_per_day: float | None = None
    credential_tokens_per_day: int | None = None
    soft_limit_share: float = 0.8
    strategies: tuple[str, ...] = DEFAULT_STRATEGIES
    routing: RoutingPolicy = field(default_factory=RoutingPolicy)
    namespaces: dict[str, Namespace] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(0 < self.error_budget < 1, "error_budget: must lie between 0 and 1, for example 0.01")
        _check(0 < self.routing.tolerance < 1, "routing.tolerance: must lie between 0 and 1, for example 0.05")
        for name in ("usd_per_day", "tokens_per_day", "credential_usd_per_day", "credential_tokens_per_day"):
            _check((getattr(self, name) or 1) > 0, f"{name}: must be greater than 0")
        _check(0 < self.soft_limit_share <= 1, "soft_limit_share: must lie between 0 and 1, for example 0.8")
        _check(0 <= self.audit_floor <= 1, "audit_floor: must lie between 0 and 1, for example 0.02")
        _check(self.refresh_seconds >= 0, "refresh_seconds: must not be negative; 0 means that answers expire")
        _check(
            self.own_jobs_wait_seconds == 0 or 600 <= self.own_jobs_wait_seconds <= 86_400,
            "own_jobs_wait_seconds: use 0 (asked at once), or 600 to 86400: most batches end within an hour",
        )
        _check(self.writes_per_hour >= 0, "writes_per_hour: must not be negative; 0 means any number")
        _check(0 <= self.port <= 65535, "port: must lie between 0 and 65535")
        for name in (
            "ttl_seconds",
            "max_entries",
            "max_bytes",
            "max_entry_bytes",
            "max_request_bytes",
            "ping_seconds",
            "ledger_rows_days",
            "ledger_sums_days",
        ):
            _check(getattr(self, name) > 0, f"{name}: must be greater than 0")
        _check(self.workers > 0, "workers: must be greater than 0")
        _check(self.threads is None or self.threads > 0, "threads: must be greater than 0")
        _check(self.log_level in ("DEBUG", "INFO", "WARNING", "ERROR"), "log_level: use DEBUG, INFO, WARNING or ERROR")
        _check(self.log_format in ("text", "json"), "log_format: use text or json")
        known = {key.label for key in self.api_keys}
        for name, namespace in self.namespaces.items():
            strangers = [label for label in namespace.members if label not in known]
            _check(not strangers, f"namespaces.{name}.members: no service key is labelled {', '.join(strangers)}")

    def namespace(self, name: str) -> Namespace:
        return self.namespaces.get(name, Namespace())

    def with_arguments(self, **given: Any) -> Settings:
        """Override by arguments; None means not given."""
        return replace(self, **{name: value for name, value in given.items() if value is not None})


ABOUT = {
    "host": "address the service listens on",
    "port": "port the service listens on",
    "data_dir": "where the local store lives: cache.sqlite3 and vectors-*.faiss",
    "models_dir": "where models/ lives; default: ./models, else the copy shipped inside the package",
    "store": "store URL: `local:`, `local:PATH`, `memory:`, `postgresql://…` or `redis://…`",
    "upstream": "where misses go: `claude`, `simulator`, or a base URL",
    "embedder": "embedding model: a name built under models/, or `sentence-transformers:NAME`",
    "error_budget": "tolerated share of requests that are answered wrongly from memory",
    "audits": "ask a share of what memory or a cheaper model answered again, afterwards: it proves and it teaches",
    "audit_floor": "share of similar hits that goes on being audited once 600 have been; more are at first",
    "judge_model": "Claude model that judges answers where the local judge is uncertain; none: they stay unjudged",
    "mode": "how far the cache may go: off, shadow, exact or semantic; callers can only tighten",
    "api_keys": "service keys callers must show, `label:key` comma-separated; empty: none required",
    "admin_key": "key of the admin endpoints; without one they answer only on a loopback address",
    "anthropic_api_key": "credential for Claude where the caller brings none (ANTHROPIC_API_KEY)",
    "ttl_seconds": "age at which a learned answer is forgotten, from the time it was stored",
    "max_entries": "entries kept before the least valuable learned ones are evicted",
    "max_bytes": "bytes of stored text kept before eviction",
    "max_entry_bytes": "largest message that is stored",
    "writes_per_hour": "answers that one credential may add to a shared namespace in an hour; 0: any number",
    "refresh_seconds": "an answer that is served so many seconds before its end, or less, is asked anew; 0: none is",
    "own_jobs_wait_seconds": "how long audits, judgements, comparisons, refreshes may wait for half price; 0: at once",
    "ledger_rows_days": "days for which the ledger keeps a row for every request; then sums by the hour",
    "ledger_sums_days": "days for which it keeps these sums",
    "max_request_bytes": "largest request body that is read, as at Claude",
    "coalesce": "identical requests in flight share one upstream call",
    "connect_timeout_seconds": "time to reach the upstream",
    "read_timeout_seconds": "longest silence of the upstream",
    "ping_seconds": "silence on a stream after which a ping is sent to the client",
    "threads": "worker threads for lookups; default: the number of cores",
    "workers": "worker processes of `semcache serve`, which share the store; any but `memory:`",
    "log_level": "DEBUG, INFO, WARNING or ERROR; prompts are logged only with `log_texts`, keys never",
    "log_format": "text, or json: one JSON object a line",
    "log_texts": "put question and answer into each request's log line, for all who read the log: to debug",
    "traces": "send OpenTelemetry traces; default: where OTEL_EXPORTER_OTLP_ENDPOINT is set. Needs `semcache[otel]`",
    "record": "file to which every request and its answer is appended, for `semcache replay`; none: no file",
    "record_redacted": "replace credentials, mail addresses and long numbers in the recording by marks",
    "usd_per_day": "dollars that may be spent upstream in a day (UTC); then misses are refused, hits still served",
    "tokens_per_day": "tokens that may be spent upstream in a day",
    "credential_usd_per_day": "dollars a day that each credential may spend",
    "credential_tokens_per_day": "tokens a day that each credential may spend",
    "soft_limit_share": "share of a limit from which on the log warns and answers say so (x-semcache-budget)",
    "strategies": "strategies in use, comma-separated, `all` or `none`; namespaces and callers can only narrow it",
    "routing": "table [routing] in semcache.toml: simple, moderate, complex, baseline, classifier, tolerance, "
    "cascade_streams, tasks, rules",
    "namespaces": "tables [namespaces.NAME] in semcache.toml: shared, members, mode, ttl_seconds, usd_per_day, "
    "tokens_per_day, downshift, strategies",
}


def load_settings(
    environment: Mapping[str, str] | None = None, *, config: Path | None = None, **arguments: Any
) -> Settings:
    """Read the settings. Unknown keys raise `SettingsError` and name the nearest known one."""
    environment = os.environ if environment is None else environment
    path = config or Path(environment.get("SEMCACHE_CONFIG", CONFIG_FILE))
    if config is not None or "SEMCACHE_CONFIG" in environment:
        _check(path.is_file(), f"settings file {path} does not exist")
    values = _from_file(path) if path.is_file() else {}
    values |= _from_environment(environment)
    return Settings(**values).with_arguments(**arguments)


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return "ANTHROPIC_API_KEY" if name == "anthropic_api_key" else PREFIX + name.upper()


def _from_file(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not valid TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    return {_known(name, where=str(path)): _converted(name, value, str(path)) for name, value in table.items()}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for variable, given in environment.items():
        if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        name = _known(variable.removeprefix(PREFIX).lower(), where="environment", shown=variable)
        if given != "":
            values[name] = _converted(name, given, variable)
    if environment.get("ANTHROPIC_API_KEY"):
        values["anthropic_api_key"] = environment["ANTHROPIC_API_KEY"]
    return values


def _known(name: str, *, where: str, shown: str | None = None) -> str:
    names = [each.name for each in fields(Settings)]
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    nearest = (variable_of(near[0]) if shown else near[0]) if near else None
    hint = f"; did you mean {nearest}?" if nearest else f"; known settings: {', '.join(names)}"
    raise SettingsError(f"{where}: unknown setting {shown or name}{hint}")


def _converted(name: str, value: Any, where: str) -> Any:
    """A TOML value or an environment text as the setting's type."""
    kind = str(Settings.__annotations__[name]).removesuffix(" | None")
    convert = _CONVERTERS.get(kind)
    try:
        return value if convert is None else convert(value)
    except (ValueError, TypeError, AttributeError) as error:
        shown = "" if name in ("api_keys", "admin_key", "anthropic_api_key") else f", got {value!r}"
        raise SettingsError(f"{where}: {name} must be {_KINDS.get(kind, kind)}{shown}") from error


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "str": text, "int": whole, "float": number, "bool": boolean,
    "Path": lambda value: Path(text(value)).expanduser(),
    "Mode": lambda value: Mode(text(value).lower()), "tuple[str, ...]": strategies,
    "tuple[ServiceKey, ...]": service_keys, "dict[str, Namespace]": namespaces, "RoutingPolicy": routing,
}  # fmt: skip
_KINDS = {
    "str": "a text", "int": "a whole number", "float": "a number", "bool": "true or false", "Path": "a path",
    "Mode": "off, shadow, exact or semantic", "tuple[str, ...]": f"all, none, or names of {', '.join(STRATEGIES)}",
    "tuple[ServiceKey, ...]": "`label:key` words separated by commas", "dict[str, Namespace]": "tables",
    "RoutingPolicy": "a table",
}  # fmt: skip


def _check(holds: bool, problem: str) -> None:
    if not holds:
        raise SettingsError(problem)
