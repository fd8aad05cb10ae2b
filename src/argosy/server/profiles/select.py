"""The selector: a pure function from a machine and a manifest to a ranked list with reasons.

The order is NIM's, processors included: what can run before what cannot; what was built for this very GPU before what
runs on any; TensorRT-LLM, vLLM, OpenVINO GenAI for language models and TensorRT, ONNX Runtime for CUDA, torch, OpenVINO
and ONNX Runtime for the rest; narrower numbers before wider ones; latency (more GPUs) before throughput.

Numbers of 4 bits come last unless a proof says that they are good enough: without calibration they lose the most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from argosy.server.probe.host import Host
from argosy.server.profiles import engines
from argosy.server.profiles.checks import cpu_memory, engine_reasons, feature_reasons, gpu_place, wish_reasons
from argosy.server.profiles.manifest import Manifest
from argosy.server.profiles.memory import Demand
from argosy.server.profiles.profile import Device, Objective, Profile
from argosy.server.profiles.verdict import Bucket, Lack, Reason, Selection, Verdict

LEAST_CONTEXT = 1024
"""Shortest context, tokens, for which a profile counts as one that runs with less memory."""

ENOUGH_CONTEXT = 8192
"""Context, tokens, that counts as running when nobody asks for a length."""

_PRECISIONS = ("nvfp4", "mxfp4", "fp8", "int8", "q8_0", "bf16", "fp16", "f16", "f32", "fp32")
_FOUR_BITS = frozenset({"int4", "q4_0", "q4_1", "q4_k_m", "q4_k_s", "q6_k"})
_BUCKETS = tuple(Bucket)
_OBJECTIVES = (Objective.LATENCY, Objective.THROUGHPUT)


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator says of all profiles.

    Attributes:
        max_model_len: longest context wanted, tokens; None means the model's own, or less where memory is short.
        batch: contexts of that length that are to fit at once.
        gpu_memory_fraction: share of each GPU that may be taken, vLLM's `gpu_memory_utilization`.
        lora: whether adapters are to be served.
        tags: what a profile's tags must say.
    """

    max_model_len: int | None = None
    batch: int = 1
    gpu_memory_fraction: float = 0.9
    lora: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


def select(host: Host, manifest: Manifest, options: Options | None = None) -> Selection:
    """Judge every profile of `manifest` on `host` and rank them.

    Guarantees: every profile is in exactly one bucket; a profile that is not compatible has at least one reason; the
    order is total and depends on nothing but the arguments; nothing is looked up and nothing fails.
    """
    options = options or Options()
    verdicts = [_judge(host, profile, options) for profile in manifest]
    ranked = tuple(sorted(verdicts, key=lambda verdict: _key(verdict, options)))
    return Selection(manifest.model, ranked, best(ranked, options))


def best(ranked: Iterable[Verdict], options: Options) -> Verdict | None:
    """The best ranked that runs, or None when none does.

    Where no length was asked for, one that runs with `ENOUGH_CONTEXT` counts as running: a GPU with half of a model's
    131072 tokens is a better answer than a processor with all of them. A shorter context is the last resort.
    """
    running = [verdict for verdict in ranked if verdict.automatic and verdict.bucket is not Bucket.INCOMPATIBLE]
    if options.max_model_len is not None:
        running = [verdict for verdict in running if verdict.bucket is Bucket.COMPATIBLE]
    return min(running, key=lambda verdict: (_is_short(verdict), _rank(verdict.profile, options)), default=None)


def _is_short(verdict: Verdict) -> bool:
    return verdict.bucket is Bucket.LOW_MEMORY and verdict.max_model_len < ENOUGH_CONTEXT


