"""The service's log: one line a request, as text or JSON, and traces without the values that exceptions quote."""

from __future__ import annotations

import json
import logging
import logging.config
import traceback
from datetime import UTC, datetime
from types import TracebackType

from semcache.service.ending import Ending

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


class JsonFormatter(DiscreetFormatter):
    """One JSON object a line; what became of a request as fields of its own."""

    def format(self, record: logging.LogRecord) -> str:
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
        }
        if isinstance(record.msg, Ending):
            return json.dumps({**told, "message": "request", **record.msg.fields()})
        trace = {"trace": self.formatException(record.exc_info)} if record.exc_info else {}
        return json.dumps({**told, "message": record.getMessage(), **trace})


class WithoutCutStreams(logging.Filter):
    """Drops uvicorn's complaint about responses that we leave unfinished on purpose: see `streaming`."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg != _UNFINISHED


def configure_logging(level: str, *, form: str = "text") -> None:
    """Log to stderr as `text` or `json`: ours from `level` up, everyone else's from WARNING up."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "text": {"()": DiscreetFormatter, "format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
                "json": {"()": JsonFormatter},
            },
            "filters": {"cut": {"()": WithoutCutStreams}},
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": form, "filters": ["cut"]},
            },
            "root": {"level": "WARNING", "handlers": ["stderr"]},
            "loggers": {"semcache": {"level": level}},
        }
    )
