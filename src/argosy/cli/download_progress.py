"""How far a download is: bars for people, one JSON line an event for programs."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from argosy.server.artifacts.fetch.progress import Event, Step

_PLAIN_EVERY = 5.0
_JSON_EVERY = 0.5


class DownloadProgress:
    """Bars on a terminal, now and then a line elsewhere; nothing at all when nothing is fetched.

    Args:
        console: where it is shown.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._bars: Progress | None = None
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._last: dict[tuple[str, str], float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            if self._bars is not None:
                self._bars.stop()
                self._bars = None

    def __call__(self, event: Event) -> None:
        """Show one event; threads may call at the same time."""
        with self._lock:
            if event.step in {Step.FILE, Step.PROGRESS, Step.FILE_DONE}:
                self._file(event)
            elif sentence := _sentence(event):
                self._console.print(sentence, markup=False, highlight=False)

    def _file(self, event: Event) -> None:
        if self._console.is_terminal:
            self._bar(event)
            return
        key, now = (event.source, event.file), time.monotonic()
        if event.step is Step.PROGRESS and now - self._last.get(key, 0.0) < _PLAIN_EVERY:
            return
        self._last[key] = now
        self._console.print(_line(event), markup=False, highlight=False)

    def _bar(self, event: Event) -> None:
        if self._bars is None:
            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
            )
            self._bars = Progress(*columns, console=self._console)
            self._bars.start()
        key = (event.source, event.file)
        if key not in self._tasks:
            self._tasks[key] = self._bars.add_task(event.file, total=event.total or None)
        self._bars.update(self._tasks[key], completed=event.done, total=event.total or None)


class JsonProgress:
    """One JSON object a line on standard output."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[tuple[str, str], float] = {}

    def __call__(self, event: Event) -> None:
        """Write one event; of the progress of a file at most two a second."""
        with self._lock:
            key, now = (event.source, event.file), time.monotonic()
            if event.step is Step.PROGRESS and now - self._last.get(key, 0.0) < _JSON_EVERY:
                return
            self._last[key] = now
            document = {"event": event.step.value, "source": event.source, "file": event.file}
            counts = {"bytes": event.done, "total": event.total, "message": event.message}
            click.echo(orjson.dumps({**document, **counts}))


def _sentence(event: Event) -> str:
    match event.step:
        case Step.RESOLVE:
            return f"looking for {event.source}"
        case Step.RETRY:
            return f"trying again: {event.message}"
        case Step.WAIT:
            return f"waiting for another process that fetches {event.file}"
        case Step.UNPACK:
            return f"unpacking {event.source.partition('#')[0]}"
        case Step.BUILD:
            return f"checking and building {event.source.partition('#')[0]}"
        case _:
            return ""


def _line(event: Event) -> str:
    total = f" of {_size(event.total)}" if event.total else ""
    note = f" ({event.message})" if event.message else ""
    return f"{event.file}: {_size(event.done)}{total}{note}"


def _size(count: int) -> str:
    return f"{count / (1 << 20):.1f} MiB"
