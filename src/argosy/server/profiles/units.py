"""The GPUs of a host as programs see them."""

from __future__ import annotations

from dataclasses import dataclass

from argosy.server.probe.host import Host


@dataclass(frozen=True, slots=True)
class Unit:
    """A GPU, or one MIG instance of a divided GPU.

    Attributes:
        number: of the GPU.
        memory: bytes; 0 when unknown.
        joins: whether it can work together with others on one model; MIG instances cannot.
    """

    number: int
    name: str
    pci_device: str
    memory: int
    free: int
    capability: tuple[int, int] | None
    utilization: int | None = None
    joins: bool = True


def units(host: Host) -> tuple[Unit, ...]:
    """What a program can compute on; the instances of a divided GPU stand for it."""
    found: list[Unit] = []
    for gpu in host.gpus:
        if not gpu.mig:
            found.append(
                Unit(gpu.index, gpu.name, gpu.pci_device, gpu.memory, gpu.free, gpu.capability, gpu.utilization)
            )
            continue
        found += [
            Unit(gpu.index, part.name, gpu.pci_device, part.memory, part.free, gpu.capability, joins=False)
            for part in gpu.slices
        ]
    return tuple(found)
