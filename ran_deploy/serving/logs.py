"""The log of a server: one line for each event, as text or as JSON. Set up by ``serve``, never at import."""

import datetime
import json
import logging
from typing import Any, Literal, TextIO

LogFormat = Literal["text", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class _Formatter(logging.Formatter):
    """Writes the time in UTC, the level, the event and its fields."""

    def __init__(self, kind: LogFormat) -> None:
        super().__init__()
        self._kind = kind

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; with text, a traceback follows on more."""
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = getattr(record, "fields", {})
        event = getattr(record, "event", "")
        message = record.getMessage()
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if self._kind == "json":
            named = {"event": event, "message": message} if event else {"event": message}
            document = {"time": time, "level": record.levelname.lower(), **named, **fields}
            return json.dumps({**document, "traceback": trace} if trace else document)
        line = " ".join([time, record.levelname, message, *(f"{name}={value}" for name, value in fields.items())])
        return f"{line}\n{trace}" if trace else line


def start_log(stream: TextIO, kind: LogFormat, level: LogLevel) -> logging.Handler:
    """Write the log of ran_deploy and of the libraries that serve to ``stream``; :func:`stop_log` ends that."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(kind))
    # The libraries warn of each client that speaks no HTTP, as often as it likes.
    library = "warning" if level == "debug" else "error"
    for name, least in (("ran_deploy", level), ("uvicorn", library), ("grpc", library)):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(least.upper())
        logger.propagate = False
    return handler


def stop_log(handler: logging.Handler) -> None:
    """Stop writing."""
    for name in ("ran_deploy", "uvicorn", "grpc"):
        logging.getLogger(name).removeHandler(handler)
        logging.getLogger(name).propagate = True
