"""KServe over REST in front of the real Triton: what the in-process runtime cannot vouch for."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from argosy.api.gateway import GatewayParts, create_gateway
from argosy.runtime.triton.locate import TritonInstallation
from argosy.server.access.anyone import OpenAccess
from argosy.server.admission.admission import Admission
from argosy.server.admission.drain import Drain
from argosy.server.catalog.board import StatusBoard
from argosy.server.catalog.catalog import Catalog
from argosy.server.dataplane.plane import DataPlane
from argosy.server.text.templates import ChatTemplates
from argosy.store.entries import ModelEntry
from argosy.telemetry.metrics import Metrics
from tests.integration.conftest import Served, serving
from tests.suites.echo_models import echo_anything, echo_chat, echo_tensors, python_model

pytestmark = [pytest.mark.triton, pytest.mark.asyncio(loop_scope="module")]

REPEATS = """
import numpy as np
import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            numbers = pb_utils.get_input_tensor_by_name(request, "numbers").as_numpy()
            sender = request.get_response_sender()
            for row in numbers:
                sender.send(pb_utils.InferenceResponse([pb_utils.Tensor("numbers", row.reshape(1, 2))]))
            sender.send(flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""


def repeater(store: Path) -> ModelEntry:
    """A decoupled model that answers with one row at a time."""
    entry = python_model(store, "repeater", REPEATS)
    path = entry.directory / "config.pbtxt"
    path.write_text(path.read_text() + "model_transaction_policy { decoupled: true }\n")
    return entry


@asynccontextmanager
async def calling(served: Served, entries: Sequence[ModelEntry]) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway over a Triton."""
    metrics = Metrics()
    admission, board = Admission(metrics), StatusBoard()
    board.update(served.supervisor.status)
    parts = GatewayParts(
        catalog=Catalog(entries),
        board=board,
        plane=DataPlane.over(served.client, board, admission, metrics),
        templates=ChatTemplates(),
        authenticator=OpenAccess(),
        admission=admission,
        drain=Drain(),
        metrics=metrics,
        release="1.2.3",
    )
    transport = httpx.ASGITransport(app=create_gateway(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://argosy", timeout=60) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(
    installation: TritonInstallation, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[httpx.AsyncClient]:
    folder = tmp_path_factory.mktemp("kserve")
    entries = [echo_anything(folder), echo_tensors(folder), echo_chat(folder), repeater(folder)]
    async with serving(installation, folder / "run", entries) as served, calling(served, entries) as ready:
        yield ready


INFER = "/v2/models/anything/infer"


def tensor(name: str, data: list[Any], shape: list[int] | None = None) -> dict[str, Any]:
    datatype = "FP32" if name in {"matrix", "numbers"} else name.upper()
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


async def test_every_json_type_passes_triton(client: httpx.AsyncClient) -> None:
    """In one request, both ways."""
    given = {
        "bool": [True, False],
        "uint64": [2**64 - 1],
        "int64": [-(2**63)],
        "int8": [-128],
        "uint16": [65535],
        "fp32": [0.1],
        "fp64": [1e308],
        "bytes": ["", "zwölf 🚢"],
    }
    reply = await client.post(INFER, json={"inputs": [tensor(*pair) for pair in given.items()], "id": "mine"})
    assert reply.status_code == 200, reply.text
    assert {output["name"]: output["data"] for output in reply.json()["outputs"]} == given
    assert (reply.json()["model_version"], reply.json()["id"]) == ("1", "mine")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("fp16", b"\x00\x3c\x01\x7e"),
        ("bytes", struct.pack("<I", 2) + b"\xff\x00"),
        ("fp32", b""),
        ("bytes", b""),
    ],
)
async def test_binary_tensors_pass_triton(client: httpx.AsyncClient, name: str, data: bytes) -> None:
    """Bit for bit, empty ones too."""
    elements = 1 if name == "bytes" and data else len(data) // 2
    given = {"name": name, "datatype": name.upper(), "shape": [elements]}
    given["parameters"] = {"binary_data_size": len(data)}
    head = json.dumps({"inputs": [given], "parameters": {"binary_data_output": True}}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    reply = await client.post(INFER, content=head + data, headers=headers)
    assert reply.status_code == 200, reply.text
    length = int(reply.headers["inference-header-content-length"])
    assert reply.content[length:] == data
    assert json.loads(reply.content[:length])["outputs"][0]["shape"] == [elements]


async def test_a_body_without_json_passes_triton(client: httpx.AsyncClient) -> None:
    """FP32 [-1, 2] takes whole pairs."""
    sent = struct.pack("<4f", 1, 2, 3, 4)
    path = "/v2/models/repeater/infer"
    assert "stream" in (await client.post(path, content=sent, headers={"inference-header-content-length": "0"})).text
    path = "/v2/models/echo/infer"
    reply = await client.post(path, content=b"\xff", headers={"inference-header-content-length": "0"})
    assert reply.content.endswith(b"\x01\x00\x00\x00\xff")


async def test_triton_classifies(client: httpx.AsyncClient) -> None:
    """With the labels of the model's own file."""
    wanted = [{"name": "fp32", "parameters": {"classification": 2}}]
    reply = await client.post(INFER, json={"inputs": [tensor("fp32", [0.5, 2, 1])], "outputs": wanted})
    assert reply.status_code == 200, reply.text
    assert reply.json()["outputs"][0]["data"] == ["2.000000:1:one", "1.000000:2:two"]


async def test_parameters_pass_triton(client: httpx.AsyncClient) -> None:
    """Of every type; the engine sees its own."""
    parameters = {"flag": True, "number": -5, "share": 0.5, "word": "ä", "priority": 1, "timeout": 10_000_000}
    reply = await client.post(INFER, json={"inputs": [tensor("int8", [1])], "parameters": parameters})
    assert reply.status_code == 200, reply.text
    refused = await client.post(INFER, json={"inputs": [tensor("int8", [1])], "parameters": {"fail": "as asked"}})
    assert (refused.status_code, refused.json()) == (500, {"error": "as asked"})


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        ([{"name": "x", "datatype": "INT8", "shape": [1], "data": [1]}], [], "'x'"),
        ([{"name": "int8", "datatype": "INT16", "shape": [1], "data": [1]}], [], "INT16"),
        ([{"name": "int8", "datatype": "INT8", "shape": [1, 1], "data": [1]}], [], "'int8'"),
        ([tensor("int8", [1])], [{"name": "y"}], "'y'"),
    ],
)
async def test_what_triton_refuses_is_400(
    client: httpx.AsyncClient, inputs: list[Any], outputs: list[Any], words: str
) -> None:
    """Naming the tensor."""
    reply = await client.post(INFER, json={"inputs": inputs, "outputs": outputs})
    assert reply.status_code == 400, reply.text
    assert words in reply.json()["error"]


