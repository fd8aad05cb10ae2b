"""Triton's own `tritonclient.http`, synchronous and asynchronous, against a listening gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http.aio as http_aio
from tritonclient import http
from tritonclient.utils import InferenceServerException

from argosy.server.access.contract import Headers, Principal
from argosy.server.access.keys import StaticKeys
from argosy.server.control.repository import RepositoryEntry, RepositoryState
from tests.suites.echo_models import echo_anything, echo_tensors
from tests.suites.gateway import gateway, in_thread, listening

KEY = "0123456789abcdef0123456789abcdef"
ARRAYS = {
    "bool": np.array([True, False]),
    "uint8": np.array([0, 255], np.uint8),
    "uint16": np.array([0, 65535], np.uint16),
    "uint32": np.array([0, 2**32 - 1], np.uint32),
    "uint64": np.array([0, 2**64 - 1], np.uint64),
    "int8": np.array([-128, 127], np.int8),
    "int16": np.array([-32768, 32767], np.int16),
    "int32": np.array([-(2**31), 2**31 - 1], np.int32),
    "int64": np.array([-(2**63), 2**63 - 1], np.int64),
    "fp16": np.array([1.5, -2], np.float16),
    "bf16": np.array([1.5, -2], ml_dtypes.bfloat16),
    "fp32": np.array([0.1, -3e38], np.float32),
    "fp64": np.array([0.1, 1e308], np.float64),
    "bytes": np.array([b"", "zwölf".encode()], np.object_),
    "matrix": np.arange(6, dtype=np.float32).reshape(3, 2),
}
BINARY_ONLY = {"fp16", "bf16"}
"""Types without a JSON form."""


def given(name: str, array: np.ndarray, *, binary: bool = True) -> http.InferInput:
    datatype = "FP32" if name == "matrix" else name.upper()
    return http.InferInput(name, list(array.shape), datatype).set_data_from_numpy(array, binary_data=binary)


def wanted(name: str, *, binary: bool = True, classes: int = 0) -> http.InferRequestedOutput:
    return http.InferRequestedOutput(name, binary_data=binary, class_count=classes)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway for the whole module, as the client wants its address."""
    store = tmp_path_factory.mktemp("store")
    with in_thread(store, further=[echo_anything(store), echo_tensors(store)], templates_loaded=False) as url:
        yield url.removeprefix("http://")


@pytest.fixture
def client(address: str) -> Iterator[http.InferenceServerClient]:
    with http.InferenceServerClient(address) as ready:
        yield ready


@pytest.fixture
async def async_client(address: str) -> AsyncIterator[http_aio.InferenceServerClient]:
    async with http_aio.InferenceServerClient(address) as ready:
        yield ready


@pytest.mark.parametrize("name", ARRAYS)
def test_binary_in_and_out(client: http.InferenceServerClient, name: str) -> None:
    """Every type, bit for bit; without a list of outputs the client asks for all in binary."""
    result = client.infer("anything", [given(name, ARRAYS[name])])
    np.testing.assert_array_equal(result.as_numpy(name), ARRAYS[name])


@pytest.mark.parametrize("name", [name for name in ARRAYS if name not in BINARY_ONLY])
def test_json_in_and_out(client: http.InferenceServerClient, name: str) -> None:
    """Every type that JSON has."""
    result = client.infer("anything", [given(name, ARRAYS[name], binary=False)], outputs=[wanted(name, binary=False)])
    found = result.as_numpy(name)
    expected = ARRAYS[name]
    if name == "bytes":
        found = np.array([item.encode() for item in found.ravel()], np.object_)
    np.testing.assert_array_equal(found, expected)


def test_binary_and_json_mixed(client: http.InferenceServerClient) -> None:
    """Each tensor its own way, in both directions."""
    inputs = [given(name, ARRAYS[name], binary=place % 2 == 0) for place, name in enumerate(("int8", "fp32", "bytes"))]
    outputs = [wanted("int8", binary=False), wanted("fp32"), wanted("bytes")]
    result = client.infer("anything", inputs, outputs=outputs, request_id="mine")
    for name in ("int8", "fp32", "bytes"):
        np.testing.assert_array_equal(result.as_numpy(name), ARRAYS[name])
    assert result.get_response()["id"] == "mine"


