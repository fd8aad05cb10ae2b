"""What serves an ONNX file, on machines with and without Triton's own ONNX Runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from argosy.runtime.model_config import read_message
from argosy.server.artifacts.adopt import adopt
from argosy.server.artifacts.source import Source
from argosy.server.probe.host import Host
from argosy.server.probe.triton import Triton
from argosy.server.profiles import wish
from argosy.server.profiles.checkpoint import Terms
from argosy.server.profiles.network_choice import choose_network
from argosy.server.profiles.sources.entry import profile_of
from argosy.store.entries import CONFIG_FILE
from tests.suites.hosts import BARE, OPENVINO, gpu, with_gpus
from tests.unit.server.artifacts.onnx_bytes import matmul

WHEEL = Triton("2.51.0", "wheel", ("python",))
IMAGE = Triton("2.73.0", "binary", ("onnxruntime", "python"))
PLAIN = replace(BARE, engines=OPENVINO, triton=WHEEL)
ON_GPU = with_gpus(gpu(24))


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return matmul(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("host", "served"),
    [
        (PLAIN, None),
        (replace(PLAIN, triton=IMAGE), None),
        (replace(BARE, triton=IMAGE), ("onnxruntime", "cpu")),
        (ON_GPU, ("onnxruntime", "gpu")),
        (replace(ON_GPU, triton=WHEEL), None),
        (BARE, None),
    ],
    ids=["wheel", "image", "image-without-openvino", "gpu", "gpu-with-the-wheel", "nothing"],
)
def test_the_machine_decides(host: Host, served: tuple[str, str] | None, network: Path) -> None:
    """A GPU before the processor where Triton can use it, OpenVINO before ONNX Runtime on the processor."""
    found = choose_network(host, network, "net", Terms())
    assert (found and (found.engine, found.device)) == served


def test_a_profile_that_is_asked_for_is_taken(network: Path) -> None:
    """Whatever else would be better; one that no profile of the network is, is meant for another model."""
    host = replace(PLAIN, triton=IMAGE)
    found = choose_network(host, network, "net", Terms(wish=wish.parse("onnxruntime-cpu-f32")))
    assert found is not None
    assert (found.engine, found.device) == ("onnxruntime", "cpu")
    assert choose_network(host, network, "net", Terms(wish=wish.parse("vllm-bf16-tp1"))) is None


def test_a_profile_that_is_asked_for_is_taken_though_it_cannot_run(network: Path) -> None:
    """The load says what is missing; another one is not put in its place."""
    found = choose_network(PLAIN, network, "net", Terms(wish=wish.parse("onnxruntime-cpu-f32")))
    assert found is not None
    assert found.name == "onnxruntime-cpu-f32"


def test_what_is_chosen_is_what_the_entry_says(network: Path, tmp_path: Path) -> None:
    """The backend, the kind of its instances, and the profile under the name it was chosen by; another machine's
    entry is another one."""

    def choose(_: Source, name: str, path: Path | None = None, /):
        return choose_network(ON_GPU, path, name, Terms()) if path is not None else None

    entry = adopt(network, tmp_path / "cache", choose=choose)
    config = read_message(entry.directory / CONFIG_FILE)
    assert (config.backend, config.instance_group[0].kind) == ("onnxruntime", 1)
    profile = profile_of(entry.spec)
    assert (profile.name, profile.needs.device) == ("onnxruntime-gpu-f32", "gpu")
    assert adopt(network, tmp_path / "cache", choose=choose).directory == entry.directory
    assert adopt(network, tmp_path / "cache").spec.engine == "openvino"
