"""The engine's side of its worker: start the process, speak to it, end it."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from argosy.engines.children import child
from argosy.engines.workers import messages

_GRACE = 1.0
"""Seconds between a worker's last word and its exit status."""


@dataclass(frozen=True, slots=True)
class WorkerProgram:
    """What a worker process runs, and how it is told and understood.

    Attributes:
        library: its name, for messages.
        module: what its interpreter runs.
        order: the first word to it: what to load. Any message.
        model: what `order` loads, for messages.
        decode: reads a report: a `Step`, a `LoadFailed`, or the engine's own word that all is loaded.
        python: its interpreter.
        environment: variables over those of this process.
    """

    library: str
    module: str
    order: Any
    model: str
    decode: Callable[[bytes], Any]
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)


class WorkerLink:
    """A worker process and the line to it.

    Create it on a thread that lives as long as the worker should: Linux ends the worker with the thread that
    made it.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self, program: WorkerProgram) -> None:
        self._decode = program.decode
        self._process, self._channel = child.start(
            program.module, python=program.python, environment=program.environment
        )
        self._outbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name=f"{program.module}-writer", daemon=True)
        self._writer.start()
        self.send(program.order)

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    def send(self, command: Any) -> None:
        """Queue a message; never waits. Lost when the worker is gone, which `receive` tells."""
        self._outbox.put(command)

    def receive(self) -> list[Any]:
        """What the worker reports, at least one report.

        Raises:
            EOFError: the worker is gone.
        """
        return [self._decode(frame) for frame in self._channel.receive()]

    def kill(self) -> None:
        """End the worker now; `receive` then tells its end to whoever listens."""
        self._process.kill()

    def close(self) -> int:
        """End the worker, which gets a moment to end by itself; idempotent.

        Returns:
            Its exit status, negative for a signal.
        """
        self._outbox.put(None)
        try:
            status = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._channel.close()
        self._writer.join()
        return status

    def _write(self) -> None:
        while (command := self._outbox.get()) is not None:
            try:
                self._channel.send(messages.encode(command))
            except OSError:
                return
