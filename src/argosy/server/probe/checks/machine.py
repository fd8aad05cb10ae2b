"""Processor, memory, shared memory and limits."""

from __future__ import annotations

import resource

from argosy.server.probe.checks.finding import Finding, Level
from argosy.server.probe.gpus import Gpu
from argosy.server.probe.host import Host, recommended_engine_threads

_MIB = 1 << 20
_GIB = 1 << 30
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the fixed name of POSIX shared memory on Linux
_LEAST_SHARED_MEMORY = 256 * _MIB
_UNUSABLE_SHARED_MEMORY = 64 * _MIB
_LEAST_MEMORY = 2048 * _MIB
_FEW_FILES = 4096


def check_processor(host: Host) -> Finding:
    """Whether the processor has what makes inference fast; it serves without, slower."""
    model = host.cpu_model or host.architecture
    found = f"{model}, {host.cores} usable, {' '.join(sorted(host.features)) or 'no vector extensions'}"
    lacking = [name for name, present in _wanted(host) if not present]
    if not lacking:
        return Finding("Processor", Level.OK, found)
    effect = "models run in float32, about half as fast" if lacking == ["bf16"] else "models run slowly"
    return Finding("Processor", Level.WARN, f"{found}; no {' or '.join(lacking)}: {effect}")


def check_cores(host: Host) -> Finding:
    """Whether an engine can be busy without starving Triton and the gateway."""
    threads = recommended_engine_threads(host)
    if host.cores >= 2:
        return Finding("Processors", Level.OK, f"{host.cores}; up to {threads} busy for each engine")
    granted = "1 processor" if host.quota is None else f"{host.quota:g} processors' worth of time"
    return Finding(
        "Processors", Level.WARN, f"{granted}; a busy engine can starve Triton", "docker run --cpus=2 … (or more)"
    )


def check_shared_memory(host: Host) -> Finding:
    """Whether Triton and its model processes have room to exchange tensors."""
    mebibytes = host.shared_memory // _MIB
    if host.shared_memory >= _LEAST_SHARED_MEMORY:
        return Finding(_SHARED_MEMORY, Level.OK, f"{mebibytes} MiB")
    remedy = "mount -o remount,size=1g /dev/shm (in a container: docker run --shm-size=1g …)"
    if host.shared_memory == 0:
        return Finding(_SHARED_MEMORY, Level.FAIL, "missing", "mount -t tmpfs -o size=1g tmpfs /dev/shm")
    level = Level.WARN if host.shared_memory >= _UNUSABLE_SHARED_MEMORY else Level.FAIL
    return Finding(_SHARED_MEMORY, level, f"{mebibytes} MiB, which holds few models; 256 MiB are needed", remedy)


def check_memory(host: Host) -> Finding:
    """Whether the bundled models fit."""
    found = f"{host.memory / (1 << 30):.1f} GiB"
    if host.memory >= _LEAST_MEMORY:
        return Finding("Memory", Level.OK, found)
    return Finding(
        "Memory", Level.WARN, f"{found}; the bundled models need 2 GiB", "docker run --memory=4g … (or more)"
    )


def check_open_files(limit: int | None = None) -> Finding:
    """Whether the limit of open files lets many clients in."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    if soft == resource.RLIM_INFINITY or soft >= _FEW_FILES:
        return Finding("Open files", Level.OK, "no limit" if soft == resource.RLIM_INFINITY else str(soft))
    return Finding("Open files", Level.WARN, f"limit {soft}; each client takes one", f"ulimit -n {_FEW_FILES * 4}")


def check_gpu(host: Host) -> Finding:
    """Which GPUs are here and what the driver says of them; none is needed."""
    if not host.gpus:
        if host.gpu_problem:
            return Finding("GPU", Level.WARN, host.gpu_problem, "nvidia-smi")
        return Finding("GPU", Level.OK, "none (not needed)")
    driver = f"; driver {host.driver}, CUDA {host.cuda}" if host.driver else ""
    found = f"{', '.join(map(_describe, host.gpus))}{driver}"
    if host.gpu_problem:
        remedy = "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility …"
        return Finding("GPU", Level.WARN, f"{found}; their memory is not known: {host.gpu_problem}", remedy)
    return Finding("GPU", Level.OK, found)


def check_engines(host: Host) -> Finding:
    """Which engines are installed, and what each build can run on."""
    found = [engine.label for engine in host.engines]
    if found:
        return Finding("Engines", Level.OK, ", ".join(found))
    return Finding("Engines", Level.WARN, "none", "pip install openvino openvino-genai openvino-tokenizers")


def _describe(gpu: Gpu) -> str:
    facts = [
        f"{gpu.memory / _GIB:.1f} GiB, {gpu.free / _GIB:.1f} free" if gpu.memory else "",
        "compute capability {}.{}".format(*gpu.capability) if gpu.capability else "",
        f"MIG with {len(gpu.slices)} instances" if gpu.mig else "",
    ]
    told = "; ".join(fact for fact in facts if fact)
    return f"{gpu.name} ({told})" if told else gpu.name


def _wanted(host: Host) -> list[tuple[str, bool]]:
    vectors = "avx2" if host.architecture in {"x86_64", "AMD64"} else "neon"
    return [(vectors, vectors in host.features), ("bf16", "bf16" in host.features)]
