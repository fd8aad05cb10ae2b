"""KServe's `priority` and `timeout`, by REST and by gRPC, in the queue of the real Triton."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import numpy as np
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.grpc import service_pb2 as pb

from argosy.runtime.triton.generation import WatchOptions
from argosy.runtime.triton.locate import TritonInstallation
from argosy.runtime.triton.scrape import scrape
from argosy.store.entries import ModelEntry
from tests.integration.conftest import serving
from tests.integration.test_kserve_rest import calling
from tests.suites import kserve_grpc
from tests.suites.echo_models import python_model
from tests.suites.kserve_grpc import GrpcUnderTest

pytestmark = [pytest.mark.triton, pytest.mark.asyncio(loop_scope="module")]

# Says when it was served: the first request 1, the next 2. While the door is shut it keeps the one that it has.
COUNTING = """
import time
from pathlib import Path
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        self.served = 0

    def execute(self, requests):
        door = Path({door!r})
        door.with_suffix(".busy").touch()
        while door.exists():
            time.sleep(0.002)
        self.served += 1
        place = pb_utils.Tensor("place", np.array([[self.served]], np.int32))
        return [pb_utils.InferenceResponse([place]) for _ in requests]
"""
# One request at a time, so that the order of serving is the order of the queue.
QUEUED = """
backend: "python"
max_batch_size: 1
input [ { name: "x" data_type: TYPE_INT32 dims: [ 1 ] } ]
output [ { name: "place" data_type: TYPE_INT32 dims: [ 1 ] } ]
dynamic_batching {
  priority_levels: 2
  default_priority_level: 2
  default_queue_policy {
    timeout_action: REJECT
    default_timeout_microseconds: 60000000
    allow_timeout_override: true
  }
}
instance_group [ { kind: KIND_CPU count: 1 } ]
"""
NO_CANARY = WatchOptions(canary_interval=3600)


@dataclass(frozen=True)
class Wires:
    """Both ways to the model `counting`.

    Attributes:
        door: while this file exists nothing is served.
        metrics_url: of Triton.
    """

    http: httpx.AsyncClient
    grpc: GrpcUnderTest
    door: Path
    metrics_url: str

    async def waiting(self, wanted: int) -> None:
        """Until so many requests wait in Triton."""
        async with asyncio.timeout(20):
            while await self._pending() != wanted:
                await asyncio.sleep(0.005)

    async def busy(self) -> None:
        """Until the model has a request."""
        async with asyncio.timeout(20):
            while not self.door.with_suffix(".busy").exists():
                await asyncio.sleep(0.005)

    async def _pending(self) -> float:
        page = (await scrape(self.metrics_url)).decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
            if sample.name == "nv_inference_pending_request_count"
        )


def counting(store: Path, door: Path) -> ModelEntry:
    entry = python_model(store, "counting", COUNTING.format(door=str(door)))
    (entry.directory / "config.pbtxt").write_text(QUEUED)
    return entry


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wires(installation: TritonInstallation, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wires]:
    folder = tmp_path_factory.mktemp("wires")
    door = folder / "door"
    entries = [counting(folder / "store", door)]
    async with (
        serving(installation, folder / "run", entries, NO_CANARY) as served,
        calling(served, entries) as http,
        kserve_grpc.serving(served.client, entries, status=served.supervisor.status) as server,
    ):
        yield Wires(http, server, door, served.supervisor.metrics_url)


@dataclass(frozen=True)
class Refused:
    """What a request got instead of an answer; `retry_after` in seconds."""

    status: int | grpc.StatusCode
    retry_after: int
    message: str


async def rest_place(wires: Wires, **parameters: int) -> int | Refused:
    tensor = {"name": "x", "datatype": "INT32", "shape": [1, 1], "data": [0]}
    body = {"inputs": [tensor], "parameters": parameters}
    reply = await wires.http.post("/v2/models/counting/infer", json=body)
    if reply.status_code != 200:
        return Refused(reply.status_code, int(reply.headers["retry-after"]), reply.json()["error"])
    return int(reply.json()["outputs"][0]["data"][0])


async def grpc_place(wires: Wires, **parameters: int) -> int | Refused:
    message = pb.ModelInferRequest(model_name="counting", raw_input_contents=[bytes(4)])
    message.inputs.add(name="x", datatype="INT32", shape=[1, 1])
    for name, value in parameters.items():
        message.parameters[name].int64_param = value
    try:
        answer = await wires.grpc.infer(message)
    except grpc.aio.AioRpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        return Refused(error.code(), int(trailers["retry-after"]), error.details() or "")
    return int(np.frombuffer(answer.raw_output_contents[0], np.int32)[0])


Place = Callable[..., Awaitable[int | Refused]]


class Queue:
    """Requests in Triton's queue in the order of `add`, while the model keeps another."""

    def __init__(self, wires: Wires, place: Place) -> None:
        self._wires = wires
        self._place = place
        self._length = 0

    async def add(self, **parameters: int) -> asyncio.Task[int | Refused]:
        """One more, which Triton has when this returns."""
        task = asyncio.ensure_future(self._place(self._wires, **parameters))
        self._length += 1
        await self._wires.waiting(self._length)
        return task


@asynccontextmanager
async def shut_out(wires: Wires, place: Place) -> AsyncIterator[Queue]:
    """Nobody is served until the block ends."""
    wires.door.with_suffix(".busy").unlink(missing_ok=True)
    wires.door.touch()
    try:
        first = asyncio.ensure_future(place(wires))
        await wires.busy()
        yield Queue(wires, place)
    finally:
        wires.door.unlink()
    await first


@pytest.mark.parametrize("place", [rest_place, grpc_place])
async def test_a_higher_priority_overtakes_the_queue(wires: Wires, place: Place) -> None:
    """A request of priority 1 is served before those of the default priority that came earlier."""
    async with shut_out(wires, place) as queue:
        early = [await queue.add() for _ in range(3)]
        urgent = await queue.add(priority=1)
    served = await asyncio.gather(urgent, *early)
    assert served == sorted(served)


@pytest.mark.parametrize(("place", "status"), [(rest_place, 503), (grpc_place, grpc.StatusCode.UNAVAILABLE)])
async def test_a_request_whose_time_passes_in_the_queue_is_refused(wires: Wires, place: Place, status: Any) -> None:
    """It says when to come again, and only the requests without such a limit are served."""
    async with shut_out(wires, place) as queue:
        patient = await queue.add()
        hurried = await queue.add(timeout=1000)
        last = await queue.add(timeout=60_000_000)
        await asyncio.sleep(0.01)
    refused = await hurried
    assert isinstance(refused, Refused)
    assert (refused.status, refused.message) == (status, "The request waited too long in the queue of 'counting'.")
    assert refused.retry_after > 0
    assert await last == await patient + 1