@pytest.mark.parametrize("binary", [True, False])
def test_tensors_without_elements(client: http.InferenceServerClient, binary: bool) -> None:
    """Zero-size numbers and texts."""
    matrix, texts = np.zeros((0, 2), np.float32), np.array([], np.object_)
    inputs = [given("matrix", matrix, binary=binary), given("bytes", texts, binary=binary)]
    result = client.infer("anything", inputs, outputs=[wanted("matrix", binary=binary), wanted("bytes", binary=binary)])
    assert result.as_numpy("matrix").shape == (0, 2)
    assert result.as_numpy("bytes").shape == (0,)


@pytest.mark.parametrize("binary", [True, False])
def test_classification(client: http.InferenceServerClient, binary: bool) -> None:
    """`value:index:label`, the highest first."""
    scores = np.array([0.5, 2, 1], np.float32)
    result = client.infer("anything", [given("fp32", scores)], outputs=[wanted("fp32", binary=binary, classes=2)])
    found = [item.decode() if isinstance(item, bytes) else str(item) for item in result.as_numpy("fp32")]
    assert found == ["2.000000:1:one", "1.000000:2:two"]


def test_parameters_of_every_kind(client: http.InferenceServerClient) -> None:
    """Sequence, priority, timeout and a model's own are taken."""
    for sequence in (7, "seven"):
        client.infer(
            "anything",
            [given("int8", ARRAYS["int8"])],
            sequence_id=sequence,
            sequence_start=True,
            priority=1,
            timeout=10_000_000,
            parameters={"flag": True, "share": 0.5, "word": "x", "number": -1},
        )


def test_asynchronous_requests_of_the_synchronous_client(address: str) -> None:
    """On greenlets of its own."""
    with http.InferenceServerClient(address, concurrency=4) as client:
        pending = [client.async_infer("anything", [given("int32", np.array([n], np.int32))]) for n in range(20)]
        assert [int(request.get_result().as_numpy("int32")[0]) for request in pending] == list(range(20))


def test_health_and_metadata(client: http.InferenceServerClient) -> None:
    """What the client shows of a server and a model."""
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("anything")
    assert client.is_model_ready("anything", "1")
    assert not client.is_model_ready("anything", "2")
    assert not client.is_model_ready("nothing")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("anything", "1")["versions"] == ["1"]
    assert client.get_model_config("echo")["max_batch_size"] == 8


def test_statistics(client: http.InferenceServerClient) -> None:
    """Of one model and of all."""
    client.infer("anything", [given("int8", ARRAYS["int8"])])
    found = client.get_inference_statistics("anything", "1")["model_stats"][0]
    assert found["inference_stats"]["success"]["count"] >= 1
    every = client.get_inference_statistics()["model_stats"]
    assert {"anything", "echo", "parrot"} <= {entry["name"] for entry in every}


@pytest.mark.parametrize(
    ("model", "version", "status", "words"),
    [
        ("nothing", "", "404", "Request for unknown model"),
        ("anything", "2", "404", "no version 2"),
        ("anything", "x", "400", "version"),
        ("parrot", "", "400", "generate_stream"),
        ("echo", "", "400", "'int8'"),
    ],
)
def test_errors_carry_status_and_words(
    client: http.InferenceServerClient, model: str, version: str, status: str, words: str
) -> None:
    """Where the client looks for them."""
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [given("int8", ARRAYS["int8"])], model_version=version)
    assert caught.value.status() == status
    assert words in caught.value.message()


@pytest.mark.parametrize("name", sorted(BINARY_ONLY))
def test_half_precision_as_json_is_refused(client: http.InferenceServerClient, name: str) -> None:
    """As Triton does; the words say what to ask for."""
    with pytest.raises(InferenceServerException, match="binary_data"):
        client.infer("anything", [given(name, ARRAYS[name])], outputs=[wanted(name, binary=False)])


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests_are_refused_clearly(client: http.InferenceServerClient, algorithm: str) -> None:
    """And the same request in the clear is not; a compressed answer may be asked for and is not given."""
    inputs = [given("int8", ARRAYS["int8"])]
    with pytest.raises(InferenceServerException, match="Content-Encoding") as caught:
        client.infer("anything", inputs, request_compression_algorithm=algorithm)
    assert caught.value.status() == "415"
    result = client.infer("anything", inputs, response_compression_algorithm=algorithm)
    np.testing.assert_array_equal(result.as_numpy("int8"), ARRAYS["int8"])


