"""The one place that speaks to TensorRT-LLM (written for 1.2, not run by us). Imported in the worker only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import torch
from tensorrt_llm import LLM, SamplingParams
from tensorrt_llm.executor.request import LoRARequest
from tensorrt_llm.llmapi import GuidedDecodingParams, KvCacheConfig, RequestOutput, SchedulerConfig
from tensorrt_llm.lora_manager import LoraConfig

from argosy.engines.tensorrt_llm.messages import Load, Settings
from argosy.engines.tensorrt_llm.sampling import guide

_ADAPTER = 0
_STATS_SECONDS = 0.5
_CONFIGS = {"kv_cache_config": KvCacheConfig, "scheduler_config": SchedulerConfig, "lora_config": LoraConfig}


class Library:
    """A running `LLM`. To be used on one thread, with its event loop running, but for its construction.

    Raises:
        Exception: whatever the library raises when it cannot start.
    """

    def __init__(self, load: Load) -> None:
        self._llm = LLM(**_built(load.arguments))
        self._asked: int = load.arguments["max_seq_len"]
        self._vocabulary = load.vocabulary
        self._lora = LoRARequest("adapter", _ADAPTER, load.adapter) if load.adapter else None

    @property
    def end_token(self) -> int | None:
        """The token that the library's tokenizer takes for the end of an answer."""
        token: int | None = getattr(self._llm.tokenizer, "eos_token_id", None)
        return token

    @property
    def context_length(self) -> int:
        """What is left of the length asked for; the library cuts it down to what its KV cache holds."""
        # Known in the process that holds the executor only.
        holds: int | None = getattr(getattr(self._llm, "_executor", None), "max_seq_len", None)
        return self._asked if holds is None else min(self._asked, holds)

    def begin(self, tokens: list[int], settings: Settings) -> RequestOutput:
        """Begin a generation; iterated over, the result grows.

        Raises:
            Exception: the library does not take it.
        """
        params = SamplingParams(
            **settings.arguments,
            embedding_bias=self._bias(settings.logit_bias),
            guided_decoding=None if settings.constraint is None else GuidedDecodingParams(**guide(settings.constraint)),
        )
        return self._llm.generate_async(tokens, sampling_params=params, lora_request=self._lora, streaming=True)

    async def stats(self) -> AsyncIterator[Mapping[str, Any]]:
        """Statistics of the iterations since the last call; ends when none comes for a moment."""
        iterations = self._llm.get_stats_async(timeout=_STATS_SECONDS)
        async for iteration in iterations:
            yield iteration
        # It is one object for ever, and would yield nothing more before the next request.
        mark_undone = getattr(iterations, "mark_undone", None)
        if mark_undone is not None:
            mark_undone()

    def _bias(self, bias: Mapping[int, float]) -> Any:
        if not bias:
            return None
        values = torch.zeros(self._vocabulary, dtype=torch.float32)
        for token, value in bias.items():
            values[token] = value
        return values


def _built(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _CONFIGS[name](**value) if name in _CONFIGS else value for name, value in arguments.items()}
