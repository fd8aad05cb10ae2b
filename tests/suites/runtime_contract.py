"""The guarantees of `argosy.runtime.contract`, one test per sentence, for every runtime.

A subclass provides two fixtures, each a started `RuntimeUnderTest` that hosts the entries of `wanted_entries`:
`runtime`, which tests may share, and `disposable`, which is stopped by its test.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from argosy.core.deadline import Deadline
from argosy.core.errors import (
    DeadlineExceeded,
    EngineCrashed,
    EngineError,
    InputTooLong,
    InvalidRequest,
    ModelNotFound,
    ModelNotReady,
    NotFound,
    Overloaded,
    Unavailable,
    UnsupportedParameter,
)
from argosy.core.status import ModelState, RuntimeState, RuntimeStatus
from argosy.core.tensors import RawTensor, Tensor, raw_of, tensor_of, text_tensor
from argosy.runtime.contract import InferenceClient, InferRequest, InferResponse, RuntimeProcess
from argosy.store.entries import ModelEntry
from tests.suites.echo_models import echo_chat, echo_tensors

UNHEALTHY = "model process unhealthy"
GENEROUS = 30.0


@dataclass(slots=True)
class RuntimeUnderTest:
    """Both halves of a runtime, and what its listeners heard."""

    client: InferenceClient
    process: RuntimeProcess
    heard: list[RuntimeStatus]


def wanted_entries(store: Path) -> list[ModelEntry]:
    """Two kinds of model, a slow one of each, one with a short queue, and a broken one."""
    queue = "dynamic_batching { default_queue_policy { max_queue_size: 1 timeout_action: REJECT } }"
    return [
        echo_tensors(store, "echo", max_tokens=20),
        echo_tensors(store, "narrow", parameters={"delay_ms": "400"}, config=queue),
        echo_chat(store, "parrot"),
        echo_chat(store, "slow-parrot", parameters={"delay_ms": "50", "slots": "1"}),
        echo_chat(store, "failing-parrot", parameters={"fail_after": "3"}),
        echo_tensors(store, "broken", parameters={"delay_ms": "not a number"}),
    ]


def ask(
    model: str = "echo",
    *texts: str,
    within: float = GENEROUS,
    parameters: Mapping[str, Any] | None = None,
    **other: Any,
) -> InferRequest:
    """A request to a tensor echo."""
    inputs = {"text": text_tensor(list(texts) or ["hello"])}
    return InferRequest(model, inputs, parameters=parameters or {}, deadline=Deadline.after(within), **other)


def prompt(model: str = "parrot", text: str = "a b c", *, within: float = GENEROUS, **sampling: Any) -> InferRequest:
    """A request to a chat echo."""
    inputs = {"text_input": _bytes(text)}
    if sampling:
        inputs["sampling_parameters"] = _bytes(json.dumps(sampling))
    return InferRequest(model, inputs, deadline=Deadline.after(within))


def said(response: InferResponse) -> str:
    """The text in one response of a stream."""
    text = response.outputs.get("text_output")
    return "" if text is None else text.item().decode()


async def listen(client: InferenceClient, request: InferRequest) -> list[InferResponse]:
    """A whole stream."""
    return [response async for response in client.stream(request)]


async def collect(client: InferenceClient, request: InferRequest, pieces: list[str]) -> None:
    """Put the texts of a stream into `pieces` as they come, so that they outlive its error."""
    async for response in client.stream(request):
        pieces.append(said(response))  # noqa: PERF401 - a comprehension would lose them


async def until_ready(process: RuntimeProcess, generation: int = 0) -> None:
    """Wait for a generation newer than `generation` to be ready."""
    async with asyncio.timeout(GENEROUS):
        while process.status.state is not RuntimeState.READY or process.status.generation <= generation:
            await asyncio.sleep(0.02)


def _bytes(text: str) -> Tensor:
    tensor = np.empty(1, dtype=np.object_)
    tensor[0] = text.encode()
    return tensor


class RuntimeContract:
    """Inherit, and define the fixtures `runtime` and `disposable`."""

    async def test_start_returns_with_every_model_ready_or_failed(self, runtime: RuntimeUnderTest) -> None:
        """After `start` no model is loading, and the broken one says why it failed."""
        models = runtime.process.status.models
        states = {name: model.state for name, model in models.items()}
        assert states.pop("broken") is ModelState.FAILED
        assert set(states.values()) == {ModelState.READY}
        assert "delay_ms" in models["broken"].reason

    async def test_listeners_hear_changes_in_order(self, runtime: RuntimeUnderTest) -> None:
        """The runtime is heard starting first and ready last."""
        states = [status.state for status in runtime.heard]
        assert states[0] is RuntimeState.STARTING
        assert states[-1] is RuntimeState.READY

    async def test_answers(self, runtime: RuntimeUnderTest) -> None:
        """A request is answered with its own tensors."""
        response = await runtime.client.infer(ask("echo", "one", "two"))
        assert [row.item() for row in response.outputs["text"]] == [b"one", b"two"]
        assert response.outputs["text"].shape == (2, 1)
        assert (response.model, response.version, response.final) == ("echo", "1", True)

    async def test_bytes_survive(self, runtime: RuntimeUnderTest) -> None:
        """BYTES elements come back unchanged: empty, zeros, broken UTF-8, long."""
        values = [b"", b"\0\0", b"\xff\xfe", b"x" * 100_000, "naïve ☃".encode()]
        tensor = np.empty((len(values), 1), dtype=np.object_)
        tensor[:, 0] = values
        response = await runtime.client.infer(InferRequest("echo", {"text": tensor}, deadline=Deadline.after(GENEROUS)))
        assert response.outputs["text"].ravel().tolist() == values

    async def test_concurrent_callers_get_their_own_answers(self, runtime: RuntimeUnderTest) -> None:
        """Fifty calls at once are each answered with their own text."""
        responses = await asyncio.gather(*(runtime.client.infer(ask("echo", f"text {row}")) for row in range(50)))
        assert [response.outputs["text"].item().decode() for response in responses] == [
            f"text {row}" for row in range(50)
        ]

    async def test_outputs_can_be_chosen(self, runtime: RuntimeUnderTest) -> None:
        """Naming an output returns it; naming an unknown one is an invalid request."""
        response = await runtime.client.infer(ask(outputs=("text",)))
        assert list(response.outputs) == ["text"]
        with pytest.raises(InvalidRequest, match="nothing"):
            await runtime.client.infer(ask(outputs=("nothing",)))

    @pytest.mark.parametrize(
        ("inputs", "named"),
        [
            ({"text": np.zeros((1, 1), dtype=np.float32)}, "text"),
            ({"text": text_tensor(["a"]).reshape(1)}, "text"),
            ({"text": text_tensor(["a"]), "extra": text_tensor(["b"])}, "extra"),
            ({"text": text_tensor(["a"] * 9)}, "text"),
            ({}, "text"),
        ],
        ids=["type", "rank", "unknown", "batch", "missing"],
    )
    async def test_bad_tensors_are_invalid_requests(
        self, runtime: RuntimeUnderTest, inputs: dict[str, Tensor], named: str | None
    ) -> None:
        """A tensor of a wrong type, shape or name is an invalid request that names it, and the model goes on."""
        with pytest.raises(InvalidRequest) as caught:
            await runtime.client.infer(InferRequest("echo", inputs, deadline=Deadline.after(GENEROUS)))
        assert named in caught.value.message
        assert caught.value.param == named
        assert (await runtime.client.infer(ask())).outputs

    async def test_raw_tensors_pass_unread(self, runtime: RuntimeUnderTest) -> None:
        """A raw tensor arrives like an array, and a raw answer holds the same bytes."""
        sent = raw_of(text_tensor(["one", "two ☃"]))
        request = InferRequest("echo", {"text": sent}, raw=True, deadline=Deadline.after(GENEROUS))
        response = await runtime.client.infer(request)
        assert response.outputs["text"] == RawTensor("BYTES", (2, 1), bytes(sent.data))

    async def test_raw_views_are_sent(self, runtime: RuntimeUnderTest) -> None:
        """The data of a raw tensor may be a view of something larger."""
        sent = raw_of(text_tensor(["inside"]))
        view = memoryview(b"xx" + bytes(sent.data) + b"yy")[2:-2]
        request = InferRequest("echo", {"text": RawTensor("BYTES", (1, 1), view)}, deadline=Deadline.after(GENEROUS))
        assert (await runtime.client.infer(request)).outputs["text"].item() == b"inside"

    async def test_raw_streams(self, runtime: RuntimeUnderTest) -> None:
        """A stream can be raw in both directions; counts are little-endian 32-bit integers."""
        request = InferRequest(
            "parrot",
            {"input_ids": raw_of(np.array([7, 8, 9], dtype=np.int32))},
            raw=True,
            deadline=Deadline.after(GENEROUS),
        )
        responses = [response for response in await listen(runtime.client, request) if response.outputs]
        texts = [tensor_of(response.outputs["text_output"]).item() for response in responses]
        assert b"".join(texts) == b"7 8 9"
        assert responses[-1].outputs["num_input_tokens"].data == b"\x03\0\0\0"

    @pytest.mark.parametrize(
        "tensor",
        [
            RawTensor("BYTES", (2, 1), b"\x01\0\0\0a"),
            RawTensor("BYTES", (1, 1), b"\xff\xff\xff\xffa"),
            RawTensor("BYTES", (1, 1), b"\x01\0"),
            RawTensor("BYTES", (16, (1 << 60) + 2), b"\0" * 128),
            RawTensor("BYTES", (-1, 1), b""),
            RawTensor("BYTES", (1,) * 40, b"\x01\0\0\0a"),
            RawTensor("FP32", (1, 1), b"\0" * 3),
            RawTensor("COMPLEX", (1, 1), b"\0" * 8),
        ],
        ids=["count", "length", "cut", "overflow", "negative", "rank", "size", "type"],
    )
    async def test_raw_tensors_that_contradict_themselves(self, runtime: RuntimeUnderTest, tensor: RawTensor) -> None:
        """A raw tensor whose data does not fit its type and shape is an invalid request that names it."""
        request = InferRequest("echo", {"text": tensor}, deadline=Deadline.after(GENEROUS))
        with pytest.raises(InvalidRequest, match="'text'") as caught:
            await runtime.client.infer(request)
        assert caught.value.param == "text"

    async def test_raw_tensors_of_another_type(self, runtime: RuntimeUnderTest) -> None:
        """A raw tensor that is sound and not what the model takes is an invalid request that names it."""
        request = InferRequest(
            "echo", {"text": RawTensor("FP32", (1, 1), b"\0" * 4)}, deadline=Deadline.after(GENEROUS)
        )
        with pytest.raises(InvalidRequest, match="FP32") as caught:
            await runtime.client.infer(request)
        assert caught.value.param == "text"

    async def test_outputs_can_be_classified(self, runtime: RuntimeUnderTest) -> None:
        """Asking for classes answers with the highest values and where they stand."""
        asked = prompt(text="a b c")
        wanted = {"num_input_tokens": {"classification": 5}}
        request = replace(asked, outputs=("num_input_tokens",), output_parameters=wanted)
        found = [row.outputs["num_input_tokens"] for row in await listen(runtime.client, request) if row.outputs]
        assert found[-1].tolist() == [b"3:0"]

    @pytest.mark.parametrize("count", [0, -1, 1 << 40, True, "2", 1.5], ids=repr)
    async def test_impossible_numbers_of_classes(self, runtime: RuntimeUnderTest, count: Any) -> None:
        """A number of classes that is not one is an invalid request that names the output."""
        with pytest.raises(InvalidRequest, match="classification") as caught:
            await runtime.client.infer(ask(outputs=("text",), output_parameters={"text": {"classification": count}}))
        assert caught.value.param == "text"

    async def test_text_cannot_be_classified(self, runtime: RuntimeUnderTest) -> None:
        """Classes of an output that has no order are refused, and the runtime lives on."""
        generation = runtime.process.status.generation
        with pytest.raises(InvalidRequest, match="cannot be classified") as caught:
            await runtime.client.infer(ask(outputs=("text",), output_parameters={"text": {"classification": 1}}))
        assert caught.value.param == "text"
        assert (await runtime.client.infer(ask())).outputs
        assert runtime.process.status.generation == generation

    async def test_shared_memory_is_out_of_reach(self, runtime: RuntimeUnderTest) -> None:
        """Output parameters that would lead to shared memory are not passed on."""
        parameters = {"text": {"shared_memory_region": "region", "shared_memory_byte_size": 4}}
        response = await runtime.client.infer(ask(outputs=("text",), output_parameters=parameters))
        assert response.outputs["text"].item() == b"hello"

    @pytest.mark.parametrize(
        "parameters",
        [{"share": 0.5}, {"sequence_id": "abc"}, {"sequence_id": (1 << 64) - 1}, {"priority": 1}, {"timeout": 10**7}],
        ids=repr,
    )
    async def test_parameters_of_every_type(self, runtime: RuntimeUnderTest, parameters: dict[str, Any]) -> None:
        """Fractions, texts and whole numbers of 64 bits without a sign are taken."""
        assert (await runtime.client.infer(ask(parameters=parameters))).outputs["text"].item() == b"hello"

    async def test_parameters_beyond_64_bits(self, runtime: RuntimeUnderTest) -> None:
        """A number that does not fit is an invalid request that names it."""
        with pytest.raises(InvalidRequest) as caught:
            await runtime.client.infer(ask(parameters={"sequence_id": 1 << 64}))
        assert caught.value.param == "sequence_id"

    async def test_the_server_tells_what_it_is(self, runtime: RuntimeUnderTest) -> None:
        """Server metadata has a name, a version and the extensions every runtime has."""
        metadata = await runtime.client.server_metadata()
        assert metadata["name"]
        assert metadata["version"]
        assert {"classification", "model_configuration", "statistics"} <= set(metadata["extensions"])

    async def test_metadata_of_a_model(self, runtime: RuntimeUnderTest) -> None:
        """Model metadata lists tensors with the batch dimension in front."""
        metadata = await runtime.client.model_metadata("echo")
        tensor = {"name": "text", "datatype": "BYTES", "shape": [-1, 1]}
        assert dict(metadata) == {
            "name": "echo",
            "versions": ["1"],
            "platform": "argosy_echo",
            "inputs": [tensor],
            "outputs": [tensor],
        }
        assert await runtime.client.model_metadata("echo", "1") == metadata

    async def test_config_of_a_model(self, runtime: RuntimeUnderTest) -> None:
        """The configuration has the names of `config.pbtxt`, and numbers are numbers."""
        config = await runtime.client.model_config("parrot")
        assert config["name"] == "parrot"
        assert config["backend"] == "argosy_echo"
        assert config["model_transaction_policy"] == {"decoupled": True}
        assert config["max_batch_size"] == 0
        assert [(item["name"], item["data_type"], item["dims"]) for item in config["input"][:2]] == [
            ("text_input", "TYPE_STRING", [1]),
            ("input_ids", "TYPE_INT32", [-1]),
        ]

    async def test_statistics_count(self, runtime: RuntimeUnderTest) -> None:
        """Every answered row is counted, under the model's name and version."""

        async def count() -> int:
            (found,) = (await runtime.client.model_statistics("echo"))["model_stats"]
            assert (found["name"], found["version"]) == ("echo", "1")
            assert found["inference_stats"]["success"]["count"] > 0
            assert found["inference_stats"]["success"]["ns"] > 0
            return int(found["inference_count"])

        await runtime.client.infer(ask())
        before = await count()
        await runtime.client.infer(ask("echo", "one", "two", "three"))
        assert await count() == before + 3
        every = (await runtime.client.model_statistics())["model_stats"]
        assert {"echo", "parrot"} <= {found["name"] for found in every}

    @pytest.mark.parametrize("question", ["model_metadata", "model_config", "model_statistics"])
    async def test_questions_about_models_that_are_not_there(self, runtime: RuntimeUnderTest, question: str) -> None:
        """Asking about an unknown model, or one that failed to load, ends as a call to it does."""
        ask_about = getattr(runtime.client, question)
        with pytest.raises(ModelNotFound):
            await ask_about("nobody")
        with pytest.raises(ModelNotReady):
            await ask_about("broken")
        if question != "model_config":
            with pytest.raises(NotFound):
                await ask_about("echo", "7")

    async def test_unknown_model(self, runtime: RuntimeUnderTest) -> None:
        """A model nobody wanted is not found, by `infer` and by `stream`."""
        with pytest.raises(ModelNotFound):
            await runtime.client.infer(ask("nobody"))
        with pytest.raises(ModelNotFound):
            await listen(runtime.client, prompt("nobody"))

    async def test_unknown_version(self, runtime: RuntimeUnderTest) -> None:
        """A version that is not there is not found."""
        with pytest.raises(NotFound):
            await runtime.client.infer(ask(version="7"))

    async def test_failed_model_is_not_ready(self, runtime: RuntimeUnderTest) -> None:
        """A model that is known and could not load is unavailable, not unknown."""
        with pytest.raises(ModelNotReady):
            await runtime.client.infer(ask("broken"))

    async def test_deadline_ends_a_call(self, runtime: RuntimeUnderTest) -> None:
        """A call ends at its deadline, not when the engine is done."""
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            await runtime.client.infer(ask(within=0.3, parameters={"delay_ms": 3000}))
        assert time.monotonic() - started < 1.3

    async def test_passed_deadline_is_refused(self, runtime: RuntimeUnderTest) -> None:
        """A call whose deadline has passed never reaches the engine."""
        with pytest.raises(DeadlineExceeded):
            await runtime.client.infer(ask(within=-1))
        with pytest.raises(DeadlineExceeded):
            await listen(runtime.client, prompt(within=-1))

    async def test_engine_errors_keep_their_class(self, runtime: RuntimeUnderTest) -> None:
        """What an engine raises arrives with its class, message and parameter; neighbours are not harmed."""
        good, bad, long = await asyncio.gather(
            runtime.client.infer(ask("echo", "good")),
            runtime.client.infer(ask("echo", "bad", parameters={"fail": "told to"})),
            runtime.client.infer(ask("echo", "word " * 21)),
            return_exceptions=True,
        )
        assert isinstance(good, InferResponse)
        assert isinstance(bad, EngineError)
        assert bad.message == "told to"
        assert isinstance(long, InputTooLong)
        assert "exceeds maximum allowed" in long.message
        assert long.param == "text"

    async def test_full_queue_is_overloaded(self, runtime: RuntimeUnderTest) -> None:
        """More requests than the queue takes are refused as overload; the others are answered."""
        outcomes = await asyncio.gather(
            *(runtime.client.infer(ask("narrow", *(["x"] * 8))) for _ in range(12)), return_exceptions=True
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, Overloaded)]
        answered = [outcome for outcome in outcomes if isinstance(outcome, InferResponse)]
        assert refused
        assert answered
        assert len(refused) + len(answered) == len(outcomes)
        assert all(error.retry_after for error in refused)

    async def test_stream_joined_is_the_answer(self, runtime: RuntimeUnderTest) -> None:
        """The pieces of a stream joined are the answer, and only the last response is final."""
        responses = await listen(runtime.client, prompt(text="one two  three ☃"))
        assert "".join(said(response) for response in responses) == "one two  three ☃"
        assert [response.final for response in responses] == [False] * (len(responses) - 1) + [True]

    async def test_streams_run_at_once(self, runtime: RuntimeUnderTest) -> None:
        """Twenty streams at once each carry their own text."""
        texts = [f"stream {row} says something" for row in range(20)]
        streams = await asyncio.gather(*(listen(runtime.client, prompt(text=text)) for text in texts))
        assert ["".join(map(said, responses)) for responses in streams] == texts

    async def test_stream_of_a_plain_model(self, runtime: RuntimeUnderTest) -> None:
        """A model with one answer can be streamed: one response with outputs, the last one final."""
        responses = await listen(runtime.client, ask("echo", "plain"))
        assert [row.outputs["text"].item() for row in responses if row.outputs] == [b"plain"]
        assert responses[-1].final

    async def test_infer_of_a_decoupled_model_is_invalid(self, runtime: RuntimeUnderTest) -> None:
        """A model that answers in a stream cannot be asked for one answer."""
        with pytest.raises(InvalidRequest):
            await runtime.client.infer(prompt())

    async def test_bad_sampling_is_invalid(self, runtime: RuntimeUnderTest) -> None:
        """A sampling field with a wrong value is an invalid request that names it; an unknown one is unsupported."""
        with pytest.raises(InvalidRequest) as caught:
            await listen(runtime.client, prompt(max_tokens=0))
        assert caught.value.param == "max_tokens"
        with pytest.raises(UnsupportedParameter):
            await listen(runtime.client, prompt(no_such_field=1))

    async def test_stream_ends_at_its_deadline(self, runtime: RuntimeUnderTest) -> None:
        """A stream that has begun still ends at its deadline."""
        started = time.monotonic()
        pieces: list[str] = []
        with pytest.raises(DeadlineExceeded):
            await collect(runtime.client, prompt("slow-parrot", "w " * 200, within=0.6), pieces)
        assert pieces
        assert time.monotonic() - started < 1.6

    async def test_stream_fails_midway(self, runtime: RuntimeUnderTest) -> None:
        """An engine's error after the first pieces ends the stream with that error."""
        pieces: list[str] = []
        with pytest.raises(EngineError, match="told to fail") as caught:
            await collect(runtime.client, prompt("failing-parrot", "a b c d e f"), pieces)
        assert type(caught.value) is EngineError
        assert "".join(pieces) == "a b"

    async def test_closing_a_stream_frees_its_slot(self, runtime: RuntimeUnderTest) -> None:
        """Closing the iterator cancels in the engine: the only slot is free for the next one within a second."""
        stream = runtime.client.stream(prompt("slow-parrot", "w " * 400))
        await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
        started = time.monotonic()
        await listen(runtime.client, prompt("slow-parrot", "next"))
        assert time.monotonic() - started < 1.5

    async def test_cancelling_a_caller_frees_its_slot(self, runtime: RuntimeUnderTest) -> None:
        """Cancelling the task that reads a stream cancels in the engine."""
        caller = asyncio.create_task(listen(runtime.client, prompt("slow-parrot", "w " * 400)))
        await asyncio.sleep(0.2)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        started = time.monotonic()
        await listen(runtime.client, prompt("slow-parrot", "next"))
        assert time.monotonic() - started < 1.5

    async def test_cancelling_an_infer(self, runtime: RuntimeUnderTest) -> None:
        """A cancelled call ends at once with the cancellation, and the model goes on."""
        caller = asyncio.create_task(runtime.client.infer(ask(parameters={"delay_ms": 500})))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert time.monotonic() - started < 0.3
        assert (await runtime.client.infer(ask())).outputs

    async def test_suspicion_heals(self, runtime: RuntimeUnderTest) -> None:
        """A suspected model's calls end as crashes; the runtime fences, restarts and serves again by itself."""
        generation, restarts = runtime.process.status.generation, runtime.process.status.restarts
        calls = [asyncio.create_task(runtime.client.infer(ask(parameters={"delay_ms": 5000})))]
        calls += [asyncio.create_task(listen(runtime.client, ask(parameters={"delay_ms": 5000})))]  # type: ignore[list-item]
        await asyncio.sleep(0.3)
        started = time.monotonic()
        runtime.process.suspect("echo", UNHEALTHY)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [EngineCrashed, EngineCrashed]
        assert time.monotonic() - started < 2
        await until_ready(runtime.process, generation)
        await runtime.client.connect(runtime.process.status.address)
        assert (await runtime.client.infer(ask("echo", "again"))).outputs["text"].item() == b"again"
        assert runtime.process.status.restarts == restarts + 1
        states = [status.state for status in runtime.heard if status.generation >= generation]
        order = [RuntimeState.READY, RuntimeState.FENCED, RuntimeState.STARTING, RuntimeState.READY]
        seen = iter(states)
        assert all(state in seen for state in order)

    async def test_suspicion_of_nobody_is_ignored(self, runtime: RuntimeUnderTest) -> None:
        """Suspecting an unknown model, or reporting about an earlier generation, changes nothing."""
        runtime.process.suspect("nobody", UNHEALTHY)
        runtime.process.suspect("echo", UNHEALTHY, "unix:/of/an/earlier/generation")
        assert (await runtime.client.infer(ask())).outputs
        assert runtime.process.status.state is RuntimeState.READY

    async def test_stop_is_final_and_idempotent(self, disposable: RuntimeUnderTest) -> None:
        """After `stop` nothing answers, the status says so, and another `stop` does nothing."""
        assert (await disposable.client.infer(ask())).outputs
        await disposable.process.stop()
        await disposable.process.stop()
        assert disposable.process.status.state is RuntimeState.STOPPED
        with pytest.raises((Unavailable, EngineCrashed)):
            await disposable.client.infer(ask(within=5))
