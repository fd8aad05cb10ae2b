"""What happened to one job, numbered, kept on disk, and waited for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson

from argosy.server.jobs.job import JobEvent

log = logging.getLogger(__name__)

_MOST = 4000
"""Beyond it only states are noted: a reader must be able to hold all of them."""
_LARGEST_FILE = 64 << 20
"""More than the most events can be, so that none that was written is cut off."""


class EventLog:
    """The events of one job.

    A crash of the machine may cost the last of them, which the job's record makes good. A line that was not finished is
    cut off when the file is opened again.

    Args:
        path: one JSON object a line; read on construction, when there is one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._events = _read(path)
        self._changed = asyncio.Event()

    def add(self, kind: str, time: str, data: Mapping[str, Any]) -> None:
        """Note an event; a disk that takes no more costs the file, not the job."""
        if len(self._events) >= _MOST and kind != "state":
            return
        event = JobEvent(len(self._events) + 1, kind, time, data)
        self._events.append(event)
        try:
            with self._path.open("ab") as file:
                file.write(orjson.dumps(event.to_mapping()) + b"\n")
        except OSError as error:
            log.warning("An event of a job cannot be written to %s: %s", self._path, error.strerror)
        self.wake()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    def after(self, number: int) -> Sequence[JobEvent]:
        """The events after that one."""
        return self._events[max(0, number) :]

    async def wait(self, number: int, seconds: float) -> Sequence[JobEvent]:
        """The same, once there are any or `seconds` have passed."""
        if not self.after(number) and seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return ()
        return self.after(number)


def _read(path: Path) -> list[JobEvent]:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE)
        events, whole = _parse(data)
        if whole < path.stat().st_size:
            with path.open("r+b") as file:
                file.truncate(whole)
    except FileNotFoundError:
        return []
    except OSError as error:
        log.warning("The events of a job cannot be read from %s: %s", path, error.strerror)
        return []
    return events


def _parse(data: bytes) -> tuple[list[JobEvent], int]:
    """The events, and how many bytes they are."""
    events: list[JobEvent] = []
    whole = 0
    while (end := data.find(b"\n", whole)) >= 0:
        try:
            event = msgspec.json.decode(data[whole:end], type=JobEvent)
        except ValueError:
            break
        if event.number != len(events) + 1:
            break
        events.append(event)
        whole = end + 1
    return events, whole
