"""The Lua scripts, as they lie beside this file. A script is one step: all of it happens, or nothing, and in one slot."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files


@dataclass(frozen=True)
class Script:
    """A script with the name Redis gives it."""

    source: bytes
    sha: str


def scope_script(name: str) -> Script:
    """One that works on a scope."""
    return _loaded("scope", name)


def catalogue_script(name: str) -> Script:
    """One that works on the catalogue."""
    return _loaded("catalogue", name)


def script(name: str) -> Script:
    """One that stands alone."""
    return _loaded(name)


@lru_cache(maxsize=None)
def _loaded(*names: str) -> Script:
    folder = files("semcache.stores.redis") / "lua"
    source = b"\n".join((folder / f"{name}.lua").read_bytes() for name in names)
    return Script(source, hashlib.sha1(source, usedforsecurity=False).hexdigest())
