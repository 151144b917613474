"""What is spent in a day (UTC) against limits of the service, a namespace, a credential; what is under way counts."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock

from semcache.errors import BudgetExceeded
from semcache.journal import Journalled, operation

logger = logging.getLogger(__name__)

_DAY_SECONDS = 86_400.0
_MOST_ACCOUNTS = 50_000  # credentials of one day


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that may be spent in a day; None: any amount."""

    usd_per_day: float | None = None
    tokens_per_day: int | None = None

    @property
    def is_none(self) -> bool:
        return self.usd_per_day is None and self.tokens_per_day is None


@dataclass(frozen=True)
class Limits:
    """Of the whole service, of each credential, and of namespaces. From `soft_share` of a limit on it is said so."""

    service: Limit = field(default_factory=Limit)
    credential: Limit = field(default_factory=Limit)
    namespaces: Mapping[str, Limit] = field(default_factory=dict)
    soft_share: float = 0.8

    @property
    def are_none(self) -> bool:
        return all(limit.is_none for limit in (self.service, self.credential, *self.namespaces.values()))

    def of(self, account: str) -> Limit:
        """The limit of an account."""
        kind, _, name = account.partition(" ")
        own = {"service": self.service, "credential": self.credential}
        return own[kind] if kind in own else self.namespaces.get(name, Limit())

    def accounts(self, namespace: str, credential: str) -> Iterator[tuple[str, Limit]]:
        """The accounts that a request is charged to, each with its limit; those without one are left out."""
        named = (
            ("service", self.service),
            (f"namespace {namespace}", self.namespaces.get(namespace, Limit())),
            (f"credential {credential[:12]}", self.credential),
        )
        yield from ((name, limit) for name, limit in named if not limit.is_none)


