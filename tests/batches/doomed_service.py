"""A real service that kills itself, as `kill -9` would, at the n-th point of a batch's life; 0: never.

    python doomed_service.py FOLDER UPSTREAM PORT POINT [SINCE]

With SINCE, the name of a write, points are counted from the first one of that name on. A point lies before and after
each write to the store of batches, and before and after each create, cancellation and reading of results upstream; how
often the upstream is only asked how it stands depends on the time.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from batches.batch_worlds import QUICK
from service.worlds import settings

from semcache.batching.splitting import Limits
from semcache.service.app import app_around
from semcache.service.parts import Parts, open_parts

WRITES = ("begin", "add", "accept", "move", "apply", "end")


class Fuse:
    def __init__(self, point: int, since: str) -> None:
        self.left = point
        self.since = since

    def burn(self, name: str) -> None:
        if self.since and name != self.since:
            return
        self.since = ""
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Doomed:
    """Everything as behind it, with a point on either side of these calls."""

    def __init__(self, behind: Any, fuse: Fuse, names: tuple[str, ...]) -> None:
        self._behind = behind
        self._fuse = fuse
        self._names = names

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._behind, name)
        if name not in self._names:
            return found

        def write(*arguments: Any, **options: Any) -> Any:
            self._fuse.burn(name)
            result = found(*arguments, **options)
            self._fuse.burn(name)
            return result

        async def ask(request: Any) -> Any:
            is_point = request.method == "POST" or request.path.endswith("/results")
            if is_point:
                self._fuse.burn(name)
            response = await found(request)
            if is_point:
                self._fuse.burn(name)
            return response

        return ask if name == "open" else write


def opened(folder: Path, upstream: str, fuse: Fuse) -> Parts:
    parts = open_parts(settings(folder, embedder="hashed", upstream=upstream))
    store: Any = parts.cache_parts.store
    store.batches = Doomed(store.batches, fuse, WRITES)
    return replace(parts, upstream=Doomed(parts.upstream, fuse, ("open",)))


def main(folder: str, upstream: str, port: str, point: str, since: str = "") -> None:
    rules = replace(QUICK, portion=4, limits=Limits(max_requests=4))
    app = app_around(lambda: opened(Path(folder), upstream, Fuse(int(point), since)), batch_rules=rules)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", ws="none")


if __name__ == "__main__":
    main(*sys.argv[1:])
