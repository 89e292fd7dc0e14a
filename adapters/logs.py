"""Operational logs of every process: JSON lines on standard error, static event names, identifiers only."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from typing import TextIO, cast

import structlog


def configure_logs(*, level: str, process: str) -> None:
    """Set up structlog once per process. Standard-library loggers of libraries join at warning and above."""
    # grpc's C core writes lines of its own form to standard error; only its errors are worth that.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", Lossy(sys.stderr))),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    root = logging.getLogger()
    root.handlers = [_LibraryLines()]
    root.setLevel(logging.WARNING)


class Lossy:
    """A stream whose failures are nobody's: a full disk or a closed pipe must not fail the call that is logged."""

    def __init__(self, stream: TextIO) -> None:
        """`stream`: where lines go while it takes them."""
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or lose the line."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or lose what was buffered."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


class _LibraryLines(logging.Handler):
    """Lines of libraries, without their arguments: those may hold what a caller sent."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger("library").log(
            record.levelno,
            "library_log",
            logger=record.name,
            text=str(record.msg),
            error=record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None,
        )
