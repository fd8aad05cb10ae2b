"""The one place that turns our words into OpenVINO GenAI's. Imported by the worker only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import openvino
import openvino_genai as genai

from argosy.engines.contract import ConstraintKind
from argosy.engines.grammar.messages import Grammar
from argosy.engines.openvino_genai.library import LIBRARY_ERRORS, last_line, structured_output
from argosy.engines.openvino_genai.messages import Add, Load, Settings

_logger = logging.getLogger(__name__)

BLOCK_TOKENS = 32
"""Tokens in one block of the KV cache on a CPU."""

_WARM_PROMPT = 16
_WARM_SETTINGS = Settings(
    max_tokens=4,
    min_tokens=0,
    temperature=0.0,
    top_p=1.0,
    top_k=0,
    repetition_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    seed=0,
    ignore_eos=True,
)
_WARM_GRAMMAR = Grammar(ConstraintKind.EBNF, 'root ::= "a"')


@dataclass(frozen=True, slots=True)
class Loaded:
    """A pipeline that has answered once.

    Attributes:
        cache_tokens: tokens the KV cache holds.
        eos_token_ids: tokens that end an answer.
        precision: arithmetic in use.
        constraints: whether answers can be held to a constraint.
    """

    pipeline: genai.ContinuousBatchingPipeline
    cache_tokens: int
    eos_token_ids: tuple[int, ...]
    precision: str
    constraints: bool


Build = Callable[[], Loaded]


def load(order: Load) -> Loaded:
    """Build the pipeline and warm it up.

    Raises:
        RuntimeError: the library cannot load the model (and the other `LIBRARY_ERRORS`).
    """
    precision = _supported(order.precision)
    build = partial(_build, order, _properties(order, precision))
    pipeline = build()
    eos = order.eos_token_ids or _own_end_tokens(pipeline)
    if not eos:
        raise RuntimeError("The model's files name no end token; set 'eos_token_ids' in argosy.yaml.")
    constraints = _has_vocabulary(pipeline)
    if constraints:
        try:
            _warm_constraints(pipeline, eos)
        except LIBRARY_ERRORS:
            _logger.exception("This model's answers cannot be held to a constraint.")
            constraints = False
            # A pipeline that has met a constraint that it cannot compile does nothing else any more.
            pipeline = build()
    return Loaded(pipeline, _warm_up(pipeline, eos), eos, precision, constraints)


def add(loaded: Loaded, request: Add) -> genai.GenerationHandle:
    """Queue a request.

    Raises:
        RuntimeError: the library refuses it (and the other `LIBRARY_ERRORS`).
    """
    tokens = np.frombuffer(request.tokens, dtype="<i8").reshape(1, -1)
    config = generation_config(request.settings, loaded.eos_token_ids)
    return loaded.pipeline.add_request(request.handle, openvino.Tensor(tokens), config)


def generation_config(settings: Settings, eos_token_ids: tuple[int, ...]) -> genai.GenerationConfig:
    """The library's form of `settings`. `temperature` 0 with sampling would be an error to it, so greedy is apart."""
    config = genai.GenerationConfig()
    config.max_new_tokens = settings.max_tokens
    config.min_new_tokens = settings.min_tokens
    config.ignore_eos = settings.ignore_eos
    config.repetition_penalty = settings.repetition_penalty
    config.presence_penalty = settings.presence_penalty
    config.frequency_penalty = settings.frequency_penalty
    if eos_token_ids:
        config.eos_token_id = eos_token_ids[0]
        config.stop_token_ids = set(eos_token_ids)
    config.do_sample = settings.temperature > 0
    if config.do_sample:
        config.temperature = settings.temperature
        config.top_p = settings.top_p
        config.rng_seed = settings.seed
        config.min_p = settings.min_p
        if settings.top_k:
            config.top_k = settings.top_k
    if settings.logprobs:
        config.logprobs = 1
    if settings.constraint is not None:
        config.structured_output_config = structured_output(settings.constraint.kind, settings.constraint.text)
    return config


