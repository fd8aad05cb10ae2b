"""Long lists of rows to an encoder, in batches it can take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from argosy.core.tensors import Tensor
from argosy.runtime.contract import InferRequest, InferResponse
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.dispatch import Dispatcher, output, run_parallel

Rows = Callable[[int, int], Mapping[str, Tensor]]
"""The input tensors for rows `start` to `stop`."""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How a list becomes engine calls.

    Attributes:
        rows: most rows in one call, and fewer where the model's max_batch_size is smaller.
        parallel: calls of one request in flight at once.
    """

    rows: int = 64
    parallel: int = 4


class Encoding:
    """Runs one request's rows through an encoder; shared by the embed, rank and classify classes."""

    def __init__(self, dispatcher: Dispatcher, options: BatchOptions | None = None) -> None:
        self._dispatcher = dispatcher
        self._options = options or BatchOptions()

    async def run(
        self, model: ServedModel, count: int, rows: Rows, parameters: Mapping[str, bool | int | str], call: Call
    ) -> list[InferResponse]:
        """The engine's answers, in the order of the rows.

        Raises:
            InvalidRequest: the engine refuses a row.
            Unavailable, DeadlineExceeded, EngineError: as the runtime's contract says.
        """
        size = min(self._options.rows, model.max_batch_size or self._options.rows)
        spans = [(start, min(start + size, count)) for start in range(0, count, size)]
        limit = min(len(spans), self._options.parallel)
        ticket = await self._dispatcher.admit(model.root, call, limit)
        try:
            requests = [
                InferRequest(
                    model.root,
                    rows(start, stop),
                    parameters=parameters,
                    request_id=call.request_id,
                    deadline=call.deadline,
                )
                for start, stop in spans
            ]
            if len(requests) == 1:
                return [await self._dispatcher.infer(requests[0])]
            calls = [partial(self._dispatcher.infer, request) for request in requests]
            return await run_parallel(calls, ticket.slots)
        finally:
            ticket.release()


def total_tokens(answers: Sequence[InferResponse]) -> int:
    """Tokens the network read for all rows together."""
    if len(answers) == 1 and (tokens := output(answers[0], "tokens")).size == 1:
        return int(tokens.item())
    return sum(int(output(answer, "tokens").sum()) for answer in answers)


def text_parameters(truncate: str | None, input_type: str | None = None) -> dict[str, bool | int | str]:
    """The request parameters an encoder understands; absent ones are left out."""
    parameters: dict[str, bool | int | str] = {}
    if truncate is not None:
        parameters["truncate"] = truncate
    if input_type is not None:
        parameters["input_type"] = input_type
    return parameters
