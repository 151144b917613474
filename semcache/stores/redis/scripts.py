"""The Lua scripts, as they lie beside this file. Each is one step in one slot: nothing else happens in between."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Script:
    """A script with the name Redis gives it."""

    source: bytes
    sha: str


def scope_script(name: str) -> Script:
    """One that works on a scope."""
    return _loaded("scope", *(["journal"] if name.startswith("journal_") else []), name)


def catalogue_script(name: str) -> Script:
    """One that works on the catalogue."""
    return _loaded("catalogue", name)


def batch_script(name: str) -> Script:
    """One that works on a batch."""
    return _loaded("batch", f"batch_{name}")


def lease_script(name: str) -> Script:
    """One that works on a lease."""
    return _loaded("lease", f"lease_{name}")


def script(name: str) -> Script:
    """One that stands alone."""
    return _loaded(name)


@cache
def _loaded(*names: str) -> Script:
    folder = files("semcache.stores.redis") / "lua"
    source = b"\n".join((folder / f"{name}.lua").read_bytes() for name in names)
    return Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest())
