"""Runs the service: takes the port, opens the parts, serves until told to stop."""

from __future__ import annotations

import errno
import gc
import logging
import os
import socket
import sys

import uvicorn

from semcache.errors import SettingsError
from semcache.service.app import app_around
from semcache.service.banner import banner
from semcache.service.logs import configure_logging
from semcache.service.parts import Parts, open_parts
from semcache.service.tracing import Tracing, open_tracing
from semcache.settings import Settings

logger = logging.getLogger(__name__)

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75  # longer than clients keep idle connections, so that it is they who close
_GRACE_SECONDS = 30  # what streams in flight get after SIGTERM


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises `SettingsError` and `ManifestError` before anything is served, a port that is taken included.
    """
    configure_logging(settings.log_level, form=settings.log_format)
    tracing = open_tracing(settings.traces, os.environ)
    with _bound(settings) as listener:
        settings = settings.with_arguments(port=listener.getsockname()[1])
        parts = open_parts(settings)
        _relax_collector()
        try:
            _Server(_config(parts, tracing), parts).run(sockets=[listener])
        except KeyboardInterrupt:
            logger.info("stopped")
        finally:
            parts.close()


def _relax_collector() -> None:
    """What start-up made lives for ever, and a request leaves no cycles: looking for some took 0.3 ms of each hit."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            sys.stdout.write(banner(self._parts))
            sys.stdout.flush()


def _config(parts: Parts, tracing: Tracing) -> uvicorn.Config:
    return uvicorn.Config(
        app_around(lambda: parts, tracing=tracing),
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http="httptools",
        ws="none",
        lifespan="on",
        workers=1,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _bound(settings: Settings) -> socket.socket:
    """A listening socket. Taken before anything else is opened, so that a taken port costs nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        where = f"{settings.port} on {settings.host}"
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(f"port {where} is taken; stop what uses it, or set SEMCACHE_PORT") from error
        if error.errno == errno.EACCES:
            raise SettingsError(f"port {where} needs more rights; set SEMCACHE_PORT to 1024 or more") from error
        raise SettingsError(f"cannot listen on port {where}: {error.strerror}; set SEMCACHE_HOST") from error
