"""Models of Triton's own backends: on a Triton without them, and for real where TRITONSERVER_BIN names one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from argosy.core.deadline import Deadline
from argosy.core.status import ModelState
from argosy.runtime.contract import InferRequest
from argosy.runtime.triton.client import TritonClient
from argosy.runtime.triton.fence import ServerOptions
from argosy.runtime.triton.locate import LocateOptions, TritonInstallation, locate
from argosy.runtime.triton.supervisor import SupervisorOptions, TritonSupervisor
from argosy.server.artifacts import staging
from argosy.server.artifacts.kinds.network import Runs, plan_network
from argosy.settings import load
from argosy.store.entries import CONFIG_FILE, ModelEntry, read_entry
from tests.integration.conftest import Serve, serving
from tests.suites.echo_models import echo_tensors
from tests.unit.server.artifacts.onnx_bytes import matmul

pytestmark = [pytest.mark.triton]


def network(tmp_path: Path, name: str = "net") -> ModelEntry:
    """y = x · w with w = 0 … 15 in rows of four, for ONNX Runtime."""
    return staging.export(
        tmp_path / "store", plan_network(matmul(tmp_path / "net.onnx"), name, {}, Runs("onnxruntime"))
    )


async def test_a_missing_backend_costs_its_own_models_only(triton: Serve, tmp_path: Path) -> None:
    """They fail with the reason at the start and when they are loaded later; the others are served."""
    entry = network(tmp_path)
    async with triton([entry, echo_tensors(tmp_path)]) as served:
        models = served.supervisor.status.models
        assert models["echo"].state is ModelState.READY
        assert models["net"].state is ModelState.FAILED
        assert "TRITONSERVER_BIN" in models["net"].reason
        again = await served.supervisor.load(entry)
        assert again.state is ModelState.FAILED
        assert "'onnxruntime'" in again.reason
        assert served.supervisor.status.models["echo"].state is ModelState.READY


@pytest.fixture
def image() -> TritonInstallation:
    """The Triton that TRITONSERVER_BIN names, if it has ONNX Runtime."""
    found = locate(LocateOptions(binary=load({}).settings.tritonserver))
    if "onnxruntime" not in found.native:
        pytest.skip("the Triton here has no onnxruntime backend; name one in TRITONSERVER_BIN")
    return found


async def test_onnx_runtime_answers_beside_our_engines(image: TritonInstallation, tmp_path: Path) -> None:
    """The config made from the graph is taken as it is, the answer is right, and it can leave and come back."""
    entry = network(tmp_path)
    async with serving(image, tmp_path / "run", [entry, echo_tensors(tmp_path)]) as served:
        assert {model.state for model in served.supervisor.status.models.values()} == {ModelState.READY}
        rows = np.arange(8, dtype=np.float32).reshape(2, 4)
        request = InferRequest("net", {"x": rows}, deadline=Deadline.after(10))
        weights = np.arange(16, dtype=np.float32).reshape(4, 4)
        for _ in range(3):
            answer = await served.client.infer(request)
            np.testing.assert_allclose(answer.outputs["y"], rows @ weights, rtol=1e-6)
            await served.supervisor.unload("net")
            assert served.supervisor.status.models["echo"].state is ModelState.READY
            assert (await served.supervisor.load(entry)).state is ModelState.READY


async def test_a_config_without_tensors_is_completed(image: TritonInstallation, tmp_path: Path) -> None:
    """As that of a TensorRT engine from elsewhere is; on a Triton that was not told to, the model is refused."""
    entry = network(tmp_path)
    (entry.directory / CONFIG_FILE).write_text(
        'name: "net"\nbackend: "onnxruntime"\ninstance_group [{ count: 1 kind: KIND_CPU }]\n'
    )
    options = SupervisorOptions(tmp_path / "run", server=ServerOptions(complete_configs=True))
    supervisor, client = TritonSupervisor(image, [read_entry(entry.directory)], options), TritonClient()
    try:
        await supervisor.start()
        await client.connect(supervisor.status.address)
        rows = np.ones((1, 4), dtype=np.float32)
        answer = await client.infer(InferRequest("net", {"x": rows}, deadline=Deadline.after(10)))
        assert answer.outputs["y"].shape == (1, 4)
    finally:
        await client.close()
        await supervisor.stop()
    async with serving(image, tmp_path / "other", [entry]) as served:
        assert "names no inputs" in served.supervisor.status.models["net"].reason
