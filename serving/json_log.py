"""The gateway's log: one line of JSON for each thing that happened."""

import datetime
import json
import logging
import sys


class JsonFormatter(logging.Formatter):
    """Writes a record as one line; what was given as `extra={"fields": {...}}` stands beside its message."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line."""
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")
        values = {"time": time, "level": record.levelname, "message": record.getMessage()}
        values |= getattr(record, "fields", {})
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return json.dumps(values)


def set_up() -> None:
    """Makes this process log to stderr in this way."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
