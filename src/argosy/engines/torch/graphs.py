"""Replay what a GPU was asked to do instead of asking again.

A small encoder's layers take a GPU less time than Python takes to ask for them. A CUDA graph holds a whole forward pass
of one shape and starts it with one call. Source: PyTorch, "CUDA semantics", section "CUDA Graphs".
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from argosy.engines.torch.batching import Batch, Bucket, fill
from argosy.engines.torch.network import Inputs, Network

_log = logging.getLogger(__name__)

MOST_TOKENS = 4096
"""Larger batches keep a GPU busy for longer than it takes to ask for them."""
_RUNS_BEFORE = 2
"""Libraries choose their algorithms and take their workspace in the first runs, which cannot be captured."""


@dataclass(frozen=True, slots=True)
class _Captured:
    graph: Any
    inputs: Inputs
    output: torch.Tensor


class Graphs:
    """The captured forward passes of a network, one a shape."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._captured: dict[Bucket, _Captured] = {}

    def capture(self, buckets: Iterable[Bucket]) -> None:
        """Capture these shapes, largest first, so that the smaller ones find room in the memory of the larger.

        A network whose code cannot be captured runs as it is, and the log says so.
        """
        began = time.monotonic()
        pool = torch.cuda.graph_pool_handle()
        try:
            for bucket in buckets:
                self._captured[bucket] = self._capture(bucket, pool)
        except RuntimeError as error:
            self._captured.clear()
            _log.warning("The network cannot be captured as CUDA graphs (%s); it runs without.", error)
            return
        _log.info("Captured %d CUDA graphs in %.1f s", len(self._captured), time.monotonic() - began)

    def answer(self, batch: Batch) -> torch.Tensor | None:
        """The network's answer FP32 [rows, d] on the device, None for a shape that was not captured."""
        captured = self._captured.get(batch.bucket)
        if captured is None:
            return None
        captured.inputs.take(batch)
        captured.graph.replay()
        # The graphs share their memory: the next replay writes over this one's output.
        return captured.output.clone()

    def _capture(self, bucket: Bucket, pool: Any) -> _Captured:
        inputs = self._network.place(fill(bucket, [], 0))
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_RUNS_BEFORE):
                self._network.answer(inputs)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            output = self._network.answer(inputs)
        return _Captured(graph, inputs, output)
