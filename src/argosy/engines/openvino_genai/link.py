"""The engine's side of its worker: start the process, speak to it, end it."""

from __future__ import annotations

import queue
import subprocess
import threading

from argosy.engines.openvino_genai import child, messages
from argosy.engines.openvino_genai.messages import Command, Report

_WORKER = "argosy.engines.openvino_genai.worker"
_GRACE = 1.0
"""Seconds between a worker's last word and its exit status."""


class WorkerLink:
    """A worker process and the line to it.

    Create it on a thread that lives as long as the worker should: Linux ends the worker with the thread that
    made it.
    """

    def __init__(self) -> None:
        self._process, self._channel = child.start(_WORKER)
        self._outbox: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="openvino_genai-writer", daemon=True)
        self._writer.start()

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    def send(self, command: Command) -> None:
        """Queue a command; never waits. Lost when the worker is gone, which `receive` tells."""
        self._outbox.put(command)

    def receive(self) -> list[Report]:
        """What the worker reports, at least one report.

        Raises:
            EOFError: the worker is gone.
        """
        return [messages.decode_report(frame) for frame in self._channel.receive()]

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
