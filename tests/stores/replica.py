"""A replica in a process of its own, told on the command line what to do with one database.

python replica.py URL ACT ARGUMENTS…
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from store_samples import DIMS, SCOPE, SPACE, embedding, put

from semcache.errors import StoreError
from semcache.stores.leases import Lease
from semcache.stores.postgres.address import read_address
from semcache.stores.postgres.store import PostgresStore

STORE = PostgresStore(read_address(sys.argv[1]), space=SPACE, dims=DIMS)


def tell(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def put_one(key: str) -> None:
    put(STORE, key, embedding(1))
    tell("put")


def find(key: str) -> None:
    tell(STORE.get_exact(SCOPE, key) is not None)


def lease(key: str, owner: str, seconds: str) -> None:
    """Ask for a lease once told to."""
    STORE.check()
    tell("ready")
    sys.stdin.readline()
    answer = STORE.leases.acquire(key, owner, seconds=float(seconds))
    tell("holds" if isinstance(answer, Lease) else "waits")
    sys.stdin.readline()


def put_many(prefix: str) -> None:
    """Until killed, and on through every outage; tells the keys of what was acknowledged."""
    number = 0
    while True:
        number += 1
        key = f"{prefix}{number}"
        try:
            put(STORE, key)
        except StoreError:
            time.sleep(0.01)
            continue
        tell(key)


{"put": put_one, "find": find, "lease": lease, "put-many": put_many}[sys.argv[2]](*sys.argv[3:])
