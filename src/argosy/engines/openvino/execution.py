"""Run many small batches with several executions in flight."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from argosy.core.tensors import Tensor

_log = logging.getLogger(__name__)

_IN_FLIGHT_PER_STREAM = 2
"""One runs while the next waits, so that a stream never idles between batches."""


class Executor:
    """A compiled network and its pool of infer requests. For one thread.

    Attributes:
        outputs: names of the outputs in the network's order.
    """

    def __init__(self, compiled: Any, outputs: Iterable[str], streams: int) -> None:
        self.outputs = tuple(outputs)
        self._idle = [compiled.create_infer_request() for _ in range(streams * _IN_FLIGHT_PER_STREAM)]

    def run(self, batches: Iterable[Mapping[str, Tensor]]) -> list[Mapping[str, Tensor] | RuntimeError]:
        """Run every batch; a batch that fails leaves its error in its place.

        Args:
            batches: inputs by name; they are read in place and must not change meanwhile.
        """
        results: list[Mapping[str, Tensor] | RuntimeError] = []
        pending: deque[tuple[Any, Mapping[str, Tensor]]] = deque()
        for batch in batches:
            if not self._idle:
                results.append(self._finish(*pending.popleft()))
            request = self._idle.pop()
            request.start_async(batch, share_inputs=True)
            pending.append((request, batch))
        results.extend(self._finish(*entry) for entry in pending)
        return results

    def _finish(self, request: Any, _kept_alive: Mapping[str, Tensor]) -> Mapping[str, Tensor] | RuntimeError:
        try:
            request.wait()
            # Copies: the request's memory is written again by its next batch.
            return {name: np.array(request.get_output_tensor(at).data) for at, name in enumerate(self.outputs)}
        except RuntimeError as error:
            _log.error("An execution failed: %s", error)
            return error
        finally:
            self._idle.append(request)
