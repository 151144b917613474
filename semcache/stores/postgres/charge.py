"""Who works on the batches of all replicas: a lease that its holder renews, and another takes over from the dead."""

from __future__ import annotations

import secrets
import time
from threading import Event, Lock, Thread

from semcache.errors import StoreError, StoreUnavailable
from semcache.stores.leases import Lease
from semcache.stores.postgres import leases
from semcache.stores.postgres.connections import Connection
from semcache.stores.postgres.database import Database
from semcache.stores.postgres.now import Now

KEY = "office of batches"
SECONDS = 30.0  # after which a dead holder is followed by another


class Charge:
    """Thread-safe. Renewed by a thread of its own for as long as it is held."""

    def __init__(self, database: Database, now: Now, *, seconds: float = SECONDS) -> None:
        self._database = database
        self._now = now
        self._seconds = seconds
        self._owner = secrets.token_hex(8)
        self._lock = Lock()
        self._lease: Lease | None = None
        self._sure_until = 0.0  # by time.monotonic(): as long as nobody else can have taken it
        self._left = Event()
        self._thread: Thread | None = None

    @property
    def is_held(self) -> bool:
        """Whether nobody else can be in charge."""
        with self._lock:
            return self._lease is not None and time.monotonic() < self._sure_until

    def take(self) -> bool:
        """Whether it is ours now, and was not before."""
        with self._lock:
            if self._lease is not None and time.monotonic() < self._sure_until:
                return False
            asked_at = time.monotonic()
            with self._database.reading() as connection:
                answer = leases.acquire(connection, KEY, self._owner, seconds=self._seconds, now=self._now)
            if not isinstance(answer, Lease):
                self._lease = None
                return False
            self._lease, self._sure_until = answer, asked_at + self._seconds
            self._start()
            return True

    def leave(self) -> None:
        """Let others take it. May be called by whoever does not have it."""
        with self._lock:
            lease, self._lease = self._lease, None
            thread, self._thread = self._thread, None
            self._left.set()
        if thread is not None:
            thread.join()
        if lease is not None:
            try:
                with self._database.reading() as connection:
                    leases.release(connection, lease)
            except StoreError:
                pass  # it ends by itself

    def uphold(self, connection: Connection) -> None:
        """Hold it until this transaction ends. Raises `StoreUnavailable` where it was ours, and has been lost."""
        with self._lock:
            lease = self._lease
        if lease is None:
            return
        row = connection.execute(
            "SELECT 1 FROM semcache.leases WHERE key = %s AND owner = %s AND fence = %s FOR SHARE",
            (lease.key, lease.owner, lease.fence),
        ).fetchone()
        if row is None:
            self._lose(lease)
            raise StoreUnavailable("batches: another replica is in charge of them by now")

    def _start(self) -> None:
        if self._thread is None:
            self._left = Event()
            self._thread = Thread(target=self._renew, args=(self._left,), name="semcache-charge", daemon=True)
            self._thread.start()

    def _renew(self, left: Event) -> None:
        while not left.wait(self._seconds / 3):
            with self._lock:
                lease = self._lease
            if lease is None:
                continue
            asked_at = time.monotonic()
            try:
                with self._database.reading() as connection:
                    is_ours = leases.renew(connection, lease, seconds=self._seconds, now=self._now)
            except StoreError:
                continue  # it may be ours still, as long as we are sure
            if is_ours:
                with self._lock:
                    self._sure_until = asked_at + self._seconds
            else:
                self._lose(lease)

    def _lose(self, lease: Lease) -> None:
        with self._lock:
            if self._lease == lease:
                self._lease = None
