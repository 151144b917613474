"""How the server is run, alone or as one of several workers."""

from __future__ import annotations

import gc
import sys
from typing import Any

BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75  # longer than clients keep idle connections, so that it is they who close
_GRACE_SECONDS = 30  # what streams in flight get after SIGTERM


def uvicorn_options() -> dict[str, Any]:
    """What `uvicorn.Config` is given beside the application."""
    return {
        "loop": "uvloop" if sys.platform != "win32" else "asyncio",
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "backlog": BACKLOG,
        "timeout_keep_alive": _KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": _GRACE_SECONDS,
    }


def relax_collector() -> None:
    """What start-up made lives for ever, and a request leaves no cycles: looking for some took 0.3 ms of each hit."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
