"""All checks of `argosy doctor`, in the order in which a newcomer meets the problems."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from argosy.server.probe.checks import folders, machine, openvino, port, python, triton
from argosy.server.probe.checks.finding import Finding
from argosy.server.probe.host import Host


@dataclass(frozen=True, slots=True)
class Plan:
    """What Argosy would use if it were started now.

    Attributes:
        tritonserver: the program, or None for the wheel's.
        triton_url: a Triton that somebody else runs, or empty.
    """

    host: str
    port: int
    cache: Path
    run_directory: Path
    tritonserver: Path | None = None
    triton_url: str = ""


def examine(machine_host: Host, plan: Plan) -> tuple[Finding, ...]:
    """Look at everything; takes a few seconds, changes nothing."""
    return (
        python.check_python(),
        python.check_numpy(),
        triton.check_triton(plan.tritonserver, plan.triton_url),
        openvino.check_openvino(),
        openvino.check_genai(),
        machine.check_processor(machine_host),
        machine.check_cores(machine_host),
        machine.check_memory(machine_host),
        machine.check_shared_memory(machine_host),
        machine.check_gpu(machine_host),
        machine.check_engines(machine_host),
        folders.check_folder("Cache", plan.cache, "ARGOSY_CACHE"),
        folders.check_folder("Run folder", plan.run_directory, "ARGOSY_RUN_DIRECTORY", runs_programs=True),
        port.check_port(plan.host, plan.port),
        machine.check_open_files(),
    )
