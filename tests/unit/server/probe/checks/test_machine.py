"""Processor, memory, shared memory and limits."""

from __future__ import annotations

import resource
from dataclasses import replace

import pytest

from argosy.server.probe.checks import machine
from argosy.server.probe.checks.finding import Level
from argosy.server.probe.gpus import Gpu
from argosy.server.probe.software import Engine
from tests.unit.server.probe.test_host import HOST

GOOD = replace(
    HOST, features=frozenset({"avx2", "bf16"}), cpu_model="EPYC", memory=8 << 30, shared_memory=1 << 30, processors=4
)


def test_a_good_machine_passes() -> None:
    """Nothing to remedy."""
    findings = [
        check(GOOD)
        for check in (
            machine.check_processor,
            machine.check_cores,
            machine.check_memory,
            machine.check_shared_memory,
            machine.check_gpu,
        )
    ]
    assert [finding.level for finding in findings] == [Level.OK] * 5
    assert not any(finding.remedy for finding in findings)


@pytest.mark.parametrize(
    ("features", "architecture", "says"),
    [({"avx2"}, "x86_64", "half as fast"), (set(), "x86_64", "no avx2 or bf16"), (set(), "aarch64", "no neon or bf16")],
)
def test_a_lesser_processor_is_a_warning(features: set[str], architecture: str, says: str) -> None:
    """It serves, slower."""
    finding = machine.check_processor(replace(GOOD, features=frozenset(features), architecture=architecture))
    assert finding.level is Level.WARN
    assert says in finding.found


def test_one_processor_is_a_warning() -> None:
    """A quota counts as well as the number of processors."""
    finding = machine.check_cores(replace(GOOD, quota=1.5))
    assert finding.level is Level.WARN
    assert "1.5 processors" in finding.found


@pytest.mark.parametrize(
    ("mebibytes", "level", "remedy"),
    [
        (0, Level.FAIL, "mount -t tmpfs"),
        (32, Level.FAIL, "--shm-size"),
        (64, Level.WARN, "--shm-size"),
        (256, Level.OK, ""),
    ],
)
def test_shared_memory(mebibytes: int, level: Level, remedy: str) -> None:
    """Docker's own 64 MiB get a warning with the flag that raises them."""
    finding = machine.check_shared_memory(replace(GOOD, shared_memory=mebibytes << 20))
    assert finding.level is level
    assert remedy in finding.remedy


def test_little_memory_is_a_warning() -> None:
    """The bundled models may not fit, smaller ones do."""
    assert machine.check_memory(replace(GOOD, memory=1 << 30)).level is Level.WARN


@pytest.mark.parametrize(
    ("limit", "level"), [(1024, Level.WARN), (4096, Level.OK), (resource.RLIM_INFINITY, Level.OK), (None, None)]
)
def test_open_files(limit: int | None, level: Level | None) -> None:
    """A low limit gets the command that raises it; without an argument the process's own is looked at."""
    finding = machine.check_open_files(limit)
    if level is None:
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        level = Level.OK if soft == resource.RLIM_INFINITY or soft >= 4096 else Level.WARN
    assert finding.level is level
    assert finding.remedy.startswith("ulimit -n") is (level is Level.WARN)


def test_a_gpu_is_described_with_its_driver() -> None:
    """Memory, compute capability and MIG stand in the line."""
    gpu = Gpu(0, "Tesla T4", "1eb8:10de", 15 << 30, 14 << 30, 0, (7, 5))
    finding = machine.check_gpu(replace(GOOD, gpus=(gpu,), driver="550.54", cuda="12.4"))
    assert finding.level is Level.OK
    assert finding.found == ("Tesla T4 (15.0 GiB, 14.0 free; compute capability 7.5); driver 550.54, CUDA 12.4")
    divided = machine.check_gpu(replace(GOOD, gpus=(replace(gpu, mig=True),)))
    assert "MIG with 0 instances" in divided.found


@pytest.mark.parametrize("gpus", [(), (Gpu(0, "Tesla T4"),)])
def test_a_driver_that_does_not_answer_is_a_warning(gpus: tuple[Gpu, ...]) -> None:
    """The reason is told, and what to try."""
    finding = machine.check_gpu(replace(GOOD, gpus=gpus, gpu_problem="NVML: Driver Not Loaded"))
    assert finding.level is Level.WARN
    assert "NVML: Driver Not Loaded" in finding.found
    assert finding.remedy


def test_engines_are_told_with_their_devices() -> None:
    """None at all is a warning."""
    finding = machine.check_engines(replace(GOOD, engines=(Engine("torch", "2.13.0", ("cpu", "cuda")),)))
    assert (finding.level, finding.found) == (Level.OK, "torch 2.13.0 (cpu, cuda)")
    assert machine.check_engines(GOOD).level is Level.WARN