def _properties(order: Load, precision: str) -> dict[str, object]:
    properties: dict[str, object] = {
        "INFERENCE_NUM_THREADS": order.threads,
        "INFERENCE_PRECISION_HINT": precision,
        "sampler_num_threads": order.threads,
    }
    if order.precision == "f32":
        # By itself the library rounds the cache to 8 bits, and activations where weights have 8 bits. A difference in
        # the last bit between batch sizes then becomes one of a whole step, and answers depend on their neighbours.
        properties |= {"DYNAMIC_QUANTIZATION_GROUP_SIZE": 0, "KV_CACHE_PRECISION": "f32"}
    if order.kv_cache_precision:
        properties["KV_CACHE_PRECISION"] = order.kv_cache_precision
    if order.adapter:
        # Static keeps the matrices beside the weights: fused, the sums would be rounded to what the weights are kept
        # in. Chosen per request, the other modes, an adapter is not applied by `add_request` at all.
        adapter = genai.Adapter(order.adapter)
        properties["adapters"] = genai.AdapterConfig(
            adapter, order.adapter_scale, mode=genai.AdapterConfig.Mode.MODE_STATIC
        )
    return properties


def _build(order: Load, properties: dict[str, object]) -> genai.ContinuousBatchingPipeline:
    model = Path(order.model)
    source = model if model.suffix == ".gguf" else model.parent
    try:
        return genai.ContinuousBatchingPipeline(source, _scheduling(order), "CPU", properties)
    except LIBRARY_ERRORS as error:
        if not order.adapter:
            raise
        raise RuntimeError(f"with the adapter {order.adapter}: {last_line(error)}") from error


def _supported(precision: str) -> str:
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    available = {"bf16": "BF16" in capabilities, "f16": "FP16" in capabilities}
    return precision if available.get(precision) else "f32"


def _scheduling(order: Load) -> genai.SchedulerConfig:
    config = genai.SchedulerConfig()
    config.cache_size = order.cache_gib
    config.max_num_seqs = order.max_num_seqs
    config.max_num_batched_tokens = order.max_num_batched_tokens
    config.dynamic_split_fuse = order.dynamic_split_fuse
    config.enable_prefix_caching = order.prefix_caching
    return config


def _own_end_tokens(pipeline: genai.ContinuousBatchingPipeline) -> tuple[int, ...]:
    config = pipeline.get_config()
    ids = {config.eos_token_id, *config.stop_token_ids}
    return tuple(sorted(token for token in ids if token >= 0))


def _warm_up(pipeline: genai.ContinuousBatchingPipeline, eos_token_ids: tuple[int, ...]) -> int:
    """Answer once, and learn from the share of the cache that took how many tokens the whole cache holds."""
    config = generation_config(_WARM_SETTINGS, eos_token_ids)
    # Letting go of the handle would drop the request.
    handle = pipeline.add_request(0, openvino.Tensor(np.zeros((1, _WARM_PROMPT), dtype=np.int64)), config)
    one_block_percent = 0.0
    while pipeline.has_non_finished_requests():
        pipeline.step()
        one_block_percent = max(one_block_percent, pipeline.get_metrics().cache_usage)
    handle.read_all()
    if one_block_percent <= 0:
        raise RuntimeError("The KV cache reports no use while a request runs.")
    return round(100 / one_block_percent) * BLOCK_TOKENS


def _warm_constraints(pipeline: genai.ContinuousBatchingPipeline, eos_token_ids: tuple[int, ...]) -> None:
    """Have the library sort its vocabulary, which the first constraint would wait for."""
    settings = msgspec.structs.replace(_WARM_SETTINGS, max_tokens=1, ignore_eos=False, constraint=_WARM_GRAMMAR)
    config = generation_config(settings, eos_token_ids)
    handle = pipeline.add_request(0, openvino.Tensor(np.zeros((1, 1), dtype=np.int64)), config)
    while pipeline.has_non_finished_requests():
        pipeline.step()
    handle.read_all()


def _has_vocabulary(pipeline: genai.ContinuousBatchingPipeline) -> bool:
    try:
        return bool(pipeline.get_tokenizer().get_vocab())
    except LIBRARY_ERRORS:
        return False