@dataclass(slots=True)
class _Account:
    usd: float = 0.0
    tokens: int = 0
    reserved_usd: float = 0.0
    reserved_tokens: int = 0
    has_warned: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a request under way is expected to cost, on each of its accounts.

    `nearest`: the account of which most is used, and how much, where that is beyond the soft limit.
    """

    day: int
    accounts: tuple[str, ...]
    usd: float
    tokens: int
    nearest: tuple[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """One account today, beside its limit."""

    usd: float
    tokens: int
    limit: Limit

    @property
    def used_share(self) -> float:
        """Of the nearer limit."""
        usd, tokens = self.limit.usd_per_day, self.limit.tokens_per_day
        return max(self.usd / usd if usd else 0.0, self.tokens / tokens if tokens else 0.0)


class SpendingBook(Journalled):
    """One day's accounts; a new day begins with none. Thread-safe.

    Requests under way cannot go beyond a limit together, except by as much as they cost more than was expected. Of
    other processes that share the store, what they have spent counts, and not what they have under way.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._day = 0
        self._accounts: dict[str, _Account] = {}
        self._lock = Lock()

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to keep to."""
        return self._limits.are_none

    def reserve(self, namespace: str, credential: str, *, usd: float, tokens: int, now: float) -> Reservation:
        """Set aside what a request is expected to cost. Raises `BudgetExceeded` where a limit has been reached."""
        limits = list(self._limits.accounts(namespace, credential))
        with self._lock:
            self._turn_page(now)
            for name, limit in limits:
                if (spent := _reached(self._account(name), limit)) is not None:
                    raise BudgetExceeded(
                        f"spending: the {name.split()[0]}'s limit of {spent} a day is used up; it begins anew at "
                        "midnight UTC. Answers from memory are still served",
                        retry_after_seconds=_DAY_SECONDS - now % _DAY_SECONDS,
                    )
            for name, _ in limits:
                account = self._account(name)
                account.reserved_usd += usd
                account.reserved_tokens += tokens
            used = [(name.split()[0], self._spent(name).used_share) for name, _ in limits]
            nearest = max(
                (each for each in used if each[1] >= self._limits.soft_share), key=lambda each: each[1], default=None
            )
        return Reservation(self._day, tuple(name for name, _ in limits), usd, tokens, nearest)

    def settle(self, reservation: Reservation, *, usd: float, tokens: int, now: float) -> None:
        """The request is over: what it cost takes the place of what was set aside. 0 where it failed."""
        with self._lock:
            self._turn_page(now)
            for name in reservation.accounts if reservation.day == self._day else ():
                account = self._account(name)
                account.reserved_usd = max(0.0, account.reserved_usd - reservation.usd)
                account.reserved_tokens = max(0, account.reserved_tokens - reservation.tokens)
        self._charge(reservation.accounts, usd=usd, tokens=tokens, now=now)

    def add(self, namespace: str, credential: str = "", *, usd: float, tokens: int, now: float) -> None:
        """Book what was spent without a reservation: in vain for a caller, or, without a credential, for ourselves."""
        accounts = self._limits.accounts(namespace, credential)
        names = [name for name, _ in accounts if credential or not name.startswith("credential")]
        self._charge(names, usd=usd, tokens=tokens, now=now)

    def spent(self, *, now: float) -> dict[str, Spent]:
        """Today by account; credentials by the beginning of their digest."""
        with self._lock:
            self._turn_page(now)
            return {name: self._spent(name) for name in self._accounts}

    def _spent(self, name: str) -> Spent:
        account = self._account(name)
        return Spent(account.usd, account.tokens, self._limits.of(name))

    def standings(self, *, now: float, most: int) -> dict[str, Spent]:
        """Today's accounts with a limit: the service, namespaces, then so many credentials, those that spent most.

        The service and namespaces are there though nothing was spent.
        """
        spent = self.spent(now=now)
        common = ["service", *(f"namespace {name}" for name in sorted(self._limits.namespaces))]
        own = sorted((name for name in spent if name not in common), key=lambda name: (-spent[name].usd, name))
        found = {name: spent.get(name, Spent(0.0, 0, self._limits.of(name))) for name in (*common, *own[:most])}
        return {name: each for name, each in found.items() if not each.limit.is_none}

    def to_bytes(self) -> bytes:
        with self._lock:
            rows = [[name, account.usd, account.tokens] for name, account in self._accounts.items()]
        return json.dumps([self._day, rows]).encode()

    def restore(self, content: bytes) -> None:
        """Raises `ValueError`, `TypeError` for what `to_bytes` did not write."""
        day, rows = json.loads(content)
        spent = {str(name): (float(usd), int(tokens)) for name, usd, tokens in rows}
        with self._lock:
            if int(day) < self._day:  # nothing has been spent today by anybody
                day, spent = self._day, {}
            known = self._accounts if int(day) == self._day else {}  # with what is under way here
            self._day = int(day)
            self._accounts = {name: known.get(name, _Account()) for name in {*known, *spent}}
            for name, account in self._accounts.items():
                account.usd, account.tokens = spent.get(name, (0.0, 0))

    @operation
    def _charge(self, names: Iterable[str], *, usd: float, tokens: int, now: float) -> None:
        with self._lock:
            self._turn_page(now)
            for name in names if now // _DAY_SECONDS >= self._day else ():
                account = self._account(name)
                account.usd += usd
                account.tokens += tokens
                self._warn(name, account)

    def _account(self, name: str) -> _Account:
        if name not in self._accounts and len(self._accounts) >= _MOST_ACCOUNTS:
            return _Account()  # beyond any real number of credentials: not counted, so not refused
        return self._accounts.setdefault(name, _Account())

    def _turn_page(self, now: float) -> None:
        if (today := int(now // _DAY_SECONDS)) > self._day:
            self._day, self._accounts = today, {}

    def _warn(self, name: str, account: _Account) -> None:
        """Once a day, where most of a limit is used."""
        used = self._spent(name).used_share
        if not account.has_warned and used >= self._limits.soft_share:
            account.has_warned = True
            logger.warning("spending: %s has used %.0f %% of its limit of the day", name, 100 * used)


def _reached(account: _Account, limit: Limit) -> str | None:
    """The limit that is used up, what is under way included; None: there is room."""
    usd, tokens = limit.usd_per_day, limit.tokens_per_day
    if usd is not None and account.usd + account.reserved_usd >= usd:
        return f"${usd:g}"
    if tokens is not None and account.tokens + account.reserved_tokens >= tokens:
        return f"{tokens:,} tokens"
    return None
