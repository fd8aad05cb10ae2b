"""Runs steps one after another, each in a child, and skips those that an earlier run finished."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path
from typing import Any

from argosy import __version__
from argosy.conversion.events import Event, Observe, Phase
from argosy.conversion.journal import Journal, StepFolder, hashes, reproduction, sha256
from argosy.conversion.process.run import Command, Limits, Usage, run_command
from argosy.conversion.toolchain import Runs, Toolchain, offline_environment
from argosy.core import disk
from argosy.core.errors import (
    ArgosyError,
    ConfigurationError,
    ConversionFailed,
    InvalidModelEntry,
    InvalidSetting,
    MissingRequirement,
    StorageFull,
)

_LOG_LINES = 3
_LOG_TAIL = 4096
# A step's own refusals keep their kind; whatever else it raises is a failure of the step.
_KINDS: dict[str, type[ArgosyError]] = {
    kind.__name__: kind
    for kind in (InvalidModelEntry, InvalidSetting, MissingRequirement, StorageFull, ConfigurationError)
}
_FULL = "No space left on device"


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of work for a child.

    Attributes:
        name: also its folder; unique in a conversion.
        module: has `perform(request, output)`, which returns plain data.
        runs: the interpreter it needs.
        request: plain data for it; paths are absolute.
        reads: files and folders whose content decides the result.
        seconds: a tighter limit than the conversion's; None takes that.
    """

    name: str
    module: str
    runs: Runs
    request: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[Path, ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """A finished step.

    Attributes:
        answer: what its `perform` returned.
        output: the folder with its files.
        usage: None when it was not run again.
    """

    answer: Mapping[str, Any]
    output: Path
    usage: Usage | None = None


class StepRunner:
    """Runs the steps of one conversion, and tells of each."""

    def __init__(
        self, journal: Journal, toolchain: Toolchain, limits: Limits, observe: Observe, *, total: int, threads: int = 1
    ) -> None:
        self._journal = journal
        self._toolchain = toolchain
        self._limits = limits
        self._observe = observe
        self._total = total
        self._threads = threads
        self._count = 0
        self.records: list[dict[str, Any]] = []
        """One row a step that ran or was reused: name, seconds, memory, reused, versions, network."""

    async def run(self, step: Step) -> Done:
        """Do the step, or find it done.

        Raises:
            ConversionFailed: it failed; the message names the step, the cause and the log.
            InvalidModelEntry, InvalidSetting, MissingRequirement, ConfigurationError: the step says so itself.
            StorageFull: the disk is full, of the work folder or of what the step writes to.
        """
        index, self._count = self._count, self._count + 1
        inputs = self._inputs(step)
        if (known := self._journal.finished(step.name, inputs)) is not None:
            self._record(step, known.get("usage", {}), reused=True)
            self._tell(step, Phase.REUSED, index)
            return Done(known["answer"], self._journal.step(step.name).output)
        self._tell(step, Phase.STARTED, index)
        began = time.monotonic()
        try:
            done = await self._do(step, inputs)
        except ArgosyError as error:
            self._tell(step, Phase.FAILED, index, time.monotonic() - began, error.message)
            raise
        told = _told(done.usage)
        self._record(step, told, reused=False)
        self._tell(step, Phase.FINISHED, index, told.get("seconds", 0.0))
        return done

    def reject(self, step: str, message: str) -> None:
        """Tell that what a finished step found out rules its profile out."""
        self._observe(Event(step, Phase.REJECTED, self._count, self._total, 0.0, message))

    async def _do(self, step: Step, inputs: Mapping[str, Any]) -> Done:
        folder = self._journal.open(step.name, step.request, inputs)
        try:
            usage = await self._child(step, folder)
            answer = json.loads(folder.answer.read_text(encoding="utf-8"))
        except (ConversionFailed, OSError, ValueError) as error:
            raise self._refusal(step, folder, error) from error
        self._journal.close(step.name, {"answer": answer, "usage": _told(usage)})
        return Done(answer, folder.output, usage)

    async def _child(self, step: Step, folder: StepFolder) -> Usage:
        home = folder.path / "home"
        home.mkdir()
        environment = {**offline_environment(home, self._threads), **self._toolchain.variables}
        begin = self._toolchain.command(step.runs, step.module)
        script = folder.path / "reproduce.sh"
        script.write_text(
            reproduction(begin, {**environment, "HOME": "/tmp", "TMPDIR": "/tmp"}, f"Repeats the step '{step.name}'."),  # noqa: S108
            encoding="utf-8",
        )
        script.chmod(0o755)
        arguments = [*begin, str(folder.request), str(folder.answer), str(folder.output)]
        limits = self._limits if step.seconds is None else _tighter(self._limits, step.seconds)
        return await run_command(Command(arguments, folder.path, folder.log, environment), limits)

    def _inputs(self, step: Step) -> dict[str, Any]:
        read = {
            str(path): hashes(path) if path.is_dir() else sha256(path) for path in step.reads if os.path.lexists(path)
        }
        return {
            "step": step.name,
            "module": step.module,
            "request": dict(step.request),
            "reads": read,
            "versions": dict(self._toolchain.versions.get(step.runs.value, {})),
            "argosy": __version__,
            "code": _code(step.module),
        }

    def _refusal(self, step: Step, folder: StepFolder, error: Exception) -> ArgosyError:
        """What the step says went wrong, else that the disk is full, else how its process ended."""
        try:
            told = json.loads(folder.answer.read_text(encoding="utf-8"))["error"]
            kind, message = _KINDS.get(told["kind"], ConversionFailed), str(told["message"])
        except (OSError, ValueError, KeyError, TypeError):
            kind, message = ConversionFailed, getattr(error, "message", str(error))
        if kind is not ConversionFailed:
            return kind(message)
        tail = _tail(folder.log)
        if _FULL in message or _FULL in tail or disk.is_full(self._journal.directory):
            return self._journal.full(step.name)
        return ConversionFailed(f"The step '{step.name}' {_verb(message)}. Its log: {folder.log}{tail}")

    def _record(self, step: Step, usage: Mapping[str, Any], *, reused: bool) -> None:
        self.records.append({"step": step.name, "runs": step.runs.value, "reused": reused, **usage})

    def _tell(self, step: Step, phase: Phase, index: int, seconds: float = 0.0, message: str = "") -> None:
        self._observe(Event(step.name, phase, index, self._total, round(seconds, 3), message))


def _tighter(limits: Limits, seconds: float) -> Limits:
    return Limits(limits.memory, min(seconds, limits.seconds), limits.processes)


def _code(module: str) -> str:
    """SHA-256 of the step's own source, so that a corrected step is done again."""
    spec = util.find_spec(module)
    return sha256(Path(spec.origin)) if spec is not None and spec.origin else ""


def _told(usage: Usage | None) -> dict[str, Any]:
    return {"seconds": usage.seconds, "memory": usage.memory, "network": usage.network} if usage is not None else {}


def _verb(message: str) -> str:
    endings = ("ended", "crashed", "used", "took", "started", "could", "lost", "was", "ran")
    text = message.rstrip(".")
    return text if text.startswith(endings) else f"failed: {text}"


def _tail(log: Path) -> str:
    """The last lines of the log, for the message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_TAIL))
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return "".join(f"\n    {line[:300]}" for line in lines[-_LOG_LINES:])
