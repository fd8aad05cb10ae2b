"""GPUs as NVML tells of them.

There is no GPU where these tests run: a small shared library in C takes the place of the driver's, and everything above
it, the binding and the child process included, is real. What a real driver answers is not covered.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from argosy.server.probe.gpus import Gpu, Gpus, Slice

SOURCE = Path(__file__).with_name("fake_nvml.c")
COMPILER = shutil.which("cc")
SURVEY = """
import dataclasses, json
from argosy.server.probe import gpus
gpus._SECONDS = {seconds}
print(json.dumps(dataclasses.asdict(gpus.survey())))
"""

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler for the stand-in of the driver's library")


@pytest.fixture(scope="module", params=["", "-DOLD"], ids=["new", "old"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bool]:
    """A folder with the library, and whether it is an old one that lacks functions."""
    return _build(tmp_path_factory.mktemp("nvml"), request.param), bool(request.param)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(tmp_path_factory.mktemp("nvml"), "")


def test_two_gpus_are_read_whole(library: tuple[Path, bool]) -> None:
    """Also by an old library, which lacks the functions for utilisation and MIG."""
    path, old = library
    found = survey(path, "two")
    assert (found.driver, found.cuda, found.problem) == ("550.54.15", "12.4", "")
    first, second = found.gpus
    assert first == Gpu(
        index=0,
        name="NVIDIA H100 80GB HBM3",
        pci_device="2330:10de",
        memory=81559 << 20,
        free=81459 << 20,
        utilization=None if old else 30,
        capability=(9, 0),
        uuid="GPU-aaaa-1",
    )
    assert (second.index, second.uuid, second.free) == (1, "GPU-bbbb-2", 81359 << 20)


def test_a_divided_gpu_has_its_instances(folder: Path) -> None:
    """Only those that exist, each with its own memory; what is not told of such a GPU stays unknown."""
    (gpu,) = survey(folder, "mig").gpus
    assert (gpu.mig, gpu.utilization, gpu.pci_device, gpu.capability) == (True, None, "20b0:10de", (8, 0))
    assert len(gpu.slices) == 3
    name = "NVIDIA A100-SXM4-40GB MIG 1g.5gb"
    assert gpu.slices[0] == Slice(name, 4864 << 20, gpu.slices[0].free, "GPU-bbbb-2")


def test_what_a_gpu_does_not_tell_stays_empty(folder: Path) -> None:
    """A virtual GPU may refuse everything but its name."""
    first = survey(folder, "bare").gpus[0]
    assert first == Gpu(0, "NVIDIA H100 80GB HBM3", uuid="GPU-aaaa-1")


def test_a_gpu_that_is_lost_is_left_out(folder: Path) -> None:
    """The others are there."""
    assert [gpu.index for gpu in survey(folder, "lost").gpus] == [1]


@pytest.mark.parametrize(
    ("machine", "problem"),
    [
        ("not_loaded", "NVML: Driver Not Loaded"),
        ("crash", "NVML ended with status -6"),
        ("hang", "NVML did not answer within 0.5 s"),
    ],
)
def test_a_driver_in_trouble_is_told_and_harms_nobody(folder: Path, machine: str, problem: str) -> None:
    """Neither its errors, nor its crash, nor its silence reaches the process that asks."""
    found = survey(folder, machine, seconds=0.5 if machine == "hang" else 20)
    assert found == Gpus(problem=problem)


@pytest.mark.parametrize(
    ("visible", "indices"), [("1,0", [1, 0]), ("GPU-bbbb", [1]), ("-1", []), ("", []), ("0,9,1", [0]), ("0", [0])]
)
def test_gpus_hidden_from_cuda_are_not_there(folder: Path, visible: str, indices: list[int]) -> None:
    """CUDA itself leaves out everything after the first name that it does not know."""
    found = survey(folder, "two", CUDA_VISIBLE_DEVICES=visible)
    assert [gpu.index for gpu in found.gpus] == indices


def test_no_library_means_no_gpu(tmp_path: Path) -> None:
    """And is no problem."""
    with contextlib.suppress(OSError):
        ctypes.CDLL("libnvidia-ml.so.1")
        pytest.skip("this machine has the driver's library")
    assert survey(tmp_path, "two") == Gpus()


def survey(folder: Path, machine: str, *, seconds: float = 20, **variables: str) -> Gpus:
    """What a process of its own finds with the library in `folder`."""
    environment = {key: value for key, value in os.environ.items() if key != "CUDA_VISIBLE_DEVICES"}
    environment |= {"LD_LIBRARY_PATH": str(folder), "FAKE_NVML": machine, **variables}
    command = [sys.executable, "-c", SURVEY.format(seconds=seconds)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    answer: dict[str, Any] = json.loads(done.stdout)
    return Gpus(
        tuple(Gpu.from_mapping(item) for item in answer["gpus"]), answer["driver"], answer["cuda"], answer["problem"]
    )


def _build(folder: Path, flag: str) -> Path:
    target = folder / "libnvidia-ml.so.1"
    command = [str(COMPILER), "-shared", "-fPIC", "-w", *([flag] if flag else []), "-o", str(target), str(SOURCE)]
    subprocess.run(command, check=True, timeout=60)
    return folder
