from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from argosy.core.deadline import Deadline
from argosy.core.errors import InputTooLong, InvalidRequest, ModelNotFound, ModelNotReady, NotFound
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus
from argosy.core.tensors import RawTensor, raw_of, text_tensor
from argosy.runtime.contract import InferRequest, InferResponse
from argosy.runtime.memory import MemoryRuntime
from argosy.runtime.triton.repository import complete_config
from argosy.server.admission.admission import Admission
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog, ServedModel
from argosy.server.dataplane.call import Call
from argosy.server.dataplane.infer import TensorInference, Usage, usage_of
from argosy.server.dataplane.plane import DataPlane
from argosy.telemetry.metrics import Metrics
from tests.suites.echo_models import echo_chat
from tests.suites.kserve_grpc import Watched, entries


class Parts:
    """Tensor inference over the in-process runtime, and what it stands on."""

    def __init__(self, runtime: MemoryRuntime, catalog: Catalog) -> None:
        self.catalog = catalog
        self.metrics = Metrics()
        self.board = StatusBoard()
        self.board.update(runtime.status)
        self.admission = Admission(self.metrics)
        self.client = Watched(runtime)
        self.tensors: TensorInference = DataPlane.over(self.client, self.board, self.admission, self.metrics).tensors


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    served = entries(tmp_path)
    runtime = MemoryRuntime(served)
    await runtime.start()
    yield Parts(runtime, Catalog(served, {"gpt-parrot": "parrot"}))
    await runtime.stop()


def model(parts: Parts, name: str) -> ServedModel:
    return parts.catalog.get(name)


def text(*items: str) -> InferRequest:
    return InferRequest("", {"text": raw_of(text_tensor(list(items)))}, raw=True)


def prompt(words: str, **fields: Any) -> InferRequest:
    return InferRequest("", {"text_input": raw_of(np.array([words.encode()], np.object_))}, raw=True, **fields)


def call() -> Call:
    return Call("my-id", Deadline.after(20), 100)


async def test_a_request_is_addressed_and_takes_a_slot(parts: Parts) -> None:
    """The runtime gets its own name of the model, our request id and our deadline; the slot is free afterwards."""
    mine = call()
    answer = await parts.tensors.infer(model(parts, "echo"), text("a"), mine)
    assert answer.outputs["text"] == raw_of(text_tensor(["a"]))
    (sent,) = parts.client.calls
    assert (sent.model, sent.request_id, sent.deadline) == ("echo", "my-id", mine.deadline)
    assert parts.admission.lane("echo").used == 0


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (InferRequest("", {"x": RawTensor("FP32", (16, (1 << 60) + 2), b"\0" * 128)}), "x"),
        (InferRequest("", {"x": RawTensor("BYTES", (1,), b"\xff\xff\xff\xff")}), "x"),
        (InferRequest("", {f"x{row}": RawTensor("UINT8", (0,), b"") for row in range(257)}), "inputs"),
        (InferRequest("", {}, outputs=[f"y{row}" for row in range(65)]), "outputs"),
        (InferRequest("", {}, outputs=("y", "y")), "outputs"),
        (InferRequest("", {}, version="0"), "version"),
        (InferRequest("", {}, version="../1"), "version"),
    ],
    ids=["overflow", "length", "inputs", "outputs", "twice", "zero", "path"],
)
async def test_what_no_model_could_answer_stays_here(parts: Parts, request_: InferRequest, named: str) -> None:
    """It is refused before it takes a slot, by `infer` and by `stream`."""
    with pytest.raises(InvalidRequest) as caught:
        await parts.tensors.infer(model(parts, "echo"), request_, call())
    assert caught.value.param == named
    with pytest.raises(InvalidRequest):
        await anext(parts.tensors.stream(model(parts, "parrot"), request_, call()))
    assert parts.client.calls == []


async def test_texts_that_cannot_fit_stay_here(parts: Parts) -> None:
    """A text longer than the model could possibly read is refused by its bytes; one that might fit is not."""
    with pytest.raises(InputTooLong) as caught:
        await parts.tensors.infer(model(parts, "echo"), text("a", "x" * 20_000), call())
    assert caught.value.param == "text"
    with pytest.raises(InputTooLong):
        await anext(parts.tensors.stream(model(parts, "parrot"), prompt("w " * 200_000), call()))
    assert parts.client.calls == []
    assert (await parts.tensors.infer(model(parts, "echo"), text(*["x" * 4000] * 8), call())).outputs


async def test_a_stream_is_closed_by_leaving_it(parts: Parts) -> None:
    """Closing the iterator ends the request in the runtime and frees the slot."""
    stream = parts.tensors.stream(model(parts, "slow-parrot"), prompt("w " * 100), call())
    assert (await anext(stream)).outputs
    assert parts.client.running == 1
    await stream.aclose()
    assert parts.client.running == 0
    assert parts.admission.lane("slow-parrot").used == 0


