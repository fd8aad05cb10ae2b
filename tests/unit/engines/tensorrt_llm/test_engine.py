"""How the engine starts where it cannot: without the library, without a GPU, with other files than a checkpoint's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from argosy.core.errors import EngineError, InvalidModelEntry, MissingRequirement
from argosy.engines import registry
from argosy.engines.contract import EngineOptions, Feature, GenerationRequest
from argosy.engines.tensorrt_llm.engine import TensorrtLlmEngine
from argosy.engines.tensorrt_llm.messages import Load, Settings, decode_report
from argosy.engines.tensorrt_llm.requirements import judge, require_machine
from argosy.engines.workers.link import WorkerProgram
from argosy.engines.workers.supervisor import WorkerSupervisor
from tests.unit.engines.tensorrt_llm.deployments import spec

PYTHON = "/opt/trt/bin/python"
ALL = {"release": "1.2.1", "lacks": []}


def engine(directory: Path, **parameters: str) -> TensorrtLlmEngine:
    made = registry.create(spec(), EngineOptions(directory, parameters=parameters))
    assert isinstance(made, TensorrtLlmEngine)
    return made


def test_start_without_the_library_says_how_to_get_it(tmp_path: Path) -> None:
    """The command, the GPU it needs, and the setting; a stop afterwards is nothing."""
    (tmp_path / "config.json").write_text("{}")
    made = engine(tmp_path)
    with pytest.raises(
        MissingRequirement, match=r"pip install 'tensorrt-llm==1\.2.*8\.0.*|8\.0.*pip install"
    ) as caught:
        made.start()
    assert "ARGOSY_TENSORRT_LLM_PYTHON" in str(caught.value)
    made.stop()
    made.stop()
    assert made.metrics() == {}
    with pytest.raises(EngineError):
        made.submit(GenerationRequest("hello"), lambda chunk: None)


@pytest.mark.parametrize("release", ["1.1.0", "1.3.0rc29", "1.20.0", "0.12.0"])
def test_another_release_is_refused(release: str) -> None:
    """This one's names and its sampler are not everywhere."""
    with pytest.raises(MissingRequirement, match=rf"{release}.*written for 1\.2"):
        judge({"release": release, "lacks": []}, PYTHON)


def test_what_the_worker_needs_beside_the_library_is_named() -> None:
    """Its environment is not ours."""
    judge(ALL, PYTHON)
    judge({"release": "1.2.0rc6.post3", "lacks": []}, PYTHON)
    with pytest.raises(MissingRequirement, match="lacks argosy, msgspec"):
        judge({"release": "1.2.1", "lacks": ["argosy", "msgspec"]}, PYTHON)


def test_a_python_that_is_none_is_named(tmp_path: Path) -> None:
    """With the setting that names it."""
    with pytest.raises(InvalidModelEntry, match="ARGOSY_TENSORRT_LLM_PYTHON"):
        require_machine(str(tmp_path / "python"))


def test_a_machine_without_a_gpu_is_refused(tmp_path: Path) -> None:
    """Where all else is there, as told by an interpreter that says so."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{json.dumps(ALL)}'\n")
    python.chmod(0o755)
    with pytest.raises(MissingRequirement, match=r"compute capability 8\.0"):
        require_machine(str(python), tmp_path)
    (tmp_path / "nvidia0").touch()
    require_machine(str(python), tmp_path)


@pytest.mark.parametrize(
    "files", [{"config.json": {"build_config": {}, "pretrained_config": {}}}, {"rank0.engine": {}}]
)
def test_an_engine_that_was_built_ahead_is_refused(tmp_path: Path, files: dict[str, object]) -> None:
    """With what to serve instead, whatever the machine lacks."""
    for name, content in {"config.json": {}, **files}.items():
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(InvalidModelEntry, match="Serve the checkpoint"):
        engine(tmp_path).start()


def test_the_worker_tells_why_it_cannot_load() -> None:
    """The real process, in this environment: it has no TensorRT-LLM."""
    warm = Settings({}, {})
    program = WorkerProgram(
        "TensorRT-LLM", "argosy.engines.tensorrt_llm.worker", Load({}, "", 1, 1, 1.0, warm), "/models/x", decode_report
    )
    supervisor: WorkerSupervisor[object] = WorkerSupervisor("x", program)
    supervisor.start()
    with pytest.raises(InvalidModelEntry, match=r"TensorRT-LLM cannot load /models/x: No module named"):
        supervisor.ready(30)
    supervisor.stop()


def test_the_worker_needs_little_of_the_gateways_environment() -> None:
    """Beside what TensorRT-LLM brings it is msgspec: nothing that the two environments want in different releases."""
    script = "import sys, argosy.engines.tensorrt_llm.worker, argosy.engines.tensorrt_llm.sampling; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "msgspec" in loaded
    ours = {
        "fastapi",
        "starlette",
        "huggingface_hub",
        "tokenizers",
        "openvino",
        "tritonclient",
        "grpc",
        "orjson",
        "yaml",
    }
    assert not loaded & ours


def test_what_its_generations_can_do() -> None:
    """All but the alternatives to each token."""
    assert registry.features("tensorrt_llm") == frozenset(Feature) - {Feature.TOP_LOGPROBS}
