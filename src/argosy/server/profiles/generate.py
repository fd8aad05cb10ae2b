"""The manifest of a model that came without one.

The lowest compute capabilities are those of the vendors' support tables: TensorRT-LLM 8.0 (Ampere), vLLM 7.0 (Volta),
fp8 arithmetic 8.9 (Ada), bf16 8.0, TensorRT 10 7.5 (Turing), ONNX Runtime and PyTorch for CUDA 12 and 13 7.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from argosy.server.profiles import overhead
from argosy.server.profiles.facts import Facts, Form
from argosy.server.profiles.manifest import Manifest
from argosy.server.profiles.memory import Footprint, KvCache
from argosy.server.profiles.profile import ANY_GPU, NO_GPU, Device, Objective, Profile, Requirements, identify

_TENSOR_PARALLEL = (1, 2, 4, 8)
_FP8, _AMPERE, _TURING, _VOLTA = (8, 9), (8, 0), (7, 5), (7, 0)
_CACHE_SCALES, _BLOCK = 8, 32


@dataclass(frozen=True, slots=True)
class _Row:
    """One way to run, before it is spelled out."""

    engine: str
    device: Device
    precision: str
    capability: tuple[int, int] = (0, 0)
    features: frozenset[str] = frozenset()
    tp: int = 1
    shares: bool = False
    lora: bool = False
    lora_variant: bool = False
    built: bool = True


def generate(facts: Facts) -> Manifest:
    """Every way that Argosy knows to run this model, best known first."""
    rows = _language_rows(facts) if facts.is_language_model else _network_rows(facts)
    profiles = tuple(_profile(facts, row) for row in rows)
    return Manifest(facts.name, profiles, f"generated from {facts.form} files", facts.context)


def footprint(
    facts: Facts, weights: str, engine: str, device: Device, *, arithmetic: str = "", tp: int = 1
) -> Footprint:
    """What a model keeps in memory.

    Args:
        facts: of the model.
        weights: how they are kept.
        engine: that runs it.
        device: that it runs on.
        arithmetic: numbers the engine computes with, where they are others than those of the weights.
        tp: GPUs that share each layer.
    """
    extra = overhead.on_gpu(facts, tp) if device is Device.GPU else overhead.on_cpu(facts, engine)
    cache = None
    if facts.is_language_model and facts.has_cache_shape:
        size = _cache_number(facts, engine, device, arithmetic or weights)
        cache = KvCache(facts.layers, facts.kv_heads, facts.head_size, size, facts.latent)
    size = facts.weights_in(weights)
    if facts.form in {Form.ONNX, Form.IR}:
        # What the files hold in int8 already does not shrink in bf16.
        size = max(size, facts.weight_bytes)
    return Footprint(size, extra, cache, facts.context if cache is not None else 0)


def _cache_number(facts: Facts, engine: str, device: Device, arithmetic: str) -> float:
    """Bytes of one number in the KV cache.

    Engines on GPUs keep 2 bytes. On processors f32 arithmetic keeps 4; otherwise vLLM keeps 2, and OpenVINO GenAI on
    x86 keeps 1 and, as 4 bytes each, a scale and a zero point: of a value's head for every token, of a key's channel
    for every block of 32 tokens (measured with 2026.4.1: 2432 bytes where 2048 numbers are kept, heads of 64).
    """
    if device is Device.GPU or not facts.head_size:
        return 2
    if arithmetic in {"f32", "fp32"}:
        return 4
    if engine == "vllm":
        return 2
    keys, values = 1 + _CACHE_SCALES / _BLOCK, 1 + _CACHE_SCALES / facts.head_size
    return (keys + values) / 2


def _language_rows(facts: Facts) -> Iterator[_Row]:
    if facts.form is Form.GGUF:
        yield _Row("openvino_genai", Device.CPU, facts.stored)
        return
    if facts.form is Form.IR:
        yield _Row("openvino_genai", Device.CPU, facts.stored, lora=True)
        return
    sizes = [tp for tp in _TENSOR_PARALLEL if _divides(facts, tp)]
    if facts.quantization:
        capability = _FP8 if facts.stored == "fp8" else _TURING
        for tp in sizes:
            yield _Row("vllm", Device.GPU, facts.stored, capability, tp=tp, shares=True)
        return
    native = "fp16" if facts.stored == "fp16" else "bf16"
    # It quantises nothing while it loads.
    for tp in sizes:
        yield _Row("tensorrt_llm", Device.GPU, native, _AMPERE, tp=tp, shares=True)
    for precision, capability in {"fp8": _FP8, "bf16": _AMPERE, "fp16": _VOLTA}.items():
        for tp in sizes:
            yield _Row("vllm", Device.GPU, precision, capability, tp=tp, shares=True)
    capability = _VOLTA if native == "fp16" else _AMPERE
    for tp in sizes:
        yield _Row("vllm", Device.GPU, native, capability, tp=tp, shares=True, lora=True, lora_variant=True)
    yield _Row("openvino_genai", Device.CPU, "int8", lora=True, built=False)
    yield _Row("openvino_genai", Device.CPU, "bf16", features=frozenset({"bf16"}), lora=True, built=False)
    yield _Row("openvino_genai", Device.CPU, "f32", lora=True, built=False)
    yield _Row("openvino_genai", Device.CPU, "int4", lora=True, built=False)
    yield _Row("vllm", Device.CPU, "bf16", features=frozenset({"bf16"}))
    yield _Row("vllm", Device.CPU, "f32")


def _network_rows(facts: Facts) -> Iterator[_Row]:
    from_source = facts.form is Form.TRANSFORMERS
    if facts.form is not Form.IR:
        yield _Row("tensorrt", Device.GPU, "fp16", _TURING, built=False)
        yield _Row("onnxruntime", Device.GPU, "f32", _VOLTA, built=not from_source)
    # What was quantised by a method of its own is read by the engines for language models only.
    as_it_is = from_source and not facts.quantization
    if as_it_is:
        yield _Row("torch", Device.GPU, "bf16", _AMPERE)
        yield _Row("torch", Device.GPU, "f32", _VOLTA)
    if facts.form is not Form.IR:
        yield _Row("openvino", Device.CPU, "int8", built=False)
    yield _Row("openvino", Device.CPU, "bf16", features=frozenset({"bf16"}), built=not from_source)
    yield _Row("openvino", Device.CPU, "f32", built=not from_source)
    if facts.form is not Form.IR:
        yield _Row("onnxruntime", Device.CPU, "f32", built=not from_source)
    if as_it_is:
        yield _Row("torch", Device.CPU, "bf16", features=frozenset({"bf16"}))
        yield _Row("torch", Device.CPU, "f32")


def _divides(facts: Facts, tp: int) -> bool:
    """Whether the heads can be dealt out evenly; key-value heads may also be copied."""
    if tp == 1:
        return True
    fits = facts.kv_heads and (facts.kv_heads % tp == 0 or tp % facts.kv_heads == 0)
    return bool(facts.heads and facts.heads % tp == 0 and (fits or facts.latent))


def _profile(facts: Facts, row: _Row) -> Profile:
    objective = None
    if row.shares:
        objective = Objective.LATENCY if row.tp > 1 else Objective.THROUGHPUT
    tags = _tags(facts, row, objective)
    needs = Requirements(
        engine=row.engine,
        device=row.device,
        tp=row.tp,
        capability=row.capability,
        features=row.features,
        footprint=footprint(facts, row.precision, row.engine, row.device, tp=row.tp),
    )
    return Profile(
        id=identify(facts.name, dict(facts.origin), tags),
        name=_name(row, objective),
        model=facts.name,
        tags=tags,
        needs=needs,
        precision=row.precision,
        objective=objective,
        lora=row.lora,
        built=row.built,
    )


def _tags(facts: Facts, row: _Row, objective: Objective | None) -> Mapping[str, str]:
    gpu = ANY_GPU if row.device is Device.GPU else NO_GPU
    tags = {
        "engine": row.engine,
        "llm_engine" if facts.is_language_model else "backend": row.engine,
        "precision": row.precision,
        "tp": str(row.tp),
        "pp": "1",
        "gpu": gpu,
        "lora": "true" if row.lora else "false",
    }
    if objective is not None:
        tags |= {"objective": objective, "profile": objective}
    if row.lora_variant:
        tags["feat_lora"] = "true"
    return tags


def _name(row: _Row, objective: Objective | None) -> str:
    both = row.engine in {"vllm", "torch", "onnxruntime"}
    parts = [row.engine]
    if row.shares:
        parts += [row.precision, f"tp{row.tp}", "pp1", str(objective or "")]
    else:
        parts += [row.device if both else "", row.precision]
    return "-".join(part for part in [*parts, "feat_lora" if row.lora_variant else ""] if part)
