"""What a machine offers, from files written the way such machines show them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest

from argosy.core.errors import InvalidSetting
from argosy.server.probe.cgroups import cpu_quota, memory_limit
from argosy.server.probe.gpus import Gpu, Slice
from argosy.server.probe.host import (
    Host,
    probe,
    read_host,
    recommended_engine_threads,
    recommended_workers,
)
from argosy.server.probe.software import Engine

DATA = Path(__file__).parent / "data"


def test_a_gpu_server() -> None:
    """A Sapphire Rapids host with two H100."""
    host = probe(DATA / "h100")
    assert (host.cpu_vendor, host.cpu_model) == ("GenuineIntel", "Intel(R) Xeon(R) Platinum 8480C")
    assert host.features == {"avx2", "avx512", "vnni", "bf16", "amx"}
    assert [gpu.name for gpu in host.gpus] == ["NVIDIA H100 80GB HBM3"] * 2
    assert "libnvidia-ml.so.1 is not here" in host.gpu_problem
    assert host.quota is None
    assert host.memory == 2113530924 << 10


def test_an_arm_server() -> None:
    """A Graviton 3 is known by its numbers."""
    host = probe(DATA / "graviton3")
    assert (host.cpu_vendor, host.cpu_model) == ("ARM", "Neoverse-V1")
    assert host.features == {"neon", "bf16", "i8mm", "sve"}


@pytest.mark.parametrize(
    ("machine", "quota", "memory"),
    [("container_v2", 1.5, 2 << 30), ("container_v1", 4.0, 512 << 20), ("pod", 2.5, 8 << 30)],
)
def test_a_container_has_what_its_groups_grant(machine: str, quota: float, memory: int) -> None:
    """Both versions of control groups are read, and the tightest of nested groups counts."""
    host = probe(DATA / machine)
    assert (host.quota, host.memory) == (quota, memory)
    assert host.features == {"avx2"}


def test_a_group_outside_of_the_container_is_not_looked_for(tmp_path: Path) -> None:
    """A path that leads out of the mount ends at the container's own group."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/../../other\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("300000 100000\n")
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("1024\n")
    assert cpu_quota(tmp_path) == 3.0
    assert memory_limit(tmp_path) == 1024


def test_this_machine() -> None:
    """The real machine answers with real versions."""
    host = probe(devices=True)
    assert host.numpy == np.__version__
    assert host.openvino in openvino.__version__
    assert "CPU" in host.devices
    assert host.engine("openvino") is not None
    assert host.engine("argosy") is None
    assert host.processors == len(os.sched_getaffinity(0))
    assert 1 <= host.cores <= host.processors
    assert host.memory > 1 << 28
    assert host.to_mapping()["cores"] == host.cores


def test_nothing_to_read_gives_an_empty_host(tmp_path: Path) -> None:
    """A machine without these files is no error."""
    host = probe(tmp_path)
    assert (host.cpu_model, host.memory, host.shared_memory, host.quota) == ("", 0, 0, None)
    assert host.cores >= 1


def test_a_description_is_read_back() -> None:
    """What is printed as JSON describes the same machine."""
    host = replace(
        probe(),
        gpus=(Gpu(0, "NVIDIA A100", "20b2:10de", 40 << 30, 39 << 30, 3, (8, 0), "GPU-1", True, (Slice("1g", 5, 4),)),),
        devices=("CPU",),
        engines=(Engine("torch", "2.13.0", ("cpu", "cuda"), ("transformers",)),),
    )
    assert Host.from_mapping(json.loads(json.dumps(host.to_mapping()))) == host


def test_a_file_describes_a_host_as_doctor_prints_it(tmp_path: Path) -> None:
    """With the whole report around it, or by itself with three keys."""
    file = tmp_path / "host.json"
    file.write_text(json.dumps({"ok": True, "host": probe().to_mapping()}))
    assert read_host(file).numpy == np.__version__
    file.write_text('{"architecture": "aarch64", "processors": 4, "memory": 1024}')
    assert (read_host(file).cores, read_host(file).gpus, read_host(file).triton) == (4, (), None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[]", "must hold a JSON mapping"),
        ("{", "cannot be read as a host"),
        ('{"architecture": "x"}', "must say its processors, memory"),
        ('{"architecture": "x", "processors": 1, "memory": 1, "gpu": []}', "has no gpu"),
        ('{"architecture": "x", "processors": "many", "memory": 1}', "cannot be used"),
        ('{"architecture": "x", "processors": 1, "memory": 1, "gpus": [{"title": "T4"}]}', "cannot be used"),
        ('{"architecture": "x", "processors": 1, "memory": 1, "engines": ["vllm"]}', "cannot be used"),
    ],
)
def test_a_bad_description_is_refused_by_its_fault(tmp_path: Path, content: str, says: str) -> None:
    """The file is named, and what is wrong in it."""
    file = tmp_path / "host.json"
    file.write_text(content)
    with pytest.raises(InvalidSetting, match=says) as raised:
        read_host(file)
    assert str(file) in raised.value.message


HOST = Host(
    architecture="x86_64",
    cpu_vendor="",
    cpu_model="",
    features=frozenset(),
    processors=2,
    quota=None,
    memory=0,
    shared_memory=0,
    python="",
    numpy="",
    openvino="",
)


@pytest.mark.parametrize(
    ("processors", "quota", "threads", "workers"),
    [
        (1, None, 1, 1),
        (2, None, 2, 1),
        (4, None, 4, 1),
        (8, None, 7, 2),
        (8, 2.9, 2, 1),
        (8, 0.5, 1, 1),
        (96, None, 95, 8),
    ],
)
def test_threads_and_workers_follow_the_processors_granted(
    processors: int, quota: float | None, threads: int, workers: int
) -> None:
    """Engines get every processor that the quota grants up to four, and leave one free beyond."""
    host = replace(HOST, processors=processors, quota=quota)
    assert recommended_engine_threads(host) == threads
    assert recommended_workers(host) == workers
