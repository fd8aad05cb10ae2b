"""What Triton's published example programs do over gRPC, written anew: sequences and many responses to one request."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio

from tests.conformance.triton_scenarios.endpoint import (
    NUMBERS,
    SECONDS,
    Endpoint,
    running_sums,
)
from tests.conformance.triton_scenarios.grpc_calls import call, client, tensor

BACKWARDS = tuple(-number for number in NUMBERS)


def sequence_sync(endpoint: Endpoint) -> None:
    """Two sequences by number and one by name, their requests in turn, each with a sum of its own."""
    with client(endpoint) as server:
        for model, added, names in (
            ("simple_sequence", False, (3001, 3002, "another-sequence-by-name")),
            ("simple_dyna_sequence", True, (3003, 3004, 3005)),
        ):
            rows = dict(zip(names, (NUMBERS, BACKWARDS, NUMBERS), strict=True))
            said: dict[int | str, list[int]] = {name: [] for name in names}
            for at in range(len(NUMBERS)):
                for name, values in rows.items():
                    result = server.infer(
                        model,
                        [tensor("INPUT", np.array([[values[at]]], dtype=np.int32), "INT32")],
                        sequence_id=name,
                        sequence_start=at == 0,
                        sequence_end=at == len(NUMBERS) - 1,
                        **call(endpoint),
                    )
                    said[name].append(int(result.as_numpy("OUTPUT").item()))
            for name, values in rows.items():
                assert said[name] == running_sums(values, int(name) if added else 0), f"sequence {name}"


def steps(model: str, sequence: int | str, values: tuple[int, ...]) -> Iterator[dict[str, Any]]:
    """The requests of one sequence; an id says whose each answer is."""
    for at, value in enumerate(values):
        yield {
            "model_name": model,
            "inputs": [tensor("INPUT", np.array([[value]], dtype=np.int32), "INT32")],
            "outputs": [triton.InferRequestedOutput("OUTPUT")],
            "request_id": f"{sequence}_{at}",
            "sequence_id": sequence,
            "sequence_start": at == 0,
            "sequence_end": at == len(values) - 1,
        }


def check_streamed(results: list[Any], rows: dict[int | str, tuple[int, ...]], added: bool) -> None:
    """Each sequence has its sums, in the order of its requests."""
    said: dict[str, list[int]] = {str(name): [] for name in rows}
    for result in results:
        sequence, _, at = result.get_response().id.rpartition("_")
        assert len(said[sequence]) == int(at), f"answer {at} of sequence {sequence} came out of turn"
        said[sequence].append(int(result.as_numpy("OUTPUT").item()))
    for name, values in rows.items():
        assert said[str(name)] == running_sums(values, int(name) if added else 0), f"sequence {name}"


def sequence_stream(endpoint: Endpoint) -> None:
    """Three sequences over one stream, for either way of batching."""
    for model, added, names in (
        ("simple_sequence", False, (3011, 3012, "a-streamed-sequence")),
        ("simple_dyna_sequence", True, (3013, 3014, 3015)),
    ):
        rows: dict[int | str, tuple[int, ...]] = dict(zip(names, (NUMBERS, BACKWARDS, NUMBERS), strict=True))
        answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
        with client(endpoint) as server:
            server.start_stream(lambda result, error, to=answers: to.put((result, error)), headers=endpoint.sent)
            for name, values in rows.items():
                for step in steps(model, name, values):
                    server.async_stream_infer(**step)
            done = [answers.get(timeout=SECONDS) for _ in range(3 * len(NUMBERS))]
        assert [str(error) for _, error in done if error] == []
        check_streamed([result for result, _ in done], rows, added)


def aio_sequence_stream(endpoint: Endpoint) -> None:
    """The same with the asyncio client, whose stream ends when its requests end."""

    async def talk(model: str, rows: dict[int | str, tuple[int, ...]]) -> list[Any]:
        async def requests() -> AsyncIterator[dict[str, Any]]:
            for name, values in rows.items():
                for step in steps(model, name, values):
                    yield step

        async with triton_aio.InferenceServerClient(endpoint.grpc) as server, asyncio.timeout(SECONDS):
            answers = [
                answer async for answer in server.stream_infer(inputs_iterator=requests(), headers=endpoint.sent)
            ]
        assert [str(error) for _, error in answers if error] == []
        return [result for result, _ in answers]

    for model, added, names in (
        ("simple_sequence", False, (3021, 3022, "an-aio-sequence")),
        ("simple_dyna_sequence", True, (3023, 3024, 3025)),
    ):
        rows: dict[int | str, tuple[int, ...]] = dict(zip(names, (NUMBERS, BACKWARDS, NUMBERS), strict=True))
        results = asyncio.run(talk(model, rows))
        assert len(results) == 3 * len(NUMBERS)
        check_streamed(results, rows, added)


def decoupled_repeat(endpoint: Endpoint) -> None:
    """One request, ten answers in order; with the empty final response asked for, that one too. A request for no
    answers has none, and an error of one request does not end the stream."""

    def inputs(count: int) -> list[triton.InferInput]:
        return [
            tensor("IN", np.arange(100, 100 + count, dtype=np.int32), "INT32"),
            tensor("DELAY", np.ones(count, dtype=np.uint32), "UINT32"),
            tensor("WAIT", np.ones(1, dtype=np.uint32), "UINT32"),
        ]

    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with client(endpoint) as server:
        server.start_stream(lambda result, error: answers.put((result, error)), headers=endpoint.sent)
        server.async_stream_infer("repeat_int32", inputs(10), outputs=[triton.InferRequestedOutput("OUT")])
        done = [answers.get(timeout=SECONDS) for _ in range(10)]
        assert [str(error) for _, error in done if error] == []
        assert [int(result.as_numpy("OUT").item()) for result, _ in done] == list(range(100, 110))

        server.async_stream_infer("wrong_model_name", inputs(1), request_id="lost")
        _, error = answers.get(timeout=SECONDS)
        assert error is not None
        assert "unknown model" in error.message(), error.message()

        server.async_stream_infer("repeat_int32", inputs(2), request_id="two", enable_empty_final_response=True)
        responses = [answers.get(timeout=SECONDS)[0].get_response() for _ in range(3)]
        assert {response.id for response in responses} == {"two"}
        assert [len(response.outputs) for response in responses] == [2, 2, 0]
        final = [response.parameters["triton_final_response"].bool_param for response in responses]
        assert final == [False, False, True]