def test_shared_memory_is_refused(client: http.InferenceServerClient) -> None:
    """There is nothing to register with, and nothing to point to."""
    calls = [
        client.get_system_shared_memory_status,
        client.get_cuda_shared_memory_status,
        lambda: client.register_system_shared_memory("r", "/triton_python_backend_shm_region_1", 8),
        client.unregister_system_shared_memory,
        client.get_log_settings,
        client.get_trace_settings,
    ]
    for call in calls:
        with pytest.raises(InferenceServerException) as caught:
            call()
        assert caught.value.status() == "404"
        assert "shm_region" not in caught.value.message()
    tensor = http.InferInput("int8", [8], "INT8")
    tensor.set_shared_memory("r", 8)
    with pytest.raises(InferenceServerException, match="shared memory"):
        client.infer("anything", [tensor])


def test_the_repository_is_for_operators(client: http.InferenceServerClient) -> None:
    """Nobody is one here."""
    for call in (client.get_model_repository_index, lambda: client.load_model("anything")):
        with pytest.raises(InferenceServerException) as caught:
            call()
        assert caught.value.status() == "403"


async def test_both_encodings_asynchronously(async_client: http_aio.InferenceServerClient) -> None:
    """The client names its content types itself."""
    for name, array in ARRAYS.items():
        result = await async_client.infer("anything", [given(name, array)])
        np.testing.assert_array_equal(result.as_numpy(name), array)
    inputs = [given("int8", ARRAYS["int8"], binary=False)]
    result = await async_client.infer("anything", inputs, outputs=[wanted("int8", binary=False)])
    np.testing.assert_array_equal(result.as_numpy("int8"), ARRAYS["int8"])


async def test_questions_asynchronously(async_client: http_aio.InferenceServerClient) -> None:
    """Health, metadata, statistics and errors."""
    assert await async_client.is_server_ready()
    assert await async_client.is_model_ready("anything")
    assert (await async_client.get_model_metadata("anything"))["name"] == "anything"
    assert (await async_client.get_inference_statistics("anything"))["model_stats"]
    with pytest.raises(InferenceServerException) as caught:
        await async_client.infer("nothing", [given("int8", ARRAYS["int8"])])
    assert caught.value.status() == "404"


class Repository:
    """One model that is loaded or not."""

    def __init__(self) -> None:
        self.state = RepositoryState.READY

    async def index(self, *, ready_only: bool = False) -> list[RepositoryEntry]:
        entry = RepositoryEntry("anything", "1", self.state)
        return [] if ready_only and self.state is not RepositoryState.READY else [entry]

    async def load(self, name: str) -> None:
        assert name == "anything"
        self.state = RepositoryState.READY

    async def unload(self, name: str) -> None:
        assert name == "anything"
        self.state = RepositoryState.UNAVAILABLE


class Operators:
    """Everybody is one."""

    async def authenticate(self, headers: Headers) -> Principal:
        return Principal("anybody", operator=True)


async def test_an_operator_loads_and_unloads(tmp_path: Path) -> None:
    """The asynchronous client sends these bodies as plain text."""
    async with (
        gateway(tmp_path, authenticator=Operators(), repository=Repository(), templates_loaded=False) as server,
        listening(server) as url,
        http_aio.InferenceServerClient(url.removeprefix("http://")) as client,
    ):
        await client.unload_model("anything")
        assert (await client.get_model_repository_index())[0]["state"] == "UNAVAILABLE"
        await client.load_model("anything")
        assert (await client.get_model_repository_index())[0]["state"] == "READY"
        with pytest.raises(InferenceServerException, match=r"parameters\.config"):
            await client.load_model("anything", config="{}")


async def test_keys_are_sent_as_headers(tmp_path: Path) -> None:
    """The client has no other way."""
    keys = StaticKeys({"team": KEY})
    async with (
        gateway(tmp_path, authenticator=keys, templates_loaded=False) as server,
        listening(server) as url,
        http_aio.InferenceServerClient(url.removeprefix("http://")) as client,
    ):
        assert await client.is_server_live()
        with pytest.raises(InferenceServerException) as caught:
            await client.get_server_metadata()
        assert caught.value.status() == "401"
        assert await client.get_server_metadata(headers={"authorization": f"Bearer {KEY}"})
