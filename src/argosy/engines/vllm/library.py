"""The one place that speaks to vLLM (0.32). Imported once its presence is known."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vllm import SamplingParams
from vllm.config import StructuredOutputsConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.exceptions import VLLMClientError
from vllm.inputs.engine import tokens_input
from vllm.lora.request import LoRARequest
from vllm.outputs import CompletionOutput
from vllm.platforms import current_platform
from vllm.sampling_params import RequestOutputKind, StructuredOutputsParams
from vllm.v1.engine.async_llm import AsyncLLM
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.metrics.loggers import StatLoggerBase

from argosy.engines.text.answer import Likeliest

Died = EngineDeadError
"""Raised by a generation whose EngineCore ended."""
Refused = VLLMClientError
"""Raised by a generation that vLLM does not take."""

_ADAPTER = 1
_GRACE = 5.0
"""Seconds that vLLM's processes get to end by themselves."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one step brought to a generation.

    Attributes:
        tokens: new ones.
        reason: "stop", "length", "abort" or "error" with the last; None before.
        logprobs: of the tokens, where they are wanted.
        tops: the likeliest tokens at the place of each, where they are wanted.
    """

    tokens: Sequence[int]
    reason: str | None
    logprobs: Sequence[float]
    tops: Sequence[Likeliest]


class Gauges:
    """What EngineCore said last of itself.

    Attributes:
        running: generations in its batch.
        kv_cache_usage: 0 to 1.
        cached_tokens: prompt tokens that were found in the prefix cache, since the start.
        prompt_tokens: prompt tokens that were looked for there, since the start.
    """

    def __init__(self) -> None:
        self.running = 0
        self.kv_cache_usage = 0.0
        self.cached_tokens = 0
        self.prompt_tokens = 0

    def take(self, stats: Any) -> None:
        """Take vLLM's `SchedulerStats`."""
        self.running, self.kv_cache_usage = stats.num_running_reqs, stats.kv_cache_usage
        self.prompt_tokens += stats.prefix_cache_stats.queries
        self.cached_tokens += stats.prefix_cache_stats.hits


class Library:
    """A running AsyncLLM. To be made and used on one thread with a running event loop.

    Args:
        arguments: of `AsyncEngineArgs`.
        adapter: folder of a LoRA adapter that every generation goes through; empty without one.
        gauges: hears what EngineCore says of itself.

    Raises:
        Exception: whatever vLLM raises when it cannot start.
    """

    def __init__(self, arguments: Mapping[str, Any], adapter: str, gauges: Gauges) -> None:
        given = {**arguments}
        given["structured_outputs_config"] = StructuredOutputsConfig(**arguments["structured_outputs_config"])
        self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**given), stat_loggers=[_logger(gauges)])
        self._lora = LoRARequest("adapter", _ADAPTER, adapter) if adapter else None

    @property
    def end_token(self) -> int | None:
        """The token that vLLM itself takes for the end of an answer."""
        token: int | None = self._llm.renderer.get_eos_token_id()
        return token

    async def load_adapter(self) -> None:
        """Have the adapter read and kept, so that no generation waits for it."""
        if self._lora is not None:
            await self._llm.add_lora(self._lora)
            await self._llm.pin_lora(_ADAPTER)

    async def generate(
        self, name: str, tokens: Sequence[int], arguments: Mapping[str, Any], constraint: Mapping[str, str] | None
    ) -> AsyncGenerator[Piece, None]:
        """Continue a prompt; when this iterator is closed early, vLLM ends the generation.

        Args:
            name: of the generation, never used twice.
            tokens: the prompt.
            arguments: of `SamplingParams`.
            constraint: of `StructuredOutputsParams`.
        """
        structured = None if constraint is None else StructuredOutputsParams(**constraint)
        params = SamplingParams(**arguments, structured_outputs=structured, output_kind=RequestOutputKind.DELTA)
        stream = self._llm.generate(tokens_input([*tokens]), params, name, lora_request=self._lora)
        async with contextlib.aclosing(stream) as outputs:
            async for output in outputs:
                yield _piece(output.outputs[0], arguments["logprobs"])

    async def ended(self) -> None:
        """Return when EngineCore has ended."""
        handler = self._llm.output_handler
        if handler is not None:
            with contextlib.suppress(Exception):
                await handler

    def stop(self) -> None:
        """End vLLM's processes."""
        self._llm.shutdown(timeout=_GRACE)


def on_processor() -> bool:
    """Whether this vLLM computes on the processor."""
    return bool(current_platform.is_cpu())


def _piece(output: CompletionOutput, top: int | None) -> Piece:
    tokens = output.token_ids
    told = output.logprobs
    if top is None or not told:
        return Piece(tokens, output.finish_reason, (), ())
    logprobs = [place[token].logprob for token, place in zip(tokens, told, strict=True)]
    return Piece(tokens, output.finish_reason, logprobs, [_likeliest(place, top) for place in told] if top else ())


def _likeliest(place: Mapping[int, Any], top: int) -> Likeliest:
    ranked = sorted(place.items(), key=lambda item: item[1].rank)
    return [(token, known.logprob) for token, known in ranked[:top]]


def _logger(gauges: Gauges) -> Callable[..., StatLoggerBase]:
    class Told(StatLoggerBase):  # type: ignore[misc]  # vLLM is not there when types are checked
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def record(self, scheduler_stats: Any, *_: Any, **__: Any) -> None:
            if scheduler_stats is not None:
                gauges.take(scheduler_stats)

        def log_engine_initialized(self) -> None:
            pass

    return Told
