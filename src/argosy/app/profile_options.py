"""From the settings to what the selector is told."""

from __future__ import annotations

from argosy.server.profiles.select import Options
from argosy.settings import Settings


def options(settings: Settings) -> Options:
    """What the operator says of all profiles."""
    parallel = {"tp": settings.tensor_parallel_size, "pp": settings.pipeline_parallel_size}
    usual = Options()
    return Options(
        max_model_len=settings.max_model_len,
        gpu_memory_fraction=settings.gpu_memory_utilization or usual.gpu_memory_fraction,
        lora=settings.peft_source is not None,
        tags={key: str(value) for key, value in parallel.items() if value is not None},
    )


def serve_options(settings: Settings) -> Options:
    """The same for models that are built already: what their entries cannot do is told elsewhere."""
    usual = options(settings)
    return Options(max_model_len=usual.max_model_len, gpu_memory_fraction=usual.gpu_memory_fraction)
