"""How far long work is, for programs: one JSON object a line on standard error.

Its `event` is `download` (`source`, `file`, `bytes`, `total`, `message`), `step` (`step`, `phase`, `total`, `seconds`,
`message`) or `error` (`code`, `message`). Jobs of a server read them: `argosy.server.jobs.runner`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click
import orjson

from argosy.analysis.study import Progress, Step
from argosy.analysis.trial import Level
from argosy.conversion.events import Event
from argosy.core.errors import ArgosyError
from argosy.server.artifacts.fetch import progress as fetching

Command = TypeVar("Command", bound=Callable[..., Any])

_DOWNLOAD_EVERY = 2.0
_SHARE = 0.05
"""Of a file that must have arrived before it is told again."""


def progress_option(command: Command) -> Command:
    """Give a command the option that chooses between lines for people and lines for programs."""
    return click.option(
        "--progress",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="How progress is told on standard error; json is one object a line, for programs.",
    )(command)


class ProgressLines:
    """Writes the lines; threads may call at the same time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Tell an error that leaves the block, which goes on."""
        try:
            yield
        except ArgosyError as error:
            self._write({"event": "error", "code": error.code, "message": error.message})
            raise

    def on_fetch(self, event: fetching.Event) -> None:
        """Tell how far a download is: at times only, however often it asks."""
        with self._lock:
            if event.step is fetching.Step.PROGRESS and not self._is_news(event):
                return
            self._told[event.file] = time.monotonic(), event.done
        said = event.message or ("" if event.step is fetching.Step.PROGRESS else event.step.value)
        told = {"source": event.source, "file": event.file, "bytes": event.done, "total": event.total}
        self._write({"event": "download", **told, "message": said})

    def on_event(self, event: Event) -> None:
        """Tell a step of a conversion."""
        self._step(event.step, event.phase.value, event.total, event.seconds, event.message)

    def on_progress(self, step: Progress) -> None:
        """Tell a measurement of a search; every trial is a step."""
        name, most = f"trial-{step.trial.number}", step.most or 0
        match step.step:
            case Step.BEGUN:
                what = "current config" if step.trial.current else str(step.trial.configuration)
                self._step(name, "started", most, 0.0, what)
            case Step.LEVEL if step.level is not None:
                self._step(name, "started", most, 0.0, _level(step.level))
            case Step.ENDED:
                phase = "failed" if step.trial.failure else "finished"
                self._step(name, phase, most, step.trial.seconds, step.trial.failure or _best(step))

    def _is_news(self, event: fetching.Event) -> bool:
        moment, done = self._told.get(event.file, (0.0, 0))
        enough = event.done - done >= event.total * _SHARE if event.total else True
        return enough and time.monotonic() - moment >= _DOWNLOAD_EVERY

    def _step(self, name: str, phase: str, total: int, seconds: float, message: str) -> None:
        told = {"step": name, "phase": phase, "total": total, "seconds": round(seconds, 3), "message": message}
        self._write({"event": "step", **told})

    def _write(self, document: dict[str, Any]) -> None:
        click.echo(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE), nl=False, err=True)


def _level(level: Level) -> str:
    return f"{level.concurrency} in flight: {level.throughput:,.1f}/s, p99 {level.p99_ms:,.1f} ms"


def _best(step: Progress) -> str:
    best = step.outcome.best
    if best is None or best.level is None or best.trial is not step.trial:
        return ""
    return f"best so far: {_level(best.level)}"
