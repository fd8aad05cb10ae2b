from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from argosy.core.tensors import RawTensor
from tests.suites.gateway import Server

INFER = "/v2/models/anything/infer"


def tensor(name: str, data: Any, shape: list[Any] | None = None, **other: Any) -> dict[str, Any]:
    """An input whose datatype is its name; `matrix` is FP32."""
    datatype = "FP32" if name == "matrix" else name.upper()
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data, **other}


async def infer(client: httpx.AsyncClient, *inputs: dict[str, Any], **fields: Any) -> httpx.Response:
    return await client.post(INFER, json={"inputs": list(inputs), **fields})


def outputs(reply: httpx.Response) -> dict[str, Any]:
    """The data of every output by name."""
    assert reply.status_code == 200, reply.text
    return {output["name"]: output["data"] for output in reply.json()["outputs"]}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bool", [True, False]),
        ("uint8", [0, 255]),
        ("uint16", [0, 65535]),
        ("uint32", [0, 2**32 - 1]),
        ("uint64", [0, 2**64 - 1]),
        ("int8", [-128, 127]),
        ("int16", [-32768, 32767]),
        ("int32", [-(2**31), 2**31 - 1]),
        ("int64", [-(2**63), 2**63 - 1]),
        ("fp32", [0.1, -3, 1e38]),
        ("fp64", [0.1, 1e308, -7]),
        ("bytes", ["", "zwölf 🚢", "\u0000"]),
    ],
)
async def test_every_type_that_json_has_comes_back(client: httpx.AsyncClient, name: str, data: list[Any]) -> None:
    """Exactly, at both ends of its range."""
    reply = await infer(client, tensor(name, data))
    assert outputs(reply) == {name: data}
    assert reply.json()["outputs"][0] | {"data": 0} == {
        "name": name,
        "datatype": name.upper(),
        "shape": [len(data)],
        "data": 0,
    }


async def test_the_answer_names_the_model_its_version_and_the_clients_id(client: httpx.AsyncClient) -> None:
    """And is JSON, without the binary extension's header."""
    reply = await infer(client, tensor("int8", [1]), id="mine-1")
    body = reply.json()
    assert (body["model_name"], body["model_version"], body["id"]) == ("anything", "1", "mine-1")
    assert reply.headers["content-type"] == "application/json"
    assert "inference-header-content-length" not in reply.headers


async def test_without_an_id_there_is_none(client: httpx.AsyncClient) -> None:
    """An id of ours would be taken for the client's."""
    assert "id" not in (await infer(client, tensor("int8", [1]))).json()


async def test_the_alias_of_a_model_is_repeated(server: Server, client: httpx.AsyncClient) -> None:
    """The client finds the name it used."""
    reply = await client.get("/v2/models/gpt-parrot")
    assert reply.json()["name"] == "gpt-parrot"


@pytest.mark.parametrize("data", [[1.5, 2, 3, 4], [[1.5, 2], [3, 4]]], ids=["flat", "nested"])
async def test_data_is_flat_or_nested(client: httpx.AsyncClient, data: list[Any]) -> None:
    """In row-major order; the answer is flat."""
    reply = await infer(client, tensor("matrix", data, [2, 2]))
    assert outputs(reply) == {"matrix": [1.5, 2, 3, 4]}
    assert reply.json()["outputs"][0]["shape"] == [2, 2]


async def test_a_tensor_may_be_empty(client: httpx.AsyncClient) -> None:
    """No elements are an answer too."""
    reply = await infer(client, tensor("bytes", [], [0]), tensor("matrix", [], [0, 2]))
    assert outputs(reply) == {"bytes": [], "matrix": []}


async def test_only_the_outputs_asked_for_come(client: httpx.AsyncClient) -> None:
    """Without a list all of them do."""
    inputs = [tensor("int8", [1]), tensor("fp32", [2.0])]
    assert set(outputs(await infer(client, *inputs))) == {"int8", "fp32"}
    assert set(outputs(await infer(client, *inputs, outputs=[{"name": "fp32"}]))) == {"fp32"}
    assert set(outputs(await infer(client, *inputs, outputs=[]))) == {"int8", "fp32"}


async def test_a_class_is_value_index_and_label(client: httpx.AsyncClient) -> None:
    """The highest first, where Triton puts them: in the output's place."""
    wanted = [{"name": "fp32", "parameters": {"classification": 2}}]
    reply = await infer(client, tensor("fp32", [0.5, 2, 1]), outputs=wanted)
    assert outputs(reply) == {"fp32": ["2.000000:1:one", "1.000000:2:two"]}


