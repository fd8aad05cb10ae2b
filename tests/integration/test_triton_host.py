"""Engines inside the real Triton: tensors, parameters, errors, chunks and gauges through the host."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import pytest_asyncio

from argosy.core.deadline import Deadline
from argosy.core.errors import ArgosyError, DeadlineExceeded, EngineError, InputTooLong, InvalidRequest
from argosy.core.models import ModelSpec, Task, TextSpec
from argosy.core.tensors import text_tensor
from argosy.engines.contract import Chunk, GenerationRequest, Sampling
from argosy.runtime.contract import InferRequest
from argosy.runtime.requests import decode_chunk, encode_generation
from argosy.runtime.triton.locate import TritonInstallation
from argosy.server.artifacts import spec_file, triton_config
from argosy.store.entries import ModelEntry, read_entry
from tests.integration.conftest import Serve, Served, serving
from tests.suites.echo_models import echo_chat, echo_tensors
from tests.suites.word_tokenizer import word_ids, write_tokenizer
from tests.unit.engines.openvino import networks

pytestmark = [pytest.mark.triton, pytest.mark.asyncio(loop_scope="module")]


def encoder(store: Path) -> ModelEntry:
    """A small real encoder as a model store entry."""
    text = TextSpec(max_tokens=8, dimensions=networks.WIDTH)
    spec = ModelSpec("small", Task.EMBED, "openvino", text=text)
    directory = store / "small"
    (directory / "1").mkdir(parents=True)
    networks.write_encoder(directory / "1" / "model.xml")
    write_tokenizer(directory / "1" / "tokenizer.json")
    (directory / "argosy.yaml").write_text(spec_file.render(spec))
    (directory / "config.pbtxt").write_text(triton_config.render(spec))
    return read_entry(directory)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(installation: TritonInstallation, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    place = tmp_path_factory.mktemp("host")
    store = place / "store"
    entries = [
        encoder(store),
        echo_tensors(store),
        echo_chat(store, "slow", parameters={"delay_ms": "20"}),
        echo_chat(store, "fragile", parameters={"delay_ms": "20", "fail_after": "3"}),
    ]
    async with serving(installation, place / "run", entries) as served:
        yield served


def ask(model: str, **values: object) -> InferRequest:
    return InferRequest(model, **{"deadline": Deadline.after(30), **values})


async def chunks(served: Served, model: str, request: GenerationRequest) -> list[Chunk]:
    responses = served.client.stream(ask(model, inputs=encode_generation(request), raw=True))
    return [decode_chunk(response.outputs) async for response in responses if response.outputs]


async def test_batches_the_requests_of_one_execution(served: Served) -> None:
    """Texts and ragged token ids of many concurrent requests each get their own embedding and token count."""
    texts = ["ship", "the calm sea", "a ship sails", "", "over the sea"]
    ids = [np.array([word_ids(text)], dtype=np.int32) for text in texts]
    requests = [ask("small", inputs={"text": text_tensor([text])}) for text in texts]
    requests += [ask("small", inputs={"token_ids": row}) for row in ids]
    answers = await asyncio.gather(*(served.client.infer(request) for request in requests))
    for by_text, by_ids, row in zip(answers[:5], answers[5:], ids, strict=True):
        np.testing.assert_allclose(by_text.outputs["embedding"], by_ids.outputs["embedding"], atol=1e-6)
        assert by_text.outputs["tokens"].tolist() == [[row.size]]


async def test_returns_only_the_outputs_asked_for(served: Served) -> None:
    """A caller who wants one output gets one."""
    answer = await served.client.infer(ask("small", inputs={"text": text_tensor(["sea"])}, outputs=["embedding"]))
    assert [*answer.outputs] == ["embedding"]


async def test_parameters_and_errors_belong_to_their_request(served: Served) -> None:
    """In one batch one request may cut its text, one be refused and one be answered."""
    long = {"text": text_tensor(["sea " * 20])}
    cut, refused, wrong, fine = await asyncio.gather(
        served.client.infer(ask("small", inputs=long, parameters={"truncate": "END"})),
        served.client.infer(ask("small", inputs=long)),
        served.client.infer(ask("small", inputs=long, parameters={"truncate": "ALL"})),
        served.client.infer(ask("small", inputs={"text": text_tensor(["sea"])})),
        return_exceptions=True,
    )
    assert not isinstance(cut, BaseException)
    assert not isinstance(fine, BaseException)
    assert isinstance(refused, InputTooLong)
    assert "exceeds maximum allowed" in refused.message
    assert isinstance(wrong, InvalidRequest)
    assert wrong.param == "truncate"


async def test_an_engines_own_words_arrive(served: Served) -> None:
    """An `EngineError` keeps its class and message."""
    with pytest.raises(EngineError, match=r"^as asked$"):
        await served.client.infer(ask("echo", inputs={"text": text_tensor(["x"])}, parameters={"fail": "as asked"}))


async def test_streams_chunks_as_they_come(served: Served) -> None:
    """Chunks arrive one by one, joined they are the answer, and the last has reason and counts."""
    got = await chunks(served, "slow", GenerationRequest("déjà vu of 🚢 ships"))
    assert "".join(chunk.text for chunk in got) == "déjà vu of 🚢 ships"
    assert len(got) == 5
    assert [chunk.finish_reason for chunk in got] == [None] * 4 + ["stop"]
    assert (got[-1].num_input_tokens, got[-1].num_output_tokens) == (5, 5)


async def test_a_refused_generation_says_why(served: Served) -> None:
    """What `submit` raises arrives as its class, at once, and the model goes on."""
    with pytest.raises(InputTooLong, match="exceeds maximum allowed"):
        await chunks(served, "slow", GenerationRequest("x", Sampling(max_tokens=5000)))
    with pytest.raises(InvalidRequest):
        await chunks(served, "slow", GenerationRequest(""))
    assert await chunks(served, "slow", GenerationRequest("fine"))


async def test_a_failure_in_the_middle_follows_the_text(served: Served) -> None:
    """Chunks before a failure arrive, then the error does."""
    got: list[str] = []
    with pytest.raises(ArgosyError) as caught:
        await _collect(served, "fragile", GenerationRequest("a b c d e"), got)
    assert type(caught.value) is EngineError
    assert "".join(got) == "a b"


async def test_leaving_frees_the_slot_and_the_gauges_show_it(served: Served) -> None:
    """The running gauge counts a generation while its client listens and not after it left."""
    endless = GenerationRequest("again", Sampling(max_tokens=900, ignore_eos=True))
    responses = served.client.stream(ask("slow", inputs=encode_generation(endless)))
    await anext(responses)
    await _gauge(served, "slow", 1)
    await responses.aclose()
    await _gauge(served, "slow", 0)


async def test_a_request_that_is_left_leaves_its_stream_whole(served: Served) -> None:
    """Leaving, and a deadline that passes, cancel by name: the same stream then carries the next request."""
    endless = encode_generation(GenerationRequest("again", Sampling(max_tokens=900, ignore_eos=True)))
    responses = served.client.stream(ask("slow", inputs=endless))
    await anext(responses)
    connection = served.client._connection
    await responses.aclose()
    await connection.settle()
    (stream,) = connection.streams._idle["slow"]
    with pytest.raises(DeadlineExceeded):
        async for _ in served.client.stream(ask("slow", inputs=endless, deadline=Deadline.after(0.2))):
            pass
    await connection.settle()
    assert connection.streams._idle == {"slow": [stream]}
    await _gauge(served, "slow", 0)
    assert "".join(chunk.text for chunk in await chunks(served, "slow", GenerationRequest("a b"))) == "a b"


async def test_nobody_else_s_generation_is_cancelled(served: Served) -> None:
    """A request that cancels a name nobody has ends without an answer, and what runs goes on."""
    text = " ".join(["ship"] * 100)
    running = asyncio.create_task(chunks(served, "slow", GenerationRequest(text)))
    await _gauge(served, "slow", 1)
    cancel = ask("slow", inputs={}, parameters={"argosy_cancel": "nobody"})
    assert [response.outputs async for response in served.client.stream(cancel)] == [{}]
    assert "".join(chunk.text for chunk in await running) == text


async def test_no_model_process_outlives_its_triton(triton: Serve, tmp_path: Path) -> None:
    """When Triton is killed its model processes end at once, without anybody's help."""
    async with triton([echo_tensors(tmp_path / "store")]) as served:
        stubs = [psutil.Process(pid) for pid in served.stubs.values()]
        assert stubs
        os.kill(served.supervisor.pid, signal.SIGKILL)
        _, alive = await asyncio.to_thread(psutil.wait_procs, stubs, 30)
        assert alive == []


async def _collect(served: Served, model: str, request: GenerationRequest, texts: list[str]) -> None:
    async for response in served.client.stream(ask(model, inputs=encode_generation(request), raw=True)):
        texts.append(decode_chunk(response.outputs).text)  # noqa: PERF401 - the caller sees what came before an error


async def _gauge(served: Served, model: str, wanted: int) -> None:
    line = f'argosy_engine_running{{model="{model}",version="1"}} {wanted}'
    async with asyncio.timeout(30), httpx.AsyncClient() as client:
        while line not in (await client.get(served.supervisor.metrics_url)).text.splitlines():
            await asyncio.sleep(0.05)
