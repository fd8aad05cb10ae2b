"""Engines by name. Each creator imports its library only when called, so that this package imports anywhere."""

from __future__ import annotations

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec
from argosy.engines.contract import EngineFactory, EngineOptions, Feature, GenerationEngine, TensorEngine
from argosy.engines.deployment import TRITON_OPTIONS, DeploymentOption, Lengths, shortened
from argosy.engines.echo.features import FEATURES as ECHO_FEATURES
from argosy.engines.native import NATIVE
from argosy.engines.openvino_genai.features import FEATURES as GENAI_FEATURES
from argosy.engines.tensorrt_llm.features import FEATURES as TENSORRT_LLM_FEATURES
from argosy.engines.tensorrt_llm.features import OPTIONS as TENSORRT_LLM_OPTIONS
from argosy.engines.vllm.features import FEATURES as VLLM_FEATURES
from argosy.engines.vllm.features import OPTIONS as VLLM_OPTIONS

_LENGTHS = frozenset({DeploymentOption.MAX_MODEL_LEN, DeploymentOption.MAX_INPUT_LENGTH})
_OPENVINO_OPTIONS = _LENGTHS | TRITON_OPTIONS | {DeploymentOption.PERFORMANCE_MODE, DeploymentOption.QUANTIZATION_GROUP}
_TORCH_OPTIONS = _LENGTHS | TRITON_OPTIONS | {DeploymentOption.PERFORMANCE_MODE}
_GENAI_OPTIONS = _LENGTHS | {
    DeploymentOption.MAX_OUTPUT_LENGTH,
    DeploymentOption.MAX_BATCH_SIZE,
    DeploymentOption.MAX_NUM_SEQS,
    DeploymentOption.MAX_NUM_BATCHED_TOKENS,
    DeploymentOption.KV_CACHE_GIB,
    DeploymentOption.KV_CACHE_PRECISION,
    DeploymentOption.KV_CACHE_REUSE,
    DeploymentOption.CHUNKED_PREFILL,
}


def create(spec: ModelSpec, options: EngineOptions) -> TensorEngine | GenerationEngine:
    """Build the engine that a model entry names; it is not started. The parameters' lengths shorten the model.

    Raises:
        InvalidModelEntry: no engine has that name, or a length cannot be used.
    """
    if spec.engine in NATIVE:
        raise InvalidModelEntry(
            f"Model {spec.name!r}: {spec.engine} is a backend of Triton's own, which no Python process runs. Its "
            f'config.pbtxt must say backend: "{spec.engine}".'
        )
    try:
        factory = ENGINES[spec.engine]
    except KeyError:
        known = ", ".join(sorted(ENGINES))
        raise InvalidModelEntry(
            f"Model {spec.name!r} names the engine {spec.engine!r}; this build has: {known}."
        ) from None
    return factory.create(shortened(spec, Lengths.of(options.parameters)), options)


def features(engine: str) -> frozenset[Feature]:
    """What an engine's generations can do; nothing for an engine that does not exist."""
    factory = ENGINES.get(engine)
    return frozenset() if factory is None else factory.features


def deployment_options(engine: str) -> frozenset[DeploymentOption]:
    """What an operator may say of how an engine runs models; nothing for an engine that does not exist."""
    found = ENGINES.get(engine) or NATIVE.get(engine)
    return frozenset() if found is None else found.options


def _echo(spec: ModelSpec, options: EngineOptions) -> TensorEngine | GenerationEngine:
    from argosy.engines.echo.engine import create as build  # noqa: PLC0415

    return build(spec, options)


def _openvino(spec: ModelSpec, options: EngineOptions) -> TensorEngine:
    from argosy.engines.openvino.engine import create as build  # noqa: PLC0415

    return build(spec, options)


def _openvino_genai(spec: ModelSpec, options: EngineOptions) -> GenerationEngine:
    from argosy.engines.openvino_genai.engine import create as build  # noqa: PLC0415

    return build(spec, options)


def _torch(spec: ModelSpec, options: EngineOptions) -> TensorEngine:
    from argosy.engines.torch.engine import create as build  # noqa: PLC0415

    return build(spec, options)


def _vllm(spec: ModelSpec, options: EngineOptions) -> GenerationEngine:
    from argosy.engines.vllm.engine import create as build  # noqa: PLC0415

    return build(spec, options)


def _tensorrt_llm(spec: ModelSpec, options: EngineOptions) -> GenerationEngine:
    from argosy.engines.tensorrt_llm.engine import create as build  # noqa: PLC0415

    return build(spec, options)


ENGINES: dict[str, EngineFactory] = {
    factory.name: factory
    for factory in (
        EngineFactory("echo", _echo, ECHO_FEATURES, _LENGTHS | TRITON_OPTIONS),
        EngineFactory("openvino", _openvino, options=_OPENVINO_OPTIONS),
        EngineFactory("openvino_genai", _openvino_genai, GENAI_FEATURES, _GENAI_OPTIONS),
        EngineFactory("vllm", _vllm, VLLM_FEATURES, VLLM_OPTIONS),
        EngineFactory("torch", _torch, options=_TORCH_OPTIONS),
        EngineFactory("tensorrt_llm", _tensorrt_llm, TENSORRT_LLM_FEATURES, TENSORRT_LLM_OPTIONS),
    )
}
