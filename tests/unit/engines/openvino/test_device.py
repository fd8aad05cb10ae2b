"""How a network is compiled: what the deployment asks for, within what the machine can do."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import openvino
import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, ProfileSpec, Task
from argosy.engines.contract import EngineOptions
from argosy.engines.openvino import device
from argosy.engines.openvino.device import DeviceOptions, compile_network, read_network, supported_precision
from tests.unit.engines.openvino import networks

SPEC = ModelSpec("sum", Task.TENSOR, "openvino", profile=ProfileSpec("bf16"))


def options(threads: int = 1, **parameters: str) -> DeviceOptions:
    return DeviceOptions.of(SPEC, EngineOptions(Path(), threads, parameters=parameters))


@pytest.mark.parametrize(("threads", "streams"), [(1, 1), (2, 2), (3, 2), (8, 4)])
def test_streams_follow_the_threads(threads: int, streams: int) -> None:
    """Up to two threads each is a stream; beyond, two share one."""
    assert options(threads).streams == streams


def test_parameters_override_the_profile() -> None:
    """A deployment's parameters win over what the entry was built for."""
    assert options().precision == "bf16"
    assert options(precision="f32").precision == "f32"
    assert options(4, streams="1").streams == 1
    assert options(quantization_group="0").quantization_group == 0


@pytest.mark.parametrize(("mode", "streams"), [("latency", 1), ("throughput", 8), ("", 4)])
def test_the_performance_mode_decides_how_many_run_side_by_side(mode: str, streams: int) -> None:
    """All threads for one execution, or one for each; a number of streams wins over it."""
    assert options(8, performance_mode=mode).streams == streams
    assert options(8, performance_mode=mode, streams="2").streams == 2


def test_an_unknown_performance_mode_is_named() -> None:
    """The message says what to write."""
    with pytest.raises(InvalidModelEntry, match=r"performance_mode.*'latency' or 'throughput'"):
        options(8, performance_mode="speed")


class Lesser:
    """A device that can do f32 only, told as OpenVINO's core tells it."""

    def get_property(self, device: str, name: str) -> list[str]:
        return ["FP32"]


def test_falls_back_to_f32_where_the_device_cannot_more() -> None:
    """A precision that the device lacks becomes f32; one that it has stays."""
    assert supported_precision(Lesser(), options()) == "f32"
    assert supported_precision(openvino.Core(), options(precision="f32")) == "f32"


def test_compiles_within_the_threads(tmp_path: Path) -> None:
    """The compiled network has the threads, streams and precision that were asked for, and keeps its cache."""
    networks.write_sum(tmp_path / "model.xml")
    core = openvino.Core()
    wanted = options(2, precision="f32", streams="1", cache_dir=str(tmp_path / "cache"))
    compiled = compile_network(core, read_network(core, tmp_path, "model.xml"), wanted, "sum")
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 2
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == openvino.Type.f32
    assert [*(tmp_path / "cache").rglob("*.blob")]


def test_processes_that_start_at_once_share_a_cold_cache(tmp_path: Path) -> None:
    """Four engines with one network and one cache folder all come up: none reads what another still writes."""
    model = Path(__file__).parents[4] / "models" / "all-minilm-l6-v2"
    program = f"""
from pathlib import Path
from argosy.engines.contract import EngineOptions
from argosy.engines.registry import create
from argosy.store.entries import read_spec
entry = Path({str(model)!r})
parameters = {{"cache_dir": {str(tmp_path)!r}, "warm_up": "0"}}
engine = create(read_spec(entry), EngineOptions(entry / "1", threads=2, max_batch_size=64, parameters=parameters))
engine.start()
"""
    processes = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(4)]
    assert [process.wait(100) for process in processes] == [0, 0, 0, 0]


def test_a_cache_that_somebody_holds_for_ever_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that was stopped while it held the cache folder keeps no other from compiling."""
    monkeypatch.setattr(device, "_LOCK_SECONDS", 0.1)
    networks.write_sum(tmp_path / "model.xml")
    core = openvino.Core()
    network = read_network(core, tmp_path, "model.xml")
    wanted = options(precision="f32", cache_dir=str(tmp_path / "cache"))
    (tmp_path / "cache" / "sum").mkdir(parents=True)
    with (tmp_path / "cache" / "sum" / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert compile_network(core, network, wanted, "sum").inputs
    assert "Another process holds the cache folder" in caplog.text
    assert not [*(tmp_path / "cache").rglob("*.blob")]
