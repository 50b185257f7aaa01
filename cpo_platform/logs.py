"""Log lines, each with the id of what it came of (`common.correlation`): for people, or as JSON
for machines that collect them (`LOG_FORMAT=json`).
"""

import json
import logging
from datetime import UTC, datetime

from cpo_platform.common import correlation


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and the traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if cause := correlation.current():
            line["correlation_id"] = cause
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class LineFormatter(logging.Formatter):
    """One line for people, with the id in brackets where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        cause = correlation.current()
        record.cause = f" [{cause}]" if cause else ""
        return super().format(record)
