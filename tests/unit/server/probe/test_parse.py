"""Reading the kernel's text files."""

from __future__ import annotations

import pytest

from argosy.server.probe import parse


@pytest.mark.parametrize(
    ("text", "limit"), [("max 100000\n", None), ("150000 100000\n", 1.5), ("", None), ("0 100000", None), ("x y", None)]
)
def test_cpu_max(text: str, limit: float | None) -> None:
    """Version 2 gives quota and period in one file."""
    assert parse.cpu_max(text) == limit


@pytest.mark.parametrize(
    ("quota", "period", "limit"), [("-1\n", "100000\n", None), ("50000\n", "100000\n", 0.5), ("", "", None)]
)
def test_cfs_quota(quota: str, period: str, limit: float | None) -> None:
    """Version 1 writes -1 for no limit."""
    assert parse.cfs_quota(quota, period) == limit


@pytest.mark.parametrize(
    ("text", "limit"), [("max\n", None), ("2147483648\n", 2 << 30), ("9223372036854771712\n", None), ("", None)]
)
def test_memory_max(text: str, limit: int | None) -> None:
    """Version 1 writes the largest number of whole pages for no limit."""
    assert parse.memory_max(text) == limit


def test_cgroups() -> None:
    """Joined controllers share a path, and a path may hold colons."""
    found = parse.cgroups("5:cpu,cpuacct:/a\n1:name=systemd:/b:c\n0::/d\n")
    assert found == {"cpu": "/a", "cpuacct": "/a", "name=systemd": "/b:c", "": "/d"}


def test_an_unknown_arm_processor_shows_its_numbers() -> None:
    """A part that is not in the table is given as it stands."""
    processor = parse.cpuinfo("CPU implementer : 0x99\nCPU part : 0x123\nFeatures : asimd\n")
    assert (processor.vendor, processor.model) == ("implementer 0x99", "part 0x123")
    assert processor.features == {"neon"}


@pytest.mark.parametrize("text", ["", "\n\n", "garbage", "CPU implementer : what"])
def test_unreadable_content_gives_nothing(text: str) -> None:
    """What cannot be read is left empty; nothing raises."""
    assert parse.cpuinfo(text) == parse.Processor()
    assert parse.meminfo(text) == 0
    assert parse.gpu_model(text) == "NVIDIA GPU"
