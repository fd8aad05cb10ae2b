"""Echo of tensors: every output is the input of its name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from argosy.core.errors import ArgosyError, EngineError, InputTooLong, InvalidRequest
from argosy.core.models import ModelSpec, Task
from argosy.core.tensors import Tensor
from argosy.engines.contract import EngineOptions, TensorRequest, TensorResult
from argosy.engines.echo.options import EchoOptions

_LONGEST_DELAY_MS = 60_000.0


class EchoTensor:
    """Returns the input `text` (BYTES [n, 1]) as the output `text`.

    A `tensor` model without a `text` section returns every input, whatever it is.

    Request parameters, for fault tests and benchmarks:

    * `delay_ms`: keep the whole execution busy this long, up to a minute, as a slow network would.
    * `fail`: answer this request with an `EngineError` of that message; its neighbours succeed.

    A `text` section in the entry limits a text to `max_tokens` words. Threads: as the contract says; no locks.
    """

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self._spec = spec
        self._parameters = options.parameters
        self._options: EchoOptions | None = None

    def start(self) -> None:
        """Read the options; there is nothing to load."""
        self._options = EchoOptions.from_parameters(self._parameters)

    def stop(self) -> None:
        """Refuse further requests."""
        self._options = None

    def metrics(self) -> Mapping[str, float]:
        """Nothing to say."""
        return {}

    def infer(self, requests: Sequence[TensorRequest]) -> list[TensorResult]:
        """Echo every request; the execution takes as long as the longest delay asked for."""
        if self._options is None:
            return [EngineError("The echo engine is not running.") for _ in requests]
        delay = self._options.delay_ms
        results: list[TensorResult] = []
        for request in requests:
            try:
                delay = max(delay, _delay_ms(request))
                results.append(self._answer(request))
            except ArgosyError as error:
                results.append(error)
        if delay:
            time.sleep(delay / 1000)
        return results

    def _answer(self, request: TensorRequest) -> Mapping[str, Tensor]:
        failure = request.parameters.get("fail")
        if self._spec.task is Task.TENSOR and self._spec.text is None:
            if failure:
                raise EngineError(str(failure))
            return dict(request.inputs)
        text = request.inputs.get("text")
        if text is None or text.dtype != np.object_ or text.shape[-1:] != (1,):
            raise InvalidRequest("The tensor 'text' must be BYTES of shape [n, 1].", param="text")
        if failure:
            raise EngineError(str(failure))
        if self._spec.text is not None:
            _check_length(text, self._spec.text.max_tokens)
        return {"text": text}


def _delay_ms(request: TensorRequest) -> float:
    delay = request.parameters.get("delay_ms", 0.0)
    if not isinstance(delay, int | float) or not 0 <= delay <= _LONGEST_DELAY_MS:
        raise InvalidRequest(f"'delay_ms' must be a number from 0 to {_LONGEST_DELAY_MS:.0f}.", param="delay_ms")
    return float(delay)


def _check_length(text: Tensor, most: int) -> None:
    longest = max((len(row.split()) for row in text.ravel()), default=0)
    if longest > most:
        raise InputTooLong(f"Input length {longest} exceeds maximum allowed token size {most}.", param="text")
