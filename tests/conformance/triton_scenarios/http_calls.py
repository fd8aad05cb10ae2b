"""What Triton's published example programs do over HTTP, written anew: questions and inference."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio

from tests.conformance.triton_scenarios.endpoint import (
    FIRST,
    NUMBERS,
    SECOND,
    SECONDS,
    Endpoint,
    check_sums,
    check_text_sums,
    refusal,
    running_sums,
    texts,
)


@contextlib.contextmanager
def client(endpoint: Endpoint, **options: Any) -> Iterator[triton.InferenceServerClient]:
    connected = triton.InferenceServerClient(
        endpoint.http, connection_timeout=SECONDS, network_timeout=SECONDS, **options
    )
    with contextlib.closing(connected):
        yield connected


def tensor(name: str, data: np.ndarray, datatype: str, *, binary: bool = True) -> triton.InferInput:
    made = triton.InferInput(name, list(data.shape), datatype)
    made.set_data_from_numpy(data, binary_data=binary)
    return made


def two(*, binary: tuple[bool, bool] = (True, True)) -> list[triton.InferInput]:
    """The inputs of `simple`."""
    return [
        tensor("INPUT0", FIRST, "INT32", binary=binary[0]),
        tensor("INPUT1", SECOND, "INT32", binary=binary[1]),
    ]


def wanted(*, binary: tuple[bool, bool] = (True, True)) -> list[triton.InferRequestedOutput]:
    return [triton.InferRequestedOutput(f"OUTPUT{i}", binary_data=binary[i]) for i in (0, 1)]


def health_metadata(endpoint: Endpoint) -> None:
    """Live, ready, metadata of the server and of a model, its configuration, and a model that is not there."""
    sent, query = endpoint.sent, {"test_1": 1, "test_2": 2}
    with client(endpoint) as server:
        assert server.is_server_live(headers=sent, query_params=query)
        assert server.is_server_ready(headers=sent)
        assert server.is_model_ready("simple", headers=sent)
        assert not server.is_model_ready("wrong_model_name", headers=sent)
        about = server.get_server_metadata(headers=sent)
        assert about["name"] == "triton", f"the server calls itself {about['name']}"
        assert about["version"]
        assert {"binary_tensor_data", "statistics", "model_repository"} <= set(about["extensions"])
        model = server.get_model_metadata("simple", headers=sent, query_params=query)
        assert (model["name"], model["versions"]) == ("simple", ["1"])
        assert model["inputs"] == [{"name": f"INPUT{i}", "datatype": "INT32", "shape": [-1, 16]} for i in (0, 1)]
        assert [output["name"] for output in model["outputs"]] == ["OUTPUT0", "OUTPUT1"]
        config = server.get_model_config("simple", headers=sent)
        assert (config["name"], config["max_batch_size"]) == ("simple", 8)
        assert [entry["data_type"] for entry in config["input"]] == ["TYPE_INT32", "TYPE_INT32"]
        with refusal("Request for unknown model", "wrong_model_name"):
            server.get_model_metadata("wrong_model_name", headers=sent)


def infer(endpoint: Endpoint) -> None:
    """Binary and JSON tensors in every mixture, with and without the outputs named; statistics afterwards."""
    with client(endpoint) as server:
        for binary in ((True, True), (False, True), (True, False), (False, False)):
            inputs, outputs = two(binary=binary), wanted(binary=binary[::-1])
            result = server.infer("simple", inputs, outputs=outputs, headers=endpoint.sent, request_id="one")
            check_sums(result)
            response = result.get_response()
            assert (response["id"], response["model_name"], response["model_version"]) == ("one", "simple", "1")
        only = server.infer("simple", two(), outputs=wanted()[:1], headers=endpoint.sent, model_version="1")
        assert only.as_numpy("OUTPUT1") is None
        counted = server.get_inference_statistics("simple", headers=endpoint.sent)["model_stats"]
        assert [model["name"] for model in counted] == ["simple"]
        assert counted[0]["inference_stats"]["success"]["count"] >= 5


def compression(endpoint: Endpoint) -> None:
    """Bodies compressed on the way there and on the way back."""
    with client(endpoint) as server:
        for there, back in ((None, "gzip"), (None, "deflate"), ("gzip", None), ("deflate", "gzip")):
            result = server.infer(
                "simple",
                two(),
                headers=endpoint.sent,
                query_params={"test_1": 1},
                request_compression_algorithm=there,
                response_compression_algorithm=back,
            )
            check_sums(result)


def refused_infer(endpoint: Endpoint) -> None:
    """A model, a version and an output that are not there, an input too few, and one of another shape."""
    with client(endpoint) as server:
        with refusal("Request for unknown model", "wrong_model_name"):
            server.infer("wrong_model_name", two(), headers=endpoint.sent)
        with refusal("version 7"):
            server.infer("simple", two(), model_version="7", headers=endpoint.sent)
        with refusal("OUTPUT9"):
            server.infer("simple", two(), outputs=[triton.InferRequestedOutput("OUTPUT9")], headers=endpoint.sent)
        with refusal("INPUT1"):
            server.infer("simple", two()[:1], headers=endpoint.sent)
        with refusal("INPUT0"):
            server.infer("simple", [tensor("INPUT0", FIRST[:, :8], "INT32"), two()[1]], headers=endpoint.sent)
        check_sums(server.infer("simple", two(), headers=endpoint.sent))


def async_infer(endpoint: Endpoint) -> None:
    """Requests in flight together from one client."""
    with client(endpoint, concurrency=4) as server:
        flying = [
            server.async_infer("simple", two(), outputs=wanted(), headers=endpoint.sent, request_id=str(number))
            for number in range(8)
        ]
        for number, request in enumerate(flying):
            result = request.get_result()
            check_sums(result)
            assert result.get_response()["id"] == str(number)


def aio_infer(endpoint: Endpoint) -> None:
    """The asyncio client: infer alone, in parallel and with a compressed answer, and statistics."""

    async def talk() -> None:
        async with triton_aio.InferenceServerClient(endpoint.http, conn_timeout=SECONDS) as server:
            mixed: dict[str, Any] = {"headers": endpoint.sent, "query_params": {"test_1": 1, "test_2": 2}}
            inputs, outputs = two(binary=(False, True)), wanted(binary=(True, False))
            check_sums(await server.infer("simple", inputs, outputs=outputs, **mixed))
            check_sums(await server.infer("simple", two(), **mixed, response_compression_algorithm="gzip"))
            counted = await server.get_inference_statistics("simple", headers=endpoint.sent)
            assert len(counted["model_stats"]) == 1
            with refusal("Request for unknown model"):
                await server.infer("wrong_model_name", two(), headers=endpoint.sent)
            for result in await asyncio.gather(*(server.infer("simple", two(), **mixed) for _ in range(4))):
                check_sums(result)

    asyncio.run(talk())


def strings(endpoint: Endpoint) -> None:
    """BYTES tensors: numbers as text, and texts with every byte, empty and long ones among them."""
    with client(endpoint) as server:
        for binary in (True, False):
            inputs = [
                tensor("INPUT0", texts(FIRST), "BYTES", binary=binary),
                tensor("INPUT1", texts(SECOND), "BYTES", binary=binary),
            ]
            outputs = wanted(binary=(binary, not binary))
            check_text_sums(server.infer("simple_string", inputs, outputs=outputs, headers=endpoint.sent))
        odd = np.array([[b"", "Grüße, 世界".encode(), b"x" * 70_000, bytes(range(256))]], dtype=np.object_)
        result = server.infer("simple_identity", [tensor("INPUT0", odd, "BYTES")], headers=endpoint.sent)
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), odd)


def sequence_sync(endpoint: Endpoint) -> None:
    """Two sequences by number and one by name, their requests in turn, each with a sum of its own."""
    backwards = tuple(-number for number in NUMBERS)
    with client(endpoint) as server:
        for model, added, names in (
            ("simple_sequence", False, (2001, 2002, "a-sequence-by-name")),
            ("simple_dyna_sequence", True, (2003, 2004, 2005)),
        ):
            rows: dict[int | str, tuple[int, ...]] = dict(zip(names, (NUMBERS, backwards, NUMBERS), strict=True))
            said: dict[int | str, list[int]] = {name: [] for name in names}
            for at in range(len(NUMBERS)):
                for name, values in rows.items():
                    result = server.infer(
                        model,
                        [tensor("INPUT", np.array([[values[at]]], dtype=np.int32), "INT32")],
                        headers=endpoint.sent,
                        sequence_id=name,
                        sequence_start=at == 0,
                        sequence_end=at == len(NUMBERS) - 1,
                    )
                    said[name].append(int(result.as_numpy("OUTPUT").item()))
            for name, values in rows.items():
                assert said[name] == running_sums(values, int(name) if added else 0), f"sequence {name}"


def reuse(endpoint: Endpoint) -> None:
    """The same input and output objects, again and again with other data."""
    inputs, outputs = two(), wanted()
    with client(endpoint) as server:
        for factor in (1, 2, 3):
            second = SECOND * factor
            inputs[1].set_data_from_numpy(second, binary_data=factor != 2)
            check_sums(server.infer("simple", inputs, outputs=outputs, headers=endpoint.sent), FIRST, second)
