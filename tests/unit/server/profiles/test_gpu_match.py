"""Which GPU is meant."""

from __future__ import annotations

import pytest

from argosy.server.profiles.gpu_match import matches, short_name
from argosy.server.profiles.profile import GpuModel
from argosy.server.profiles.units import Unit
from tests.suites.hosts import GIB


@pytest.mark.parametrize(
    ("wanted", "name", "fits"),
    [
        (GpuModel("H100"), "NVIDIA H100 80GB HBM3", True),
        (GpuModel("h100_nvl"), "NVIDIA H100 NVL", True),
        (GpuModel("h100_nvl"), "NVIDIA H100 80GB HBM3", False),
        (GpuModel("A10"), "NVIDIA A100-SXM4-80GB", False),
        (GpuModel("A10G"), "NVIDIA A10G", True),
        (GpuModel("rtx4090"), "NVIDIA GeForce RTX 4090", True),
        (GpuModel("L40"), "NVIDIA L40S", False),
        (GpuModel(pattern="^NVIDIA-A10(?!0).*"), "NVIDIA A10G", True),
        (GpuModel(pattern="^NVIDIA-A10(?!0).*"), "NVIDIA A100-SXM4-80GB", False),
        (GpuModel("anything", "1EB8:10de"), "Tesla T4", True),
        (GpuModel("T4", "2330:10de"), "Tesla T4", False),
    ],
)
def test_a_gpu_fits_what_a_profile_says_of_it(wanted: GpuModel, name: str, fits: bool) -> None:
    """By whole words of its name, by NVIDIA's patterns, or by its PCI device, which decides."""
    assert matches(wanted, Unit(0, name, "1eb8:10de", GIB, GIB, (9, 0))) is fits


@pytest.mark.parametrize(
    ("name", "memory", "short"),
    [
        ("NVIDIA A100-SXM4-80GB", 81920, "A100 80GB"),
        ("NVIDIA H100 80GB HBM3", 81559, "H100 80GB"),
        ("NVIDIA H200", 143771, "H200 141GB"),
        ("Tesla T4", 15360, "T4 16GB"),
        ("NVIDIA L4", 23034, "L4 24GB"),
        ("NVIDIA L40S", 46068, "L40S 48GB"),
        ("NVIDIA GeForce RTX 4060 Laptop GPU", 8188, "RTX 4060 8GB"),
        ("GPU", 0, "GPU"),
    ],
)
def test_people_call_it_by_its_model_and_size(name: str, memory: int, short: str) -> None:
    """As it is sold."""
    assert short_name(name, memory << 20) == short
