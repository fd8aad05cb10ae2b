"""Run rows through the network, batch by batch."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from argosy.core.tensors import Tensor
from argosy.engines.encoders.tokens import TokenRow
from argosy.engines.torch.batching import Batch, Bucket, BucketTable, fill
from argosy.engines.torch.graphs import MOST_TOKENS, Graphs
from argosy.engines.torch.network import Network
from argosy.engines.torch.options import TorchOptions

_log = logging.getLogger(__name__)
_FAILURES = (RuntimeError, ValueError, IndexError, TypeError, MemoryError)
"""What torch raises for an input that it cannot compute, memory that is not there included."""
_LONGEST_WARM_UP = 128
_Rows = tuple[Bucket, Sequence[TokenRow]]
"""What one batch reads, and the shape it has."""


class Execution:
    """A network, the shapes it runs in, and what was captured of them. For one thread.

    A processor computes several batches side by side, each on threads of its own. A GPU is asked for one after the
    other and waited for when all are asked for.

    Attributes:
        lost: whether the GPU computes nothing more for this process, as after an illegal access to its memory.
    """

    def __init__(self, network: Network, longest: int, filler: int, options: TorchOptions) -> None:
        """Make the device the process's own, and divide the threads.

        Args:
            network: what runs.
            longest: most tokens of a row.
            filler: the id that pads a row.
            options: threads and streams.
        """
        on_gpu = network.device.type == "cuda"
        self.lost = False
        self._filler = filler
        self._network = network
        self._table = (BucketTable.for_gpu if on_gpu else BucketTable.for_processor)(longest)
        self._graphs = Graphs(network)
        self._streams = 1 if on_gpu else options.streams
        threads = options.threads // self._streams
        torch.set_num_threads(threads)
        if on_gpu:
            torch.cuda.set_device(network.device)
        self._pool: ThreadPoolExecutor | None = None
        if self._streams > 1:
            self._pool = ThreadPoolExecutor(self._streams, "torch", torch.set_num_threads, (threads,))

    def close(self) -> None:
        """End its threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def width(self) -> int:
        """Length of the network's vectors, found by running it.

        Raises:
            RuntimeError: the network does not run; so do ValueError, IndexError and TypeError.
        """
        with torch.inference_mode():
            return int(self._compute(fill(self._table.fit(1, 1), [], self._filler)).shape[1])

    def warm_up(self, seconds: float, *, capture: bool) -> None:
        """Capture every small shape on a GPU; on a processor run common shapes until the time is up."""
        with torch.inference_mode():
            if self._network.device.type == "cuda":
                self._warm_gpu(capture=capture)
            else:
                self._warm_processor(seconds)

    def run(self, rows: Sequence[TokenRow]) -> list[Tensor | None]:
        """The network's answer for each row, FP32 [d]; None where its execution failed."""
        answers: list[Tensor | None] = [None] * len(rows)
        plan = [*self._table.plan([len(row.ids) for row in rows], self._streams)]
        batches = [(bucket, [rows[index] for index in indices]) for bucket, indices in plan]
        for (_, indices), found in zip(plan, self._answers(batches), strict=True):
            for index, answer in zip(indices, found, strict=True):
                answers[index] = answer
        return answers

    def _answers(self, batches: Sequence[_Rows]) -> Iterable[Sequence[Tensor | None]]:
        if self._pool is not None and len(batches) > 1:
            return self._pool.map(lambda batch: self._finish(self._start(batch), batch), batches)
        started = [self._start(batch) for batch in batches]
        return [self._finish(outcome, batch) for outcome, batch in zip(started, batches, strict=True)]

    def _start(self, batch: _Rows) -> torch.Tensor | None:
        """The answer, which a GPU may still be computing; None when the network failed."""
        bucket, rows = batch
        try:
            with torch.inference_mode():
                return self._compute(fill(bucket, rows, self._filler))
        except _FAILURES as error:
            self._note(bucket, error)
            return None

    def _finish(self, outcome: torch.Tensor | None, batch: _Rows) -> Sequence[Tensor | None]:
        """An answer a row; the rows of a failed batch are tried again one by one."""
        bucket, rows = batch
        try:
            if outcome is not None:
                vectors: Tensor = np.array(outcome.cpu().numpy()[: len(rows)])
                return [*vectors]
        except _FAILURES as error:
            self._note(bucket, error)
        if len(rows) == 1 or self.lost:
            return [None] * len(rows)
        singles = [(self._table.fit(1, len(row.ids)), [row]) for row in rows]
        return [self._finish(self._start(single), single)[0] for single in singles]

    def _note(self, bucket: Bucket, error: Exception) -> None:
        _log.error("A batch of %d rows and %d tokens each failed: %s", bucket.rows, bucket.length, error)
        self.lost = self.lost or _is_lost(self._network.device)

    def _compute(self, batch: Batch) -> torch.Tensor:
        answer = self._graphs.answer(batch)
        return self._network.answer(self._network.place(batch)) if answer is None else answer

    def _warm_gpu(self, *, capture: bool) -> None:
        shapes = self._table.shapes(1 << 62)
        if shapes:  # the largest first, which takes the memory that the others live in
            self._compute(fill(shapes[0], [], self._filler))
        if capture:
            self._graphs.capture(self._table.shapes(MOST_TOKENS))
        torch.cuda.synchronize(self._network.device)

    def _warm_processor(self, seconds: float) -> None:
        limit = time.monotonic() + seconds
        for bucket in reversed(self._table.shapes(1 << 62)):
            if time.monotonic() > limit:
                return
            if bucket.length <= _LONGEST_WARM_UP:
                self._compute(fill(bucket, [], self._filler))


def _is_lost(device: torch.device) -> bool:
    """Whether a GPU still answers with the error of what went before; it tells of others once only."""
    if device.type != "cuda":
        return False
    try:
        torch.cuda.synchronize(device)
    except RuntimeError:
        return True
    return False