@pytest.mark.parametrize(
    "parameters",
    [
        {"sequence_id": 7, "sequence_start": True, "sequence_end": False},
        {"sequence_id": "seven", "sequence_start": True, "sequence_end": True},
        {"sequence_id": 2**64 - 1, "sequence_start": False, "sequence_end": False},
        {"priority": 3, "timeout": 5_000_000},
        {"own": True, "number": -5, "share": 0.25, "word": "ä"},
    ],
)
async def test_parameters_reach_the_runtime(
    server: Server, client: httpx.AsyncClient, parameters: dict[str, Any]
) -> None:
    """With the types they were sent with."""
    await infer(client, tensor("int8", [1]), parameters=parameters)
    got = server.client.calls[0].parameters
    assert {name: (type(value), value) for name, value in got.items()} == {
        name: (type(value), value) for name, value in parameters.items()
    }


async def test_tensors_travel_raw_to_the_runtime(server: Server, client: httpx.AsyncClient) -> None:
    """With the version of the path, and unread on the way back."""
    reply = await client.post("/v2/models/anything/versions/1/infer", json={"inputs": [tensor("int16", [1, -1])]})
    assert reply.status_code == 200
    call = server.client.calls[0]
    assert (call.version, call.raw) == ("1", True)
    assert call.inputs == {"int16": RawTensor("INT16", (2,), b"\x01\x00\xff\xff")}


@pytest.mark.parametrize(
    "content_type", ["application/octet-stream", "text/plain", "application/x-www-form-urlencoded"]
)
async def test_the_content_type_does_not_matter(client: httpx.AsyncClient, content_type: str) -> None:
    """Triton's own clients and curl send whatever their HTTP library picks."""
    body = json.dumps({"inputs": [tensor("int8", [1])]}).encode()
    assert (await client.post(INFER, content=body, headers={"content-type": content_type})).status_code == 200


async def test_unknown_fields_are_named_in_a_header(client: httpx.AsyncClient) -> None:
    """They are not refused."""
    reply = await infer(client, tensor("int8", [1]), colour="red")
    assert reply.status_code == 200
    assert "colour" in reply.headers["x-argosy-warning"]


