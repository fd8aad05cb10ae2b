from __future__ import annotations

import json
import struct
from typing import Any

import httpx
import pytest

from tests.suites.gateway import Server

INFER = "/v2/models/anything/infer"
LENGTH = "inference-header-content-length"


def binary(name: str, shape: list[int], size: int, **parameters: Any) -> dict[str, Any]:
    """An input whose elements follow the JSON."""
    datatype = "FP32" if name == "matrix" else name.upper()
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size, **parameters}}


async def send(
    client: httpx.AsyncClient, fields: dict[str, Any], tail: bytes, length: str | None = None
) -> httpx.Response:
    head = json.dumps(fields).encode()
    headers = {LENGTH: str(len(head)) if length is None else length, "content-type": "application/octet-stream"}
    return await client.post(INFER, content=head + tail, headers=headers)


def split(reply: httpx.Response) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The JSON of a binary reply, and the bytes of its outputs."""
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/octet-stream"
    at = int(reply.headers[LENGTH])
    head = json.loads(reply.content[:at])
    found = {}
    for output in head["outputs"]:
        if "parameters" in output:
            size = output["parameters"]["binary_data_size"]
            found[output["name"]] = reply.content[at : at + size]
            at += size
    assert at == len(reply.content)
    return head, found


def elements(*items: bytes) -> bytes:
    """The data of a BYTES tensor."""
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


ALL = {"parameters": {"binary_data_output": True}}


@pytest.mark.parametrize(
    ("name", "shape", "data"),
    [
        ("bool", [2], b"\x01\x00"),
        ("uint8", [3], b"\x00\x7f\xff"),
        ("int64", [1], struct.pack("<q", -(2**63))),
        ("fp16", [2], b"\x00\x3c\x01\x7e"),
        ("bf16", [2], b"\x80\x3f\x80\xff"),
        ("fp32", [2], struct.pack("<2f", float("inf"), -0.0)),
        ("fp64", [1], struct.pack("<d", float("nan"))),
        ("matrix", [2, 2], struct.pack("<4f", 1, 2, 3, 4)),
        ("bytes", [3], elements(b"", b"\xff\x00", b"abc")),
        ("bytes", [0], b""),
        ("matrix", [0, 2], b""),
    ],
)
async def test_every_type_comes_back_bit_for_bit(
    client: httpx.AsyncClient, name: str, shape: list[int], data: bytes
) -> None:
    """FP16, BF16, NaN and bytes that are no text among them."""
    head, found = split(await send(client, {"inputs": [binary(name, shape, len(data))], **ALL}, data))
    assert found == {name: data}
    assert head["outputs"][0]["shape"] == shape
    assert head["outputs"][0]["datatype"] == ("FP32" if name == "matrix" else name.upper())
    assert "data" not in head["outputs"][0]


async def test_binary_and_json_mix_in_both_directions(client: httpx.AsyncClient) -> None:
    """Each tensor goes the way its own parameters say."""
    inputs = [
        binary("int16", [2], 4),
        {"name": "bytes", "datatype": "BYTES", "shape": [1], "data": ["x"]},
        binary("fp16", [1], 2),
    ]
    outputs = [
        {"name": "bytes", "parameters": {"binary_data": True}},
        {"name": "int16", "parameters": {"binary_data": False}},
        {"name": "fp16"},
    ]
    fields = {"inputs": inputs, "outputs": outputs, **ALL}
    head, found = split(await send(client, fields, b"\x01\x00\xff\xff" + b"\x00\x3c"))
    assert found == {"bytes": elements(b"x"), "fp16": b"\x00\x3c"}
    assert {output["name"]: output.get("data") for output in head["outputs"]}["int16"] == [1, -1]


async def test_inputs_as_json_may_be_answered_in_binary(client: httpx.AsyncClient) -> None:
    """Without the header, because nothing follows."""
    given = {"name": "uint16", "datatype": "UINT16", "shape": [1], "data": [258]}
    _, found = split(await client.post(INFER, json={"inputs": [given], **ALL}))
    assert found == {"uint16": b"\x02\x01"}


async def test_binary_inputs_are_answered_in_json_unless_asked(client: httpx.AsyncClient) -> None:
    """As KServe has it."""
    reply = await send(client, {"inputs": [binary("int8", [2], 2)]}, b"\x01\xff")
    assert reply.json()["outputs"][0]["data"] == [1, -1]
    assert LENGTH not in reply.headers


async def test_classes_may_be_binary(client: httpx.AsyncClient) -> None:
    """They are a BYTES tensor like any other."""
    wanted = [{"name": "fp32", "parameters": {"classification": 1, "binary_data": True}}]
    data = struct.pack("<3f", 1, 3, 2)
    head, found = split(await send(client, {"inputs": [binary("fp32", [3], 12)], "outputs": wanted}, data))
    assert head["outputs"][0]["datatype"] == "BYTES"
    assert found == {"fp32": elements(b"3.000000:1:one")}


async def test_bytes_that_are_no_text_need_a_binary_answer(client: httpx.AsyncClient) -> None:
    """JSON could carry them only by changing them."""
    data = elements(b"\xff")
    reply = await send(client, {"inputs": [binary("bytes", [1], len(data))]}, data)
    assert reply.status_code == 400
    assert "binary_data" in reply.json()["error"]


@pytest.mark.parametrize("name", ["fp16", "bf16"])
async def test_half_precision_needs_a_binary_answer(client: httpx.AsyncClient, name: str) -> None:
    """As in Triton."""
    reply = await send(client, {"inputs": [binary(name, [1], 2)]}, b"\x00\x3c")
    assert reply.status_code == 400
    assert name.upper() in reply.json()["error"]


async def test_binary_inputs_are_views_of_the_body(server: Server, client: httpx.AsyncClient) -> None:
    """They pass this process without being copied into objects."""
    data = bytes(range(200)) * 4
    await send(client, {"inputs": [binary("fp32", [200], 800)], **ALL}, data)
    given = server.client.calls[0].inputs["fp32"].data
    assert isinstance(given, memoryview)
    assert given == data


BAD: list[tuple[str, list[dict[str, Any]], bytes, str]] = [
    ("short", [binary("int16", [2], 4)], b"\x01\x00", "'inputs[0].parameters.binary_data_size' is 4, but 2 bytes"),
    ("long", [binary("int8", [1], 1)], b"\x01\x02", "1 bytes more"),
    ("size against shape", [binary("int16", [2], 2)], b"\x01\x00", "'inputs[0]': The tensor 'int16' has 2 bytes"),
    ("negative size", [binary("int16", [2], -4)], b"", "'inputs[0].parameters.binary_data_size'"),
    ("size as text", [binary("int8", [1], "1")], b"\x01", "'inputs[0].parameters.binary_data_size'"),
    ("enormous size", [binary("int8", [1], 2**70)], b"\x01", "'inputs[0].parameters.binary_data_size'"),
    ("and data", [binary("int8", [1], 1) | {"data": [1]}], b"\x01", "'inputs[0]' must have either data"),
    ("unknown type", [binary("int8", [1], 1) | {"datatype": "INT4"}], b"\x01", "'inputs[0].datatype'"),
    ("huge shape", [binary("int8", [16, 2**60 + 2], 1)], b"\x01", "'inputs[0].shape'"),
    ("huge text", [binary("bytes", [1], 8)], struct.pack("<I", 2**32 - 1) + b"abcd", "'inputs[0]'"),
    ("cut text", [binary("bytes", [1], 3)], b"\x01\x00\x00", "'inputs[0]'"),
    ("fewer texts", [binary("bytes", [2], 5)], elements(b"a"), "'inputs[0]'"),
    ("more texts", [binary("bytes", [1], 10)], elements(b"a", b"b"), "'inputs[0]'"),
]


@pytest.mark.parametrize(("inputs", "tail", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
async def test_sizes_must_agree(
    server: Server, client: httpx.AsyncClient, inputs: list[dict[str, Any]], tail: bytes, words: str
) -> None:
    """H4: with the shape, the body and each other; nothing is asked of the runtime."""
    reply = await send(client, {"inputs": inputs}, tail)
    assert reply.status_code == 400, reply.text
    assert words in reply.json()["error"]
    assert server.client.calls == []


@pytest.mark.parametrize("length", ["-1", "x", "", "99999", "1" * 13, "1.0", "0x5"])
async def test_the_header_must_fit_the_body(server: Server, client: httpx.AsyncClient, length: str) -> None:
    """It is a plain whole number."""
    reply = await send(client, {"inputs": [binary("int8", [1], 1)]}, b"\x01", length=length)
    assert reply.status_code == 400
    assert LENGTH in reply.json()["error"]
    assert server.client.calls == []


async def test_the_header_may_not_stand_twice(client: httpx.AsyncClient) -> None:
    """Two readers could see two requests."""
    reply = await client.post(INFER, content=b"{}", headers=[(LENGTH, "2"), (LENGTH, "1")])
    assert reply.status_code == 400
    assert "twice" in reply.json()["error"]


async def test_without_the_header_sizes_mean_nothing(client: httpx.AsyncClient) -> None:
    """The error says which header is missing."""
    reply = await client.post(INFER, json={"inputs": [binary("int8", [1], 1)]})
    assert reply.status_code == 400
    assert LENGTH in reply.json()["error"]


async def test_a_body_without_json_is_a_models_only_input(server: Server, client: httpx.AsyncClient) -> None:
    """A text without its length; the answer is binary."""
    path = "/v2/models/echo/infer"
    reply = await client.post(path, content="zwölf".encode(), headers={LENGTH: "0"})
    head, found = split(reply)
    assert found == {"text": elements("zwölf".encode())}
    assert head["outputs"][0]["shape"] == [1, 1]
    refused = await client.post(INFER, content=b"x", headers={LENGTH: "0"})
    assert refused.status_code == 400
    assert "has 15 inputs" in refused.json()["error"]
