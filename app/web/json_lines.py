"""A log record as one line of JSON. Needs nothing but the standard library, so that the server's master process can use
this file without importing the application.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """time, level, logger, message, then `context()`, then what `extra=` gave, then the exception."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its line break."""
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self.context(),
        }
        fields.update((name, value) for name, value in vars(record).items() if name not in _STANDARD)
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        # ASCII only: no reader can take an escaped character for the end of a line.
        return json.dumps(fields, default=str, ensure_ascii=True, separators=(",", ":"))

    def context(self) -> dict[str, Any]:
        """Fields that every line of this thread has."""
        return {}