async def test_streams_are_measured(parts: Parts) -> None:
    """Tokens are counted whether the stream ends, fails or is left, and the reasons are told apart."""
    whole = [answer async for answer in parts.tensors.stream(model(parts, "parrot"), prompt("a b c"), call())]
    assert whole[-1].final
    left = parts.tensors.stream(model(parts, "slow-parrot"), prompt("a b c"), call())
    await anext(left)
    await left.aclose()
    failing = parts.tensors.stream(model(parts, "failing-parrot"), prompt("a b c d e"), call())
    with pytest.raises(Exception, match="told to fail"):
        [answer async for answer in failing]
    exposed = parts.metrics.render().decode()
    for line in (
        'argosy_generations_finished_total{finished_reason="stop",model="parrot"} 1.0',
        'argosy_generation_tokens_total{model="parrot"} 3.0',
        'argosy_generations_finished_total{finished_reason="abort",model="slow-parrot"} 1.0',
        'argosy_generation_tokens_total{model="slow-parrot"} 1.0',
        'argosy_generations_finished_total{finished_reason="error",model="failing-parrot"} 1.0',
    ):
        assert line in exposed


async def test_descriptions_carry_the_clients_name(parts: Parts) -> None:
    """Metadata, configuration and statistics of an alias are under the alias."""
    alias = model(parts, "gpt-parrot")
    assert (await parts.tensors.metadata(alias))["name"] == "gpt-parrot"
    assert (await parts.tensors.config(alias))["name"] == "gpt-parrot"
    (found,) = (await parts.tensors.statistics(alias))["model_stats"]
    assert found["name"] == "gpt-parrot"
    assert len((await parts.tensors.statistics())["model_stats"]) == 5


async def test_a_configuration_tells_no_path_of_this_machine(tmp_path: Path) -> None:
    """The model's own parameters are there; where the server keeps its cache is not."""
    entry = echo_chat(tmp_path, parameters={"slots": "2"})
    config = entry.directory / "config.pbtxt"
    config.write_text(complete_config(config.read_text(), {"threads": "2", "cache_dir": "/home/ann/cache"}))
    runtime = MemoryRuntime([entry])
    await runtime.start()
    parts = Parts(runtime, Catalog([entry]))
    found = await parts.tensors.config(model(parts, "parrot"))
    assert found["parameters"].keys() == {"slots", "threads"}
    assert "/home/ann" not in str(found)
    await runtime.stop()


@pytest.mark.parametrize("question", ["metadata", "config", "statistics"])
async def test_descriptions_of_what_is_not_there(parts: Parts, question: str) -> None:
    """Nonsense for a version is refused here, an unknown version by the runtime, a model that loads by the board."""
    ask = getattr(parts.tensors, question)
    with pytest.raises(InvalidRequest):
        await ask(model(parts, "echo"), "one")
    with pytest.raises(NotFound) as caught:
        await ask(model(parts, "echo"), "7")
    assert not isinstance(caught.value, ModelNotFound)
    parts.board.update(RuntimeStatus(RuntimeState.READY, models={"echo": ModelStatus("echo", ModelState.LOADING)}))
    with pytest.raises(ModelNotReady):
        await ask(model(parts, "echo"))


async def test_closed_doors_are_not_advertised(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extensions that stop at this server are not among those it names."""

    async def told() -> dict[str, Any]:
        names = ["classification", "system_shared_memory", "cuda_shared_memory", "trace", "logging"]
        return {"name": "triton", "version": "2.51.0", "extensions": names}

    monkeypatch.setattr(parts.client, "server_metadata", told)
    assert await parts.tensors.server_metadata() == {
        "name": "triton",
        "version": "2.51.0",
        "extensions": ["classification"],
    }


def test_usage_is_read_from_the_answer(parts: Parts) -> None:
    """Encoders count in `tokens`, language models in two outputs, and other models do not count."""
    tokens = {"tokens": np.array([[2], [3]], np.int32)}
    assert usage_of(model(parts, "echo"), InferResponse(tokens)) == Usage(5)
    raw = {"num_input_tokens": RawTensor("INT32", (1,), b"\x07\0\0\0"), "num_output_tokens": np.array([4], np.int32)}
    assert usage_of(model(parts, "parrot"), InferResponse(raw)) == Usage(7, 4)
    assert usage_of(model(parts, "anything"), InferResponse(tokens)) == Usage()
    assert usage_of(model(parts, "echo"), InferResponse({"tokens": np.array([b"5:1"], np.object_)})) == Usage()