async def test_a_large_body_is_read_without_holding_up_others(server: Server, client: httpx.AsyncClient) -> None:
    """It is read beside the event loop, with the same result."""
    data = list(range(100_000))
    assert outputs(await infer(client, tensor("int32", data))) == {"int32": data}


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("no inputs", {}, "'inputs' is missing"),
    ("inputs not a list", {"inputs": {}}, "'inputs'"),
    ("no name", {"inputs": [{"datatype": "INT8", "shape": [1], "data": [1]}]}, "'inputs[0].name' is missing"),
    ("no shape", {"inputs": [{"name": "int8", "datatype": "INT8", "data": [1]}]}, "'inputs[0].shape' is missing"),
    ("no data", {"inputs": [{"name": "int8", "datatype": "INT8", "shape": [1]}]}, "'inputs[0]' must have either data"),
    ("second input", {"inputs": [tensor("int8", [1]), tensor("int16", ["a"])]}, "'inputs[1].data[0]'"),
    (
        "unknown type",
        {"inputs": [tensor("int8", [1]) | {"datatype": "INT4"}]},
        "'inputs[0].datatype' is not a datatype",
    ),
    ("twice", {"inputs": [tensor("int8", [1]), tensor("int8", [1])]}, "'inputs[1].name'"),
    ("negative shape", {"inputs": [tensor("int8", [1], [-1])]}, "'inputs[0].shape[0]'"),
    ("huge shape", {"inputs": [tensor("int8", [1], [16, 2**60 + 2])]}, "'inputs[0].shape'"),
    ("enormous shape", {"inputs": [tensor("int8", [1], [10**30])]}, "'inputs[0].shape"),
    ("shape not whole", {"inputs": [tensor("int8", [1], [1.0])]}, "'inputs[0].shape[0]'"),
    ("shape of flags", {"inputs": [tensor("int8", [1], [True])]}, "'inputs[0].shape[0]'"),
    ("too many dimensions", {"inputs": [tensor("int8", [1], [1] * 33)]}, "'inputs[0].shape'"),
    ("too few elements", {"inputs": [tensor("int8", [1], [2])]}, "has 1 elements; the shape [2] needs 2"),
    ("empty and enormous", {"inputs": [tensor("matrix", [], [0, 2**31 - 1, 2**31 - 1])]}, "'inputs[0].shape'"),
    ("huge but empty", {"inputs": [tensor("matrix", [], [0, 2**31])]}, "'inputs[0].shape'"),
    ("too many elements", {"inputs": [tensor("int8", [1, 2, 3], [2])]}, "has 3 elements"),
    ("wrong nesting", {"inputs": [tensor("matrix", [[1, 2, 3, 4]], [2, 2])]}, "nested as the shape [2, 2] says"),
    ("uneven nesting", {"inputs": [tensor("matrix", [[1, 2, 3], [4]], [2, 2])]}, "nested as the shape"),
    ("half nesting", {"inputs": [tensor("matrix", [[1, 2], 3], [2, 2])]}, "mixes lists and elements"),
    ("deeper nesting", {"inputs": [tensor("int8", [[1]], [1])]}, "nested as the shape"),
    ("data not a list", {"inputs": [tensor("int8", [1]) | {"data": 5}]}, "'inputs[0].data' must be a list"),
    ("over the range", {"inputs": [tensor("uint8", [1, 300])]}, "'inputs[0].data[1]' must be from 0 to 255"),
    ("under the range", {"inputs": [tensor("uint64", [-1])]}, "'inputs[0].data[0]'"),
    ("over 64 bits", {"inputs": [tensor("int64", [2**63])]}, "'inputs[0].data[0]'"),
    ("far over FP64", {"inputs": [tensor("fp64", [10**400])]}, "'inputs[0].data[0]'"),
    ("over FP32", {"inputs": [tensor("fp32", [0, 1e39])]}, "'inputs[0].data[1]'"),
    ("not whole", {"inputs": [tensor("int32", [1.5])]}, "takes whole numbers"),
    ("flag for number", {"inputs": [tensor("int32", [True])]}, "takes whole numbers"),
    ("number for flag", {"inputs": [tensor("bool", [1])]}, "takes true or false"),
    ("text for number", {"inputs": [tensor("fp32", ["1"])]}, "takes numbers"),
    ("null for number", {"inputs": [tensor("fp32", [None])]}, "takes numbers"),
    ("number for text", {"inputs": [tensor("bytes", [1])]}, "takes text"),
    ("object for text", {"inputs": [tensor("bytes", [{}])]}, "takes text"),
    ("half precision", {"inputs": [tensor("fp16", [1.0])]}, "FP16 has no JSON form"),
    ("brain floats", {"inputs": [tensor("bf16", [1.0])]}, "BF16 has no JSON form"),
    ("unknown input", {"inputs": [{"name": "x", "datatype": "INT8", "shape": [1], "data": [1]}]}, "no input 'x'"),
    ("other type", {"inputs": [tensor("int8", [1]) | {"datatype": "INT16"}]}, "has type INT16 and must have INT8"),
    ("outputs twice", {"inputs": [], "outputs": [{"name": "int8"}, {"name": "int8"}]}, "'outputs[1].name'"),
    ("65 outputs", {"inputs": [], "outputs": [{"name": f"o{number}"} for number in range(65)]}, "'outputs'"),
    ("257 inputs", {"inputs": [tensor("int8", [1])] * 257}, "'inputs'"),
    ("unknown output", {"inputs": [], "outputs": [{"name": "y"}]}, "no output 'y'"),
    ("id not text", {"inputs": [], "id": 5}, "'id'"),
    ("parameters not an object", {"inputs": [], "parameters": []}, "'parameters'"),
    ("nested parameter", {"inputs": [], "parameters": {"x": {}}}, "'parameters.x'"),
    ("null parameter", {"inputs": [], "parameters": {"x": None}}, "'parameters.x'"),
    ("wide parameter", {"inputs": [], "parameters": {"x": 2**64}}, "'parameters.x'"),
    ("reserved parameter", {"inputs": [], "parameters": {"triton_x": 1}}, "reserved"),
    ("sequence flag", {"inputs": [], "parameters": {"sequence_start": 1}}, "'parameters.sequence_start'"),
    ("sequence id", {"inputs": [], "parameters": {"sequence_id": -1}}, "'parameters.sequence_id'"),
    ("negative priority", {"inputs": [], "parameters": {"priority": -1}}, "'parameters.priority'"),
    ("timeout as text", {"inputs": [], "parameters": {"timeout": "1"}}, "'parameters.timeout'"),
    ("binary flag", {"inputs": [], "parameters": {"binary_data_output": 1}}, "'parameters.binary_data_output'"),
    (
        "classes not whole",
        {"inputs": [], "outputs": [{"name": "fp32", "parameters": {"classification": 1.5}}]},
        "outputs",
    ),
    (
        "shared memory in",
        {"inputs": [{"name": "int8", "datatype": "INT8", "shape": [1], "parameters": {"shared_memory_region": "r"}}]},
        "shared memory",
    ),
    (
        "shared memory out",
        {"inputs": [], "outputs": [{"name": "int8", "parameters": {"shared_memory_region": "r"}}]},
        "shared memory",
    ),
]


