"""The service's log: one line a request, and traces without the values that exceptions quote."""

from __future__ import annotations

import logging
import logging.config
import traceback
from types import TracebackType

_UNFINISHED = "ASGI callable returned without completing response."
ExceptionInfo = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)  # as logging has it


class DiscreetFormatter(logging.Formatter):
    """Shows where an unexpected exception was raised, never its text: it may quote a prompt."""

    def formatException(self, ei: ExceptionInfo) -> str:
        kind, error, trace = ei
        if kind is None:
            return ""
        frames = "".join(traceback.format_tb(trace))
        cause = error.__cause__ or error.__context__ if error is not None else None
        reason = f" (from {type(cause).__name__})" if cause is not None else ""
        return f"Traceback (most recent call last):\n{frames}{kind.__name__}{reason}"


class WithoutCutStreams(logging.Filter):
    """Drops uvicorn's complaint about responses that we leave unfinished on purpose: see `streaming`."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg != _UNFINISHED


def configure_logging(level: str) -> None:
    """Log to stderr: ours from `level` up, everyone else's from WARNING up."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "line": {
                    "()": DiscreetFormatter,
                    "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
                }
            },
            "filters": {"cut": {"()": WithoutCutStreams}},
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["cut"]},
            },
            "root": {"level": "WARNING", "handlers": ["stderr"]},
            "loggers": {"semcache": {"level": level}},
        }
    )
