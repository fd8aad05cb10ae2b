"""One way to run one model, under the names that deployment tools select by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from argosy.server.profiles.memory import Footprint

ANY_GPU, NO_GPU = "any", "none"
"""Values of the tag `gpu` beside the models of GPUs."""


class Device(StrEnum):
    """What a profile computes on."""

    GPU = "gpu"
    CPU = "cpu"


class Objective(StrEnum):
    """What a profile is best at: LATENCY spreads a model over more GPUs than it needs, THROUGHPUT does not."""

    LATENCY = "latency"
    THROUGHPUT = "throughput"


@dataclass(frozen=True, slots=True)
class GpuModel:
    """The GPU that a profile was built for; whatever is said must fit.

    Attributes:
        name: such as "H100" or "h100_nvl".
        pci_device: "2330:10de".
        pattern: regular expression of the product name, its blanks written as hyphens.
    """

    name: str = ""
    pci_device: str = ""
    pattern: str = ""

    @property
    def label(self) -> str:
        """What people call it."""
        return self.name or self.pattern or self.pci_device


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a profile asks of a machine.

    Attributes:
        tp: GPUs that share each layer (tensor parallelism).
        pp: groups of GPUs that share the layers among them (pipeline parallelism).
        gpu: the GPU it was built for, or None for any.
        capability: lowest CUDA compute capability.
        features: what the processor must have, such as `bf16`.
        footprint: what it keeps in memory, or None when nobody knows.
    """

    engine: str
    device: Device
    tp: int = 1
    pp: int = 1
    gpu: GpuModel | None = None
    capability: tuple[int, int] = (0, 0)
    features: frozenset[str] = frozenset()
    footprint: Footprint | None = None

    @property
    def gpus(self) -> int:
        """How many GPUs it takes."""
        return self.tp * self.pp if self.device is Device.GPU else 0


@dataclass(frozen=True, slots=True)
class Proof:
    """How a built profile compared with the reference.

    Attributes:
        passed: whether it was as exact as its task needs.
        text: the figures, for people.
        figures: accuracy by name.
        thresholds: the bound that each figure was held to, such as `>= 0.98`.
        reference: what it was compared with.
        samples: how many judged it; 0 when nobody says.
    """

    passed: bool
    text: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    samples: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """One way to run one model.

    Attributes:
        id: 64 hexadecimal digits; the same for the same weights run in the same way.
        name: the same in words, such as `openvino-bf16-int8`.
        tags: what selectors compare, text to text.
        precision: the narrowest numbers it keeps its weights in, `fp8`, `int8`, `bf16`, …
        lora: whether adapters can be served on it.
        built: False when it must be compiled or converted before it can start.
        proof: None when it was never compared.
    """

    id: str
    name: str
    model: str
    tags: Mapping[str, str]
    needs: Requirements
    precision: str = ""
    objective: Objective | None = None
    lora: bool = False
    built: bool = True
    proof: Proof | None = None


def identify(model: str, origin: Any, tags: Mapping[str, str]) -> str:
    """The id of a profile: SHA-256 over the model, what its weights are known by, and the tags."""
    text = json.dumps([model, origin, dict(tags)], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