@pytest.mark.parametrize(("body", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_bad_requests_are_400_and_named(
    server: Server, client: httpx.AsyncClient, body: dict[str, Any], words: str
) -> None:
    """H4, H5: the error is one sentence in KServe's shape, and no engine has seen the request."""
    reply = await client.post(INFER, json=body)
    assert reply.status_code == 400, reply.text
    assert set(reply.json()) == {"error"}
    assert words in reply.json()["error"]
    assert "x-request-id" in reply.headers
    statistics = await server.runtime.model_statistics("anything")
    assert statistics["model_stats"][0]["execution_count"] == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"inputs": [], "inputs": []}',
        b'{"inputs": [{"name": "fp32", "datatype": "FP32", "shape": [1], "data": [NaN]}]}',
        b'{"inputs": [{"name": "fp32", "datatype": "FP32", "shape": [1], "data": [-Infinity]}]}',
        b'{"inputs": [{"name": "fp32", "datatype": "FP32", "shape": [1], "data": [1e999]}]}',
        b'{"inputs": "\\ud800"}',
        b"\xff",
        b"[]",
    ],
)
async def test_what_is_not_strict_json_is_400(server: Server, client: httpx.AsyncClient, body: bytes) -> None:
    """H1, H4, H5: and nothing has been asked of the runtime."""
    reply = await client.post(INFER, content=body)
    assert reply.status_code == 400
    assert set(reply.json()) == {"error"}
    assert server.client.calls == []


@pytest.mark.parametrize(("name", "words"), [("fp32", "NaN"), ("fp64", "NaN")])
async def test_an_output_that_json_cannot_carry_says_how_to_ask(
    client: httpx.AsyncClient, name: str, words: str
) -> None:
    """An infinity becomes neither null nor something no parser takes."""
    data = b"\x00\x00\x80\x7f" if name == "fp32" else b"\x00\x00\x00\x00\x00\x00\xf0\x7f"
    given = {"name": name, "datatype": name.upper(), "shape": [1], "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [given]}).encode()
    headers = {"inference-header-content-length": str(len(head))}
    reply = await client.post(INFER, content=head + data, headers=headers)
    assert reply.status_code == 400
    assert words in reply.json()["error"]
    assert "binary_data" in reply.json()["error"]


async def test_compressed_bodies_are_415_in_the_dialects_shape(client: httpx.AsyncClient) -> None:
    """H3: tritonclient can compress; it is told clearly."""
    reply = await client.post(INFER, content=b"\x1f\x8b", headers={"content-encoding": "gzip"})
    assert reply.status_code == 415
    assert "Content-Encoding" in reply.json()["error"]


@pytest.mark.parametrize("path", ["/v2/models/nothing/infer", "/v2/models/..%2Fx/infer", "/v2/models/Nothing/infer"])
async def test_unknown_models_are_404(server: Server, client: httpx.AsyncClient, path: str) -> None:
    """V4: whatever the name looks like."""
    reply = await client.post(path, json={"inputs": []})
    assert reply.status_code == 404
    assert set(reply.json()) == {"error"}
    assert server.client.calls == []


@pytest.mark.parametrize(("version", "status"), [("2", 404), ("0", 400), ("-1", 400), ("x", 400), ("1" * 30, 400)])
async def test_a_version_is_a_number_that_exists(client: httpx.AsyncClient, version: str, status: int) -> None:
    """Anything else is refused."""
    body = {"inputs": [tensor("int8", [1])]}
    reply = await client.post(f"/v2/models/anything/versions/{version}/infer", json=body)
    assert reply.status_code == status
    assert "version" in reply.json()["error"]


async def test_a_language_model_points_to_generate(server: Server, client: httpx.AsyncClient) -> None:
    """It answers in a stream, which one reply cannot be."""
    given = {"name": "text_input", "datatype": "BYTES", "shape": [1], "data": ["hi"]}
    reply = await client.post("/v2/models/parrot/infer", json={"inputs": [given]})
    assert reply.status_code == 400
    assert "generate_stream" in reply.json()["error"]
    assert server.client.calls == []


async def test_an_engines_error_is_500(client: httpx.AsyncClient) -> None:
    """With its own message."""
    reply = await infer(client, tensor("int8", [1]), parameters={"fail": "as asked"})
    assert reply.status_code == 500
    assert reply.json() == {"error": "as asked"}


async def test_a_text_too_long_for_any_tokenizer_never_reaches_one(server: Server, client: httpx.AsyncClient) -> None:
    """Finding out how many tokens it has would hold up everybody else; one below the bound is the engine's to judge."""
    for length, asked in ((1_000_000, 0), (10_000, 1)):
        text = {"name": "text", "datatype": "BYTES", "shape": [2, 1], "data": ["a", "x " * (length // 2)]}
        reply = await client.post("/v2/models/echo/infer", json={"inputs": [text]})
        assert reply.status_code == 400
        assert "exceeds maximum allowed" in reply.json()["error"]
        assert len(server.client.calls) == asked