def _judge(host: Host, profile: Profile, options: Options) -> Verdict:
    reasons = [
        *engine_reasons(host, profile),
        *feature_reasons(host, profile),
        *_lora_reasons(profile, options),
        *wish_reasons(profile, options.tags),
    ]
    wanted = _length(profile, options)
    if profile.needs.device is Device.GPU:
        place = gpu_place(host, profile.needs, wanted, options.batch, options.gpu_memory_fraction)
        found, gpus, notes = place.demand, place.gpus, place.notes
        reasons += place.reasons
    else:
        found, gpus, notes = cpu_memory(host, profile.needs, wanted, options.batch), (), ()
    if found is not None and not found.enough:
        reasons.append(_too_little(found, profile))
    bucket = _bucket(reasons, found)
    notes = (*notes, *_arithmetic(host, profile), *_build(profile))
    proof = profile.proof
    if proof is not None and not proof.passed:
        notes = (*notes, f"failed its proof{f' ({proof.text})' if proof.text else ''}: taken only when named")
    length = wanted
    if bucket is not Bucket.COMPATIBLE and found is not None and found.tokens:
        length = found.fits
    return Verdict(profile, bucket, tuple(reasons), found, length, gpus, notes)


def _arithmetic(host: Host, profile: Profile) -> tuple[str, ...]:
    """What an engine on the processor does without bf16, where the profile can do without."""
    wanted = profile.tags.get("precision") == "bf16" and "bf16" not in profile.needs.features
    if wanted and profile.needs.device is Device.CPU and "bf16" not in host.features:
        return ("the processor has no bf16, so f32 is computed with",)
    return ()


def _build(profile: Profile) -> tuple[str, ...]:
    """What comes before a profile can be served."""
    kind = engines.KINDS.get(profile.needs.engine)
    return (kind.build,) if kind is not None and kind.build and not profile.built else ()


def _length(profile: Profile, options: Options) -> int:
    context = profile.needs.footprint.context if profile.needs.footprint is not None else 0
    if options.max_model_len is None:
        return context
    return min(options.max_model_len, context) if context else options.max_model_len


def _bucket(reasons: list[Reason], found: Demand | None) -> Bucket:
    if not reasons:
        return Bucket.COMPATIBLE
    short = all(reason.lack is Lack.MEMORY for reason in reasons)
    if short and found is not None and found.tokens and found.fits >= min(LEAST_CONTEXT, found.tokens):
        return Bucket.LOW_MEMORY
    return Bucket.INCOMPATIBLE


def _lora_reasons(profile: Profile, options: Options) -> list[Reason]:
    if options.lora and not profile.lora:
        return [Reason(Lack.LORA, "LoRA adapters", "a profile without them")]
    return []


def _too_little(found: Demand, profile: Profile) -> Reason:
    place = "on each GPU" if profile.needs.gpus > 1 else "of GPU memory" if profile.needs.gpus else "of memory"
    total, _, sum_ = found.text.rpartition(" = ")
    remedy = f"--max-model-len {found.fits}" if found.fits >= min(LEAST_CONTEXT, found.tokens or LEAST_CONTEXT) else ""
    has = f"{found.usable_text} usable of {found.total_text} GiB"
    return Reason(Lack.MEMORY, f"{sum_} {place} ({total})", has, remedy)


def _key(verdict: Verdict, options: Options) -> tuple[object, ...]:
    return (_BUCKETS.index(verdict.bucket), not verdict.automatic, *_rank(verdict.profile, options))


def _rank(profile: Profile, options: Options) -> tuple[object, ...]:
    needs = profile.needs
    return (
        needs.gpu is None,
        engines.rank(needs.engine, needs.device),
        _precision_rank(profile),
        _OBJECTIVES.index(profile.objective) if profile.objective is not None else len(_OBJECTIVES),
        -needs.gpus,
        (profile.tags.get("feat_lora") == "true") is not options.lora,
        profile.name,
        profile.id,
    )


def _precision_rank(profile: Profile) -> int:
    precision = profile.precision
    if precision in _FOUR_BITS:
        proven = profile.proof is not None and profile.proof.passed
        return _PRECISIONS.index("int8") if proven else len(_PRECISIONS) + 1
    return _PRECISIONS.index(precision) if precision in _PRECISIONS else len(_PRECISIONS)
