"""What a machine offers, from files written the way such machines show them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest

from argosy.server.probe.host import (
    Host,
    cpu_quota,
    gpus,
    memory_limit,
    probe,
    recommended_engine_threads,
    recommended_workers,
)

DATA = Path(__file__).parent / "data"


def test_a_gpu_server() -> None:
    """A Sapphire Rapids host with two H100."""
    host = probe(DATA / "h100")
    assert (host.cpu_vendor, host.cpu_model) == ("GenuineIntel", "Intel(R) Xeon(R) Platinum 8480C")
    assert host.features == {"avx2", "avx512", "vnni", "bf16", "amx"}
    assert host.gpus == ("NVIDIA H100 80GB HBM3",) * 2
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
    assert host.processors == len(os.sched_getaffinity(0))
    assert 1 <= host.cores <= host.processors
    assert host.memory > 1 << 28
    assert host.to_mapping()["cores"] == host.cores


def test_nothing_to_read_gives_an_empty_host(tmp_path: Path) -> None:
    """A machine without these files is no error."""
    host = probe(tmp_path)
    assert (host.cpu_model, host.memory, host.shared_memory, host.quota) == ("", 0, 0, None)
    assert host.cores >= 1


@pytest.mark.parametrize(
    ("script", "found"),
    [("echo 'NVIDIA L4'; echo 'NVIDIA L4'", ("NVIDIA L4", "NVIDIA L4")), ("echo broken; exit 9", ())],
)
def test_nvidia_smi_is_asked_where_the_driver_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, found: tuple[str, ...]
) -> None:
    """A failing nvidia-smi means no GPU."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus(tmp_path) == found


def test_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither driver nor nvidia-smi means none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus(tmp_path) == ()


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
