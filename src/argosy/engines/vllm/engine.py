"""The engine: checks files and requests, and hands them to vLLM."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from argosy.core.errors import ArgosyError, EngineError, InvalidModelEntry
from argosy.core.models import GenerateSpec, ModelSpec
from argosy.engines.contract import Emit, EngineOptions, GenerationRequest, Sampling
from argosy.engines.deployment import Lengths
from argosy.engines.grammar.guard import GrammarGuard, Limits
from argosy.engines.grammar.messages import Prepare
from argosy.engines.language_checkpoint import Checkpoint, read_adapter, read_checkpoint
from argosy.engines.peft import PeftAdapter
from argosy.engines.text.answer import answer_to
from argosy.engines.text.limits import answer_length
from argosy.engines.text.prompt import prompt_tokens
from argosy.engines.text.tokenizer import TextTokenizer
from argosy.engines.vllm import options as vllm_options
from argosy.engines.vllm.arguments import QUIET, Deployment, engine_arguments, environment
from argosy.engines.vllm.order import Order
from argosy.engines.vllm.requirements import require_vllm
from argosy.engines.vllm.sampling import grammar, sampling_arguments
from argosy.engines.vllm.surroundings import surrounding

if TYPE_CHECKING:
    from argosy.engines.vllm.library import Gauges, Library
    from argosy.engines.vllm.running import RunningEngine

_TRIAL = "argosy.engines.grammar.checkpoint_trial"
_TRIAL_MEMORY = 2 << 30
"""Bytes that compiling constraints may take beside what the compiler needs at rest."""
_TRIAL_LIMITS = Limits(seconds=2.0, budget_ms=2000)
"""vLLM (0.32) compiles on a thread of its own, so that others do not wait; it survives a constraint that does not
compile, but not one that takes all memory, and none of them can be given up."""
_WARM = Sampling(max_tokens=2, temperature=0.0, ignore_eos=True)


def create(spec: ModelSpec, options: EngineOptions) -> VllmEngine:
    """Build the engine for a language model; it is not started.

    Raises:
        InvalidModelEntry: the entry has no `generate` section, or a parameter has a wrong value.
    """
    if spec.generate is None:
        raise InvalidModelEntry(f"Model {spec.name!r} has no 'generate' section; this engine serves nothing else.")
    return VllmEngine(spec, spec.generate, options)


class VllmEngine:
    """A `GenerationEngine` over vLLM's continuous batching; see the package's docstring.

    Metrics: `running`, `waiting`, `kv_cache_usage`, `prefix_cache_queries` and `prefix_cache_hits` (tokens).
    """

    def __init__(self, spec: ModelSpec, generate: GenerateSpec, options: EngineOptions) -> None:
        self._spec = spec
        self._generate = generate
        self._options = options
        self._vllm_options = vllm_options.parse(options.parameters)
        self._lengths = Lengths.of(options.parameters)
        self._running: RunningEngine | None = None
        self._guard: GrammarGuard | None = None
        self._tokenizer: TextTokenizer | None = None
        self._vocabulary = 0
        self._end_tokens: frozenset[int] = frozenset()

    def start(self) -> None:
        """See `Engine`."""
        require_vllm()
        checkpoint = read_checkpoint(self._options.directory / self._spec.model)
        adapter = self._read_adapter(checkpoint)
        tokenizer = _tokenizer(self._options.directory, self._generate)
        ends = self._generate.eos_token_ids or checkpoint.end_tokens
        try:
            self._vocabulary = min(checkpoint.vocabulary, tokenizer.size)
            end_token = self._start(self._deployment(checkpoint, adapter), ends)
            self._end_tokens = frozenset(ends if end_token is None else (*ends, end_token))
            self._tokenizer = tokenizer
        except ArgosyError:
            self.stop()
            raise

    def stop(self) -> None:
        """See `Engine`. Answers under way end with an error."""
        self._tokenizer = None
        if self._guard is not None:
            self._guard.stop()
            self._guard = None
        if self._running is not None:
            self._running.stop()
            self._running = None

    def metrics(self) -> Mapping[str, float]:
        """See `GenerationEngine`."""
        running = self._running
        return {} if running is None else running.metrics()

    def submit(self, request: GenerationRequest, emit: Emit) -> int:
        """See `GenerationEngine`. The prompt is tokenised on the caller's thread.

        A constraint that is not known yet is compiled apart first; if it is refused then, its `InvalidRequest` is the
        generation's last chunk.
        """
        running, guard, tokenizer = self._running, self._guard, self._tokenizer
        if running is None or guard is None or tokenizer is None:
            raise EngineError("The engine is not running.")
        sampling = request.sampling
        tokens = prompt_tokens(request, tokenizer)
        order = Order(tokens, self._arguments(sampling, len(tokens)), grammar(sampling))
        if order.constraint is not None:
            guard.knows(order.constraint)
        return running.add(answer_to(tokens, sampling, tokenizer, emit, self._end_tokens), order)

    def cancel(self, handle: int) -> None:
        """See `GenerationEngine`."""
        running = self._running
        if running is not None:
            running.cancel(handle)

    def _start(self, deployment: Deployment, ends: Sequence[int]) -> int | None:
        from argosy.engines.vllm.running import RunningEngine  # noqa: PLC0415 - needs the library

        config = str(deployment.checkpoint.directory / "config.json")
        self._guard = GrammarGuard(_TRIAL, Prepare(config, tuple(ends), _TRIAL_MEMORY), _TRIAL_LIMITS, lambda: None)
        warm = Order((0,), sampling_arguments(_WARM, 2, vocabulary=self._vocabulary, end_tokens=()))
        self._running = RunningEngine(self._spec.name, partial(_start_library, deployment), warm, self._guard)
        return self._running.start(self._vllm_options.start_timeout_s)

    def _deployment(self, checkpoint: Checkpoint, adapter: PeftAdapter | None) -> Deployment:
        with surrounding(QUIET):
            from argosy.engines.vllm.library import on_processor  # noqa: PLC0415 - its presence is known now

        return Deployment(
            spec=self._spec,
            context_length=self._generate.context_length,
            checkpoint=checkpoint,
            adapter=adapter,
            options=self._vllm_options,
            threads=self._options.threads,
            cpu=on_processor(),
            seed=secrets.randbits(31),
        )

    def _read_adapter(self, checkpoint: Checkpoint) -> PeftAdapter | None:
        own = self._generate.adapter
        return None if own is None else read_adapter(self._options.directory / own, checkpoint)

    def _arguments(self, sampling: Sampling, prompt_length: int) -> dict[str, object]:
        max_tokens = answer_length(
            sampling,
            prompt_length,
            self._generate.context_length,
            longest_input=self._lengths.input,
            longest_output=self._lengths.output,
        )
        return sampling_arguments(sampling, max_tokens, vocabulary=self._vocabulary, end_tokens=self._end_tokens)


def _start_library(deployment: Deployment, gauges: Gauges) -> Library:
    from argosy.engines.vllm.library import Library  # noqa: PLC0415 - its presence is known now

    adapter = "" if deployment.adapter is None else str(deployment.adapter.path.parent)
    with surrounding(environment(deployment)):
        return Library(engine_arguments(deployment), adapter, gauges)


def _tokenizer(directory: Path, generate: GenerateSpec) -> TextTokenizer:
    from argosy.engines.text.json_tokenizer import JsonTokenizer  # noqa: PLC0415 - a missing library is for `start`

    return JsonTokenizer(directory / (generate.tokenizer or "tokenizer.json"))
