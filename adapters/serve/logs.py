"""Logs: one JSON object a line on standard error, of ids, digests, counts and words of ours; nothing else can get in.

Every value has to bear a name of `FIELDS`, and is cut to what an id may be. A field outside the list is left out and
counted, so that patient data in a log is impossible rather than forbidden. Lines of libraries lose their values: only
their template, logger and the class of an exception are told, because texts of exceptions quote what they choke on.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

FIELDS: Final = frozenset(
    {
        "about",
        "bytes",
        "call",
        "claim",
        "code",
        "connection",
        "control_reused",
        "count",
        "digest",
        "entry",
        "error",
        "event",
    }
    | {"failure", "feed", "host", "kind", "lane", "level", "library", "listener", "media", "method", "milliseconds"}
    | {"payer", "port", "reason", "repeated", "role", "route", "seconds", "status", "timestamp"}
    | {"user"}
)
"""Names that a log line may have. None of them is for a patient's name, a number of a record, a date of birth or a text
sent; `user` is who has signed in, `about` an id of ours."""
_LONGEST: Final = 120
_WRITING: Final = threading.Lock()
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_QUIET: Final = ("httpx", "httpcore", "uvicorn.access")
_TEMPLATES: Final = ("uvicorn", "adapters")
"""Libraries whose messages are templates with the values apart; of others not even the template is told."""

Log = structlog.typing.FilteringBoundLogger


def log() -> Log:
    """The logger of the service. Where nobody configured logs, warnings and worse go to standard error."""
    if not structlog.is_configured():
        configure("warning")
    made: Log = structlog.get_logger("oncoclaims")
    return made


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs of this process to the stream (standard error) from the level on."""
    number = _LEVELS.get(level.lower(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            only_known_fields,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, LibraryLines):
            root.removeHandler(handler)
    root.addHandler(LibraryLines())
    root.setLevel(max(number, logging.WARNING))
    # uvicorn's own set-up, where another server in this process made it, would print what this one leaves out.
    for name in ("uvicorn", "uvicorn.error"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def only_known_fields(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: keeps the fields of `FIELDS`, as numbers or short text, and says how many it dropped."""
    kept: dict[str, Any] = {}
    for name, value in event.items():
        if name in FIELDS:
            kept[name] = value if isinstance(value, bool | int | float) else str(value)[:_LONGEST]
    if len(kept) < len(event):
        kept["dropped"] = len(event) - len(kept)
    return kept


class _Lines:
    """Writes lines to a stream, or to whatever standard error is at the time; never to standard output."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """One line."""
        stream = self._stream or sys.stderr
        with _WRITING:
            stream.write(f"{line}\n")
            stream.flush()

    log = debug = info = warning = error = critical = exception = msg


class LibraryLines(logging.Handler):
    """Passes lines of libraries on without their values."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line: which library, its template, and the class of an exception."""
        known = record.name.split(".")[0] in _TEMPLATES
        said = str(record.msg).splitlines()[0] if known and record.msg else "a library said something"
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        extra = {"error": error} if error else {}
        log().log(record.levelno, said, library=record.name, **extra)
