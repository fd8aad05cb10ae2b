"""Log lines: one event a line, JSON or console, whatever a client put into the values.

Lines marked as frequent (one for each request) are written together, at most 0.1 s late, because a system call
for each would cost more than the request's own bookkeeping. Everything else is written at once, in order.

The JSON keys are those of NIM's JSONL logs (`level`, `time`, `file_name`, `line_number`, `message`, `exc_info`)
plus the record's own `extra` fields. Prompts, answers and keys are never logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import orjson

LogFormat = Literal["console", "json"]
FIELDS = "fields"
"""Name of the `extra` attribute that carries an event's own values: `log.info("text", extra={FIELDS: {…}})`."""

BATCHED = "batched"
"""Name of the attribute of a record that may be written late."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LONGEST_MESSAGE = 8_192
_LATEST_SECONDS = 0.1
_MOST_LINES = 256
_NOISY = ("httpx", "asyncio", "uvicorn.access")


def configure(log_format: LogFormat = "console", level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log record of the process to `stream` (standard error by default), one line each."""
    handler = LineHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class LineHandler(logging.Handler):
    """Writes each record as one line; see the module for which ones may be late."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or keep it for the next batch."""
        try:
            self._lines.append(self.format(record))
            if not getattr(record, BATCHED, False) or len(self._lines) >= _MOST_LINES or not self._flush_soon():
                self.flush()
        except Exception:  # noqa: BLE001 - logging must never fail its caller
            self.handleError(record)

    def _flush_soon(self) -> bool:
        """Whether an event loop will write what is kept."""
        if len(self._lines) == 1:
            try:
                asyncio.get_running_loop().call_later(_LATEST_SECONDS, self.flush)
            except RuntimeError:
                return False
        return True

    def flush(self) -> None:
        """Write what is kept; also called at exit."""
        with self.lock or contextlib.nullcontext():
            lines, self._lines = self._lines, []
            if lines:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON; line breaks inside values are escaped by the encoding."""
        entry: dict[str, Any] = {
            "level": record.levelname,
            "time": _time(record),
            "file_name": record.filename,
            "line_number": record.lineno,
            "logger": record.name,
            "message": record.getMessage()[:_LONGEST_MESSAGE],
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            entry["exc_info"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


class ConsoleFormatter(logging.Formatter):
    """Time, level, message, then the event's values as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one printable line; a traceback follows on lines of its own."""
        values = "".join(f" {name}={_printable(value)}" for name, value in _fields(record).items())
        line = f"{_time(record)[11:23]} {record.levelname:<7} {_printable(record.getMessage())}{values}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, FIELDS, {})
    return fields


def _time(record: logging.LogRecord) -> str:
    second, fraction = divmod(record.created, 1)
    return f"{_second(int(second))}.{int(fraction * 1000):03d}+00:00"


@functools.lru_cache(maxsize=4)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _printable(value: object) -> str:
    return _CONTROL.sub(_escaped, str(value)[:_LONGEST_MESSAGE])


def _escaped(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]