async def test_a_decoupled_model_points_to_its_stream(client: httpx.AsyncClient) -> None:
    """One answer cannot hold all of them."""
    reply = await client.post("/v2/models/repeater/infer", json={"inputs": [tensor("numbers", [1, 2], [1, 2])]})
    assert reply.status_code == 400
    assert "stream" in reply.json()["error"]


async def test_generate_needs_exactly_one_response(client: httpx.AsyncClient) -> None:
    """As Triton says; none and two are both refused."""
    path = "/v2/models/repeater/generate"
    assert (await client.post(path, json={"numbers": [1, 2]})).json()["numbers"] == [1.0, 2.0]
    for numbers in ([], [1, 2, 3, 4], list(range(100))):
        reply = await client.post(path, json={"numbers": numbers})
        assert reply.status_code == 400, reply.text
        assert "exactly one response" in reply.json()["error"]


async def test_a_stream_has_an_event_for_each_response(client: httpx.AsyncClient) -> None:
    """And none for the empty end."""
    reply = await client.post("/v2/models/repeater/generate_stream", json={"numbers": list(range(6))})
    found = [json.loads(event.removeprefix("data: ")) for event in reply.text.split("\n\n") if event]
    assert [event["numbers"] for event in found] == [[0, 1], [2, 3], [4, 5]]


async def test_a_language_model_answers_whole_and_in_pieces(client: httpx.AsyncClient) -> None:
    """With the version that served it."""
    whole = (await client.post("/v2/models/parrot/generate", json={"text_input": "a b c", "max_tokens": 2})).json()
    assert (whole["text_output"], whole["finish_reason"], whole["model_version"]) == ("a b", "length", "1")
    reply = await client.post("/v2/models/parrot/generate_stream", json={"text_input": "a b c"})
    found = [json.loads(event.removeprefix("data: ")) for event in reply.text.split("\n\n") if event]
    assert "".join(event["text_output"] for event in found) == "a b c"


async def test_questions_are_answered_by_triton(client: httpx.AsyncClient) -> None:
    """Metadata, configuration, statistics, extensions."""
    metadata = (await client.get("/v2")).json()
    assert metadata["name"] == "triton"
    assert {"binary_tensor_data", "sequence", "schedule_policy"} <= set(metadata["extensions"])
    assert not {"system_shared_memory", "cuda_shared_memory", "trace", "logging"} & set(metadata["extensions"])
    assert (await client.get("/v2/models/echo")).json()["inputs"][0]["shape"] == [-1, 1]
    assert (await client.get("/v2/models/echo/config")).json()["max_batch_size"] == 8
    text = {"name": "text", "datatype": "BYTES", "shape": [2, 1], "data": ["a", "b"]}
    assert (await client.post("/v2/models/echo/infer", json={"inputs": [text]})).status_code == 200
    statistics = (await client.get("/v2/models/echo/versions/1/stats")).json()["model_stats"][0]
    assert statistics["inference_stats"]["success"]["count"] >= 1
    assert {"parrot", "anything"} <= {
        each["name"] for each in (await client.get("/v2/models/stats")).json()["model_stats"]
    }
    for path in ("", "/config", "/stats", "/ready", "/infer"):
        reply = await client.request(
            "POST" if path == "/infer" else "GET", f"/v2/models/echo/versions/7{path}", content=b'{"inputs": []}'
        )
        assert (reply.status_code, "version 7" in reply.json()["error"]) == (404, True), path


async def test_h4_bodies_leave_triton_well(client: httpx.AsyncClient) -> None:
    """H4, V2: shapes and lengths that end other servers are 400, and the next request works."""
    huge = struct.pack("<I", 2**32 - 1)
    bodies = [
        {"inputs": [{"name": "matrix", "datatype": "FP32", "shape": [16, 2**60 + 2], "data": [1]}]},
        {"inputs": [{"name": "matrix", "datatype": "FP32", "shape": [-1, 2], "data": [1, 2]}]},
        {"inputs": [{"name": "matrix", "datatype": "FP32", "shape": [0, 2**31], "data": []}]},
        {"inputs": [], "outputs": [{"name": f"o{number}"} for number in range(100_000)]},
    ]
    replies = [await client.post(INFER, json=body) for body in bodies]
    head = json.dumps(
        {"inputs": [{"name": "bytes", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 4}}]}
    ).encode()
    headers = {"inference-header-content-length": str(len(head))}
    replies.append(await client.post(INFER, content=head + huge, headers=headers))
    assert [reply.status_code for reply in replies] == [400] * 5
    many = [client.post(INFER, json={"inputs": [tensor("int32", [number])]}) for number in range(20)]
    assert {reply.status_code for reply in await asyncio.gather(*many)} == {200}
