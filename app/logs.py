"""Logs on stderr: lines for people, or one JSON object per line; each with the id of the request it belongs to."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

REQUEST: Final[ContextVar[str]] = ContextVar("request", default="")  # the id of the request that is being served
FIELDS: Final = "fields"  # the name under which a record carries its facts: ``extra={FIELDS: {...}}``


class Lines(logging.Formatter):
    """For people: ``candor: WARNING: what happened [request]``."""

    def __init__(self) -> None:
        super().__init__("candor: %(levelname)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line without a traceback."""
        facts = " ".join(f"{name}={value}" for name, value in _facts(record).items())
        request = f" [{REQUEST.get()}]" if REQUEST.get() else ""
        return super().formatMessage(record) + (f" {facts}" if facts else "") + request


class JsonLines(logging.Formatter):
    """For machines: time, level, logger, message, request, the facts of the record, and an error with its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if REQUEST.get():
            told["request"] = REQUEST.get()
        told |= _facts(record)
        if record.exc_info and record.exc_info[0] is not None:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str)


def set_up(level: str, form: str = "text") -> None:
    """Log to stderr from this level on, unless logging has been set up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else Lines())
    logging.basicConfig(handlers=[handler], level=level.upper())


def _facts(record: logging.LogRecord) -> dict[str, object]:
    facts = getattr(record, FIELDS, None)
    return facts if isinstance(facts, dict) else {}
