"""Several worker processes behind one port, each with everything of its own but the store."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from pathlib import Path

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess

from semcache.errors import SettingsError
from semcache.service.app import app_around
from semcache.service.logs import configure_logging
from semcache.service.parts import open_parts
from semcache.service.tracing import open_tracing
from semcache.service.tuning import relax_collector, uvicorn_options
from semcache.settings import Settings

logger = logging.getLogger(__name__)

_HEALTH_SECONDS = 30  # a worker that does not answer its supervisor for so long is replaced


def check_workers(settings: Settings) -> None:
    """Raises `SettingsError` where several workers would each have a cache of their own, unknown to the others."""
    if settings.workers > 1 and settings.store == "memory:":
        raise SettingsError(
            "workers: the store `memory:` lives in one process; use `local:` or a server, or workers = 1"
        )


def run_workers(settings: Settings, listener: socket.socket) -> None:
    """Until SIGTERM or SIGINT; a worker that dies is replaced, SIGHUP replaces one after the other."""
    with tempfile.TemporaryDirectory(prefix="semcache-workers-") as folder:  # nobody else may read it
        _Supervisor(_WorkerConfig(settings, Path(folder)), [listener]).run()


class _Supervisor(Multiprocess):
    """uvicorn's, which would wait in vain for the answer of a worker that dies after it was asked how it is."""

    def keep_subprocess_alive(self) -> None:
        for worker in self.processes:
            worker.child_conn.close()  # the worker's end: without our copy the pipe ends with the worker
        super().keep_subprocess_alive()


class _WorkerConfig(uvicorn.Config):
    """Crosses to the worker by pickling, and opens the parts there."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        super().__init__(
            "semcache.service.workers:run_workers",  # replaced in `load`: an application cannot be pickled
            workers=settings.workers,
            timeout_worker_healthcheck=_HEALTH_SECONDS,
            **uvicorn_options(),
        )
        self.settings = settings
        self.folder = folder  # of what workers tell each other

    def load(self) -> None:
        configure_logging(self.settings.log_level, form=self.settings.log_format)
        relax_collector()
        logger.info("worker %d", os.getpid())
        tracing = open_tracing(self.settings.traces, os.environ)
        self.app = app_around(lambda: open_parts(self.settings), tracing=tracing, workers_folder=self.folder)
        super().load()
