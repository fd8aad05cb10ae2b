from __future__ import annotations

import asyncio
import io
import json
import logging

import pytest

from argosy.telemetry.access import AccessLog, AccessRecord
from argosy.telemetry.logs import FIELDS, ConsoleFormatter, JsonFormatter, LineHandler

RECORD = AccessRecord("id", "GET", "/v1/models", 200, 0.0123)


@pytest.fixture
def stream(request: pytest.FixtureRequest):
    """A logger that writes JSON lines into a buffer."""
    buffer = io.StringIO()
    handler = LineHandler(buffer)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("argosy")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield buffer
    logger.removeHandler(handler)
    logger.setLevel(level)


def log(message: str, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("argosy.x", logging.WARNING, "/a/b.py", 7, message, (), None)
    setattr(record, FIELDS, fields)
    return record


def test_a_json_line_has_nims_keys_and_the_events_own() -> None:
    """One object, times in UTC."""
    entry = json.loads(JsonFormatter().format(log("hello", model="m")))
    assert entry["time"].endswith("+00:00")
    assert (entry["level"], entry["message"], entry["model"]) == ("WARNING", "hello", "m")
    assert (entry["file_name"], entry["line_number"]) == ("b.py", 7)


@pytest.mark.parametrize("formatter", [JsonFormatter(), ConsoleFormatter()])
@pytest.mark.parametrize("evil", ["a\r\nb", "a\x1b[31mb", "a\u2028b", "a\x00b", "a\x85b"])
def test_no_value_breaks_its_line(formatter: logging.Formatter, evil: str) -> None:
    """V24: neither a message nor a field can start a new line or colour the terminal."""
    line = formatter.format(log(evil, field=evil))
    assert len(line.splitlines()) == 1 or isinstance(formatter, JsonFormatter)
    assert not any(character in line for character in "\r\n\x1b\x00")


def test_a_huge_message_is_cut() -> None:
    """A label of 200 kB does not fill the disk."""
    assert len(JsonFormatter().format(log("x" * 200_000))) < 10_000
    assert len(ConsoleFormatter().format(log("x" * 200_000, y="y" * 200_000))) < 20_000


def test_a_traceback_stays_inside_its_json_line() -> None:
    """Under NIM's key."""
    record = log("failed")
    with pytest.raises(ZeroDivisionError) as caught:
        1 / 0  # noqa: B018
    record.exc_info = (caught.type, caught.value, caught.tb)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert "division by zero" in json.loads(line)["exc_info"]


def test_an_access_line_outside_an_event_loop_is_written_at_once(stream: io.StringIO) -> None:
    """There is no timer to write it later."""
    AccessLog().write(RECORD)
    assert json.loads(stream.getvalue())["duration_ms"] == 12.3


async def test_access_lines_are_written_together_and_soon(stream: io.StringIO) -> None:
    """In order, without anything else happening."""
    for number in range(3):
        AccessLog().write(AccessRecord(str(number), "GET", "/v1/models", 200, 0.1))
    assert stream.getvalue() == ""
    async with asyncio.timeout(20):
        while not stream.getvalue():
            await asyncio.sleep(0.01)
    assert [json.loads(line)["request_id"] for line in stream.getvalue().splitlines()] == ["0", "1", "2"]


async def test_any_other_line_takes_the_waiting_ones_along(stream: io.StringIO) -> None:
    """So the order of lines is the order of events."""
    AccessLog().write(RECORD)
    logging.getLogger("argosy.y").warning("now")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["request", "now"]


def test_probes_are_not_logged_unless_they_fail(stream: io.StringIO) -> None:
    """Health is polled every few seconds, and 503 is its usual answer while models load."""
    AccessLog().write(AccessRecord("id", "GET", "/v1/health/ready", 200, 0.1))
    AccessLog().write(AccessRecord("id", "GET", "/v1/health/ready", 503, 0.1))
    assert stream.getvalue() == ""
    AccessLog().write(AccessRecord("id", "GET", "/v1/health/ready", 500, 0.1))
    assert json.loads(stream.getvalue())["status"] == 500
