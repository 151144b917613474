"""Runs the service: takes the port, opens the parts, serves until told to stop."""

from __future__ import annotations

import errno
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
from semcache.service.tracing import open_tracing
from semcache.service.tuning import BACKLOG, relax_collector, uvicorn_options
from semcache.service.workers import check_workers, run_workers
from semcache.settings import Settings

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises `SettingsError` and `ManifestError` before anything is served, a port that is taken included.
    """
    configure_logging(settings.log_level, form=settings.log_format)
    with _bound(settings) as listener:
        settings = settings.with_arguments(port=listener.getsockname()[1])
        if settings.workers > 1:
            _serve_with_workers(settings, listener)
        else:
            _serve_alone(settings, listener)


def _serve_alone(settings: Settings, listener: socket.socket) -> None:
    tracing = open_tracing(settings.traces, os.environ)
    parts = open_parts(settings)
    relax_collector()
    config = uvicorn.Config(app_around(lambda: parts, tracing=tracing), workers=1, **uvicorn_options())
    try:
        _Server(config, parts).run(sockets=[listener])
    except KeyboardInterrupt:
        logger.info("stopped")
    finally:
        parts.close()


def _serve_with_workers(settings: Settings, listener: socket.socket) -> None:
    """All is opened here first: what is wrong is said once, and one process alone brings the store up to date."""
    check_workers(settings)
    open_tracing(settings.traces, os.environ).close()
    parts = open_parts(settings)
    try:
        sys.stdout.write(banner(parts))
        sys.stdout.flush()
    finally:
        parts.close()
    run_workers(settings, listener)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, parts: Parts) -> None:
        super().__init__(config)
        self._parts = parts

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            sys.stdout.write(banner(self._parts))
            sys.stdout.flush()


def _bound(settings: Settings) -> socket.socket:
    """A listening socket. Taken before anything else is opened, so that a taken port costs nothing."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        where = f"{settings.port} on {settings.host}"
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(f"port {where} is taken; stop what uses it, or set SEMCACHE_PORT") from error
        if error.errno == errno.EACCES:
            raise SettingsError(f"port {where} needs more rights; set SEMCACHE_PORT to 1024 or more") from error
        raise SettingsError(f"cannot listen on port {where}: {error.strerror}; set SEMCACHE_HOST") from error
