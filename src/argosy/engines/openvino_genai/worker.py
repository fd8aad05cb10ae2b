"""The child process that holds the pipeline: takes commands, steps, reports. See the package's docstring.

    python -m argosy.engines.openvino_genai.worker SOCKET PARENT

SOCKET is the number of an inherited socket, PARENT the parent's process id. The worker sleeps while there is
nothing to compute and ends with its parent, however that ends.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections import deque
from functools import partial

import openvino_genai as genai

from argosy.engines.children import child
from argosy.engines.children.channel import Channel
from argosy.engines.openvino_genai import messages, pipeline
from argosy.engines.openvino_genai.library import LIBRARY_ERRORS, last_line
from argosy.engines.openvino_genai.messages import Add, Forget, Load, Ready, Report
from argosy.engines.workers.messages import Cancel, Finish, LoadFailed, Step, encode

_logger = logging.getLogger(__name__)
_QUIET = 0.002
_LONGEST_GATHERING = 0.01
_RUNNING = genai.GenerationStatus.RUNNING
_NONE = genai.GenerationFinishReason.NONE
_REASONS = {genai.GenerationFinishReason.STOP: "stop", genai.GenerationFinishReason.LENGTH: "length"}


class Worker:
    """The loop around the pipeline.

    Args:
        channel: to the engine.
        build: makes the pipeline; called again after a `step` that raised.
        max_num_seqs: most requests inside the pipeline; the others wait here.

    Raises:
        EOFError: from `run`, when the engine hangs up.
    """

    def __init__(self, channel: Channel, build: pipeline.Build, max_num_seqs: int) -> None:
        self._channel = channel
        self._build = build
        self._max_num_seqs = max_num_seqs
        self._loaded = build()
        self._waiting: deque[Add] = deque()
        self._running: dict[int, genai.GenerationHandle] = {}
        self._cancelled: set[int] = set()
        self._finished: list[Finish] = []
        self._wants_logprobs: set[int] = set()
        self._logprobs: dict[int, list[float]] = {}
        self._stale = False

    def run(self) -> None:
        """Serve until the engine hangs up."""
        loaded = self._loaded
        self._report(Ready(loaded.cache_tokens, loaded.eos_token_ids, loaded.precision, loaded.constraints))
        while True:
            self._take_commands()
            self._admit()
            tokens = self._step() if self._running else {}
            self._report(Step(tokens, self._finished, len(self._running), self._cache_usage(), self._logprobs))
            self._logprobs = {}
            self._finished = []

    def _take_commands(self) -> None:
        idle = not self._running and not self._waiting
        frames = self._channel.receive(wait=idle)
        if idle:
            frames += self._company()
        for frame in frames:
            command = messages.decode_command(frame)
            if isinstance(command, Add):
                self._waiting.append(command)
            elif isinstance(command, Cancel):
                self._cancel(command.handle)
            elif isinstance(command, Forget):
                self._stale = True

    def _company(self) -> list[bytes]:
        """Commands sent in the same moment as the one that ended an idle time.

        A step cannot be joined: without these few milliseconds the first of several callers gets a step of its own
        and the others wait for its end, a whole prompt's computation later.
        """
        frames: list[bytes] = []
        end = time.monotonic() + _LONGEST_GATHERING
        while (left := end - time.monotonic()) > 0 and self._channel.readable(min(left, _QUIET)):
            frames += self._channel.receive(wait=False)
        return frames

    def _cancel(self, handle: int) -> None:
        if handle in self._running:
            # The pipeline frees a cancelled request's slot and cache at the end of its next step.
            self._running[handle].cancel()
            self._cancelled.add(handle)
            return
        for request in self._waiting:
            if request.handle == handle:
                self._waiting.remove(request)
                self._finished.append(Finish(handle, "cancelled"))
                return

    def _admit(self) -> None:
        if self._stale:
            if self._running:
                return
            self._stale = False
            self._start_over()
        while self._waiting and len(self._running) < self._max_num_seqs:
            request = self._waiting.popleft()
            try:
                self._running[request.handle] = pipeline.add(self._loaded, request)
                if request.settings.logprobs:
                    self._wants_logprobs.add(request.handle)
            except LIBRARY_ERRORS:
                _logger.exception("The pipeline refuses a request.")
                self._finished.append(Finish(request.handle, "refused"))

    def _step(self) -> dict[int, list[int]]:
        try:
            self._loaded.pipeline.step()
        except LIBRARY_ERRORS:
            _logger.exception("A step failed; the pipeline is built anew.")
            self._start_over()
            return {}
        tokens: dict[int, list[int]] = {}
        for handle, generation in self._running.items():
            new, likely, reason = _read(generation, logprobs=handle in self._wants_logprobs)
            if new:
                tokens[handle] = new
                if likely:
                    self._logprobs[handle] = likely
            if handle in self._cancelled and reason not in _REASONS.values():
                reason = "cancelled"
            if reason:
                self._finished.append(Finish(handle, reason))
        for finish in self._finished:
            self._running.pop(finish.handle, None)
            self._cancelled.discard(finish.handle)
            self._wants_logprobs.discard(finish.handle)
        return tokens

    def _start_over(self) -> None:
        self._finished += [Finish(handle, "fault") for handle in self._running]
        self._running.clear()
        self._cancelled.clear()
        self._wants_logprobs.clear()
        del self._loaded
        self._loaded = self._build()

    def _cache_usage(self) -> float:
        # The library refreshes its figure at the next step only; with nothing running nothing is held.
        return self._loaded.pipeline.get_metrics().cache_usage / 100 if self._running else 0.0

    def _report(self, report: Report) -> None:
        self._channel.send(encode(report))


def _read(generation: genai.GenerationHandle, *, logprobs: bool) -> tuple[list[int], list[float], str]:
    """New tokens of a generation, with their log-probabilities if wanted, and why it ended or nothing."""
    new: list[int] = []
    likely: list[float] = []
    reason = ""
    while generation.can_read():
        for output in generation.read().values():
            new += output.generated_ids
            if logprobs:
                likely += output.generated_log_probs
            if output.finish_reason != _NONE:
                reason = _REASONS.get(output.finish_reason, "stop")
    if not reason and not new and generation.get_status() == genai.GenerationStatus.IGNORED:
        reason = "cache_full"
    return new, likely, reason


def main() -> None:
    """Entry of the child process."""
    channel = child.adopt()
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    status = 1
    try:
        order = messages.decode_command(channel.receive()[0])
        if not isinstance(order, Load):
            raise TypeError(f"The first command must be Load, not {type(order).__name__}.")
        _serve(channel, order)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        status = 0
    finally:
        if status:
            traceback.print_exc()
        sys.stderr.flush()
        # The pipeline's destructors take seconds for nothing: the kernel frees it all at once.
        os._exit(status)


def _serve(channel: Channel, order: Load) -> None:
    try:
        worker = Worker(channel, partial(pipeline.load, order), order.max_num_seqs)
    except LIBRARY_ERRORS as error:
        channel.send(encode(LoadFailed(last_line(error))))
        raise EOFError("There is nothing to serve.") from error
    worker.run()


if __name__ == "__main__":
    main()
