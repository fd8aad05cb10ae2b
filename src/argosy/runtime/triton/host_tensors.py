"""Hosts a `TensorEngine`: one engine call for all requests of one of Triton's executions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from argosy.core.errors import ArgosyError
from argosy.engines.contract import TensorEngine, TensorRequest, TensorResult
from argosy.runtime.triton.host_errors import triton_error, unexpected


class TensorHost:
    """Translates between Triton's requests and the engine's.

    Input arrays are views of shared memory, valid until the responses are returned; the engine only reads them.
    """

    def __init__(self, pb_utils: Any, engine: TensorEngine, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        self._pb_utils = pb_utils
        self._engine = engine
        self._inputs = frozenset(inputs)
        self._outputs = tuple(outputs)

    def execute(self, requests: Sequence[Any]) -> list[Any]:
        """One response per request, in order; an error stays with its request."""
        try:
            results = self._engine.infer([_decode(request) for request in requests])
        except Exception as error:  # noqa: BLE001 - an exception here would fail every request with its text
            results = [unexpected(error)] * len(requests)
        return [self._respond(request, result) for request, result in zip(requests, results, strict=True)]

    def stop(self) -> None:
        """Stop the engine."""
        self._engine.stop()

    def _respond(self, request: Any, result: TensorResult) -> Any:
        if isinstance(result, ArgosyError):
            return self._pb_utils.InferenceResponse(error=triton_error(self._pb_utils, result))
        wanted = request.requested_output_names()
        return self._pb_utils.InferenceResponse(
            [self._pb_utils.Tensor(name, tensor) for name, tensor in result.items() if name in wanted]
        )


def _decode(request: Any) -> TensorRequest:
    inputs = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
    return TensorRequest(inputs, decode_parameters(request.parameters()))


def decode_parameters(text: str) -> Mapping[str, Any]:
    """Request parameters as the stub passes them: JSON, or an empty text when there are none."""
    if not text or text == "{}":
        return {}
    parameters: dict[str, Any] = json.loads(text)
    return parameters
