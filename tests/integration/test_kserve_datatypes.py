"""KServe by REST and by gRPC in front of one real Triton: every datatype comes back as it went."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc.aio
import httpx
import numpy as np
import pytest
import pytest_asyncio
from tritonclient.grpc import service_pb2 as pb

from argosy.core.tensors import DATATYPES
from argosy.runtime.triton.locate import TritonInstallation
from tests.integration.conftest import serving
from tests.integration.test_kserve_rest import calling
from tests.suites import kserve_grpc
from tests.suites.echo_models import echo_anything
from tests.suites.kserve_grpc import GrpcUnderTest

pytestmark = [pytest.mark.triton, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True)
class Wires:
    """Both ways to the model `anything`."""

    http: httpx.AsyncClient
    grpc: GrpcUnderTest


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wires(installation: TritonInstallation, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wires]:
    folder = tmp_path_factory.mktemp("wires")
    entries = [echo_anything(folder / "store")]
    async with (
        serving(installation, folder / "run", entries) as served,
        calling(served, entries) as http,
        kserve_grpc.serving(served.client, entries, status=served.supervisor.status) as server,
    ):
        yield Wires(http, server)


VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False],
    "UINT8": [0, 2**8 - 1],
    "UINT16": [0, 2**16 - 1],
    "UINT32": [0, 2**32 - 1],
    "UINT64": [0, 2**64 - 1],
    "INT8": [-(2**7), 2**7 - 1],
    "INT16": [-(2**15), 2**15 - 1],
    "INT32": [-(2**31), 2**31 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "FP16": [-65504.0, 0.5],
    "FP32": [0.1, -3.4e38],
    "FP64": [0.1, -1.7e308],
    "BYTES": ["", "zwölf \N{SHIP}"],
}
CONTENTS = {
    "BOOL": "bool_contents",
    "BYTES": "bytes_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "UINT64": "uint64_contents",
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
}


def packed(datatype: str) -> bytes:
    """The values as they travel."""
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in VALUES[datatype])
    return np.array(VALUES[datatype], DATATYPES[datatype]).tobytes()


def described(datatype: str) -> dict[str, Any]:
    return {"name": datatype.lower(), "datatype": datatype, "shape": [2]}


async def by_json(wires: Wires, datatype: str) -> None:
    reply = await post(wires, {"inputs": [{**described(datatype), "data": VALUES[datatype]}]})
    assert reply.status_code == 200, reply.text
    assert reply.json()["outputs"] == [{**described(datatype), "data": VALUES[datatype]}]


async def by_binary(wires: Wires, datatype: str) -> None:
    reply = await post_binary(wires, datatype, packed(datatype))
    assert reply.status_code == 200, reply.text
    length = int(reply.headers["inference-header-content-length"])
    (output,) = json.loads(reply.content[:length])["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == (datatype.lower(), datatype, [2])
    assert reply.content[length:] == packed(datatype)


async def by_raw_contents(wires: Wires, datatype: str) -> None:
    check_answer(await wires.grpc.infer(raw_message(datatype, packed(datatype))), datatype)


async def by_typed_contents(wires: Wires, datatype: str) -> None:
    message = pb.ModelInferRequest(model_name="anything")
    tensor = message.inputs.add(**described(datatype))
    values = [value.encode() if datatype == "BYTES" else value for value in VALUES[datatype]]
    getattr(tensor.contents, CONTENTS[datatype]).extend(values)
    check_answer(await wires.grpc.infer(message), datatype)


def raw_message(datatype: str, data: bytes) -> Any:
    message = pb.ModelInferRequest(model_name="anything", raw_input_contents=[data])
    message.inputs.add(**described(datatype))
    return message


def check_answer(answer: Any, datatype: str) -> None:
    (output,) = answer.outputs
    assert (output.name, output.datatype, list(output.shape)) == (datatype.lower(), datatype, [2])
    assert list(answer.raw_output_contents) == [packed(datatype)]


async def post(wires: Wires, body: dict[str, Any]) -> httpx.Response:
    return await wires.http.post("/v2/models/anything/infer", json=body)


async def post_binary(wires: Wires, datatype: str, data: bytes) -> httpx.Response:
    given = {**described(datatype), "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [given], "parameters": {"binary_data_output": True}}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    return await wires.http.post("/v2/models/anything/infer", content=head + data, headers=headers)


Form = Callable[[Wires, str], Awaitable[None]]


@pytest.mark.parametrize(
    ("form", "datatype"),
    [
        *((form, datatype) for form in (by_binary, by_raw_contents) for datatype in DATATYPES),
        *((form, datatype) for form in (by_json, by_typed_contents) for datatype in DATATYPES if datatype != "FP16"),
    ],
)
async def test_every_datatype_comes_back_as_it_went(wires: Wires, form: Form, datatype: str) -> None:
    """Lowest and highest values of each type, in each form that carries it, through a python model."""
    await form(wires, datatype)


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
async def test_a_datatype_without_a_number_in_json_is_refused_as_one(wires: Wires, datatype: str) -> None:
    """Triton has no such form either; the message says which has."""
    reply = await post(wires, {"inputs": [{**described(datatype), "data": [1, 2]}]})
    assert (reply.status_code, "Send it as binary data" in reply.json()["error"]) == (400, True)
    message = pb.ModelInferRequest(model_name="anything")
    message.inputs.add(**described(datatype)).contents.fp32_contents.extend([1, 2])
    with pytest.raises(grpc.aio.AioRpcError, match="raw_input_contents") as caught:
        await wires.grpc.infer(message)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_bf16_does_not_reach_a_python_model(wires: Wires) -> None:
    """The python backend of Triton 2.51 cannot read it: the engine's failure, after which the model answers."""
    ones = b"\x80\x3f" * 2
    reply = await post_binary(wires, "BF16", ones)
    assert (reply.status_code, list(reply.json())) == (500, ["error"])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await wires.grpc.infer(raw_message("BF16", ones))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    await by_binary(wires, "FP32")
