"""The engine: finds the model's files, checks and tokenises requests, hands them to the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from argosy.core.errors import (
    ArgosyError,
    EngineError,
    InvalidModelEntry,
    InvalidRequest,
    UnsupportedParameter,
)
from argosy.core.models import GenerateSpec, ModelSpec
from argosy.core.tensors import Tensor
from argosy.engines.contract import ConstraintKind, Emit, EngineOptions, GenerationRequest, Sampling
from argosy.engines.deployment import Lengths
from argosy.engines.openvino_genai import options as pipeline_options
from argosy.engines.openvino_genai.adapter import read_adapter
from argosy.engines.openvino_genai.files import OWN_TOKENIZER, find_model, find_tokenizer, require_libraries
from argosy.engines.openvino_genai.grammar.guard import GrammarGuard, Limits
from argosy.engines.openvino_genai.grammar.messages import Prepare
from argosy.engines.openvino_genai.messages import Grammar, Load, Ready, Settings
from argosy.engines.openvino_genai.sampling import resolve
from argosy.engines.openvino_genai.supervisor import WorkerSupervisor
from argosy.engines.text.answer import Answer
from argosy.engines.text.blanks import BlankRun
from argosy.engines.text.tokenizer import TextTokenizer

_GUARD_MEMORY = 1 << 30
"""Bytes that compiling constraints may take beside what the compiler needs at rest."""
_JSON_INSIDE = frozenset({ConstraintKind.JSON_SCHEMA, ConstraintKind.STRUCTURAL_TAG})


def create(spec: ModelSpec, options: EngineOptions) -> OpenVINOGenAIEngine:
    """Build the engine for a language model; it is not started.

    Raises:
        InvalidModelEntry: the entry has no `generate` section, or a parameter has a wrong value.
    """
    if spec.generate is None:
        raise InvalidModelEntry(f"Model {spec.name!r} has no 'generate' section; this engine serves nothing else.")
    return OpenVINOGenAIEngine(spec, spec.generate, options)


class OpenVINOGenAIEngine:
    """A `GenerationEngine` over OpenVINO GenAI's continuous batching; see the package's docstring.

    Metrics: `running`, `waiting`, `kv_cache_usage`.
    """

    def __init__(self, spec: ModelSpec, generate: GenerateSpec, options: EngineOptions) -> None:
        self._spec = spec
        self._generate = generate
        self._options = options
        self._pipeline_options = pipeline_options.parse(options.parameters)
        self._lengths = Lengths.of(options.parameters)
        self._supervisor: WorkerSupervisor | None = None
        self._guard: GrammarGuard | None = None
        self._tokenizer: TextTokenizer | None = None
        self._context_length = generate.context_length
        self._end_tokens: frozenset[int] = frozenset()

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker, None while there is none."""
        return None if self._supervisor is None else self._supervisor.worker_pid

    @property
    def trial_pid(self) -> int | None:
        """Process id of the process that compiles constraints, None while there is none."""
        return None if self._guard is None else self._guard.trial_pid

    def start(self) -> None:
        """See `Engine`."""
        require_libraries()
        model = find_model(self._options.directory / self._spec.model)
        try:
            self._supervisor = supervisor = WorkerSupervisor(self._spec.name, self._load_order(model))
            supervisor.start()
            # A large vocabulary takes seconds too, so both are built at once.
            tokenizer = find_tokenizer(self._options.directory, self._generate.tokenizer, model)
            self._adopt(supervisor.ready(self._pipeline_options.start_timeout_s), model, supervisor)
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
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None

    def metrics(self) -> Mapping[str, float]:
        """See `GenerationEngine`."""
        supervisor = self._supervisor
        return {} if supervisor is None else supervisor.metrics()

    def submit(self, request: GenerationRequest, emit: Emit) -> int:
        """See `GenerationEngine`. The prompt is tokenised on the caller's thread.

        A constraint that is not known yet is compiled apart first; if it is refused then, its `InvalidRequest` is the
        generation's last chunk, and comes from another thread than the chunks of others.
        """
        supervisor, tokenizer = self._supervisor, self._tokenizer
        if supervisor is None or tokenizer is None:
            raise EngineError("The engine is not running.")
        tokens = _tokens(request, tokenizer)
        settings = resolve(
            request.sampling,
            len(tokens),
            self._context_length,
            longest_input=self._lengths.input,
            longest_output=self._lengths.output,
        )
        answer = self._answer(request.sampling, tokens, tokenizer, emit)
        prompt = np.asarray(tokens, dtype="<i8").tobytes()
        if settings.constraint is None or self._known(settings.constraint):
            return supervisor.add(answer, prompt, settings)
        return self._add_once_compiled(supervisor, answer, prompt, settings)

    def cancel(self, handle: int) -> None:
        """See `GenerationEngine`. The last chunk comes when slot and cache are free."""
        supervisor = self._supervisor
        if supervisor is not None:
            supervisor.cancel(handle)

    def _answer(self, sampling: Sampling, prompt: Sequence[int], tokenizer: TextTokenizer, emit: Emit) -> Answer:
        constraint = sampling.constraint
        # What a constraint allows may be written with special tokens; hidden, the answer would no longer satisfy it.
        special = constraint is not None
        blanks = None
        if constraint is not None and constraint.kind in _JSON_INSIDE:
            blanks = BlankRun(strings=constraint.kind is ConstraintKind.JSON_SCHEMA)
        return Answer(
            emit,
            tokenizer.stream(prompt, special=special),
            len(prompt),
            end_tokens=() if sampling.ignore_eos else self._end_tokens,
            stops=sampling.stop,
            include_stop=sampling.include_stop,
            token_bytes=partial(tokenizer.token_bytes, special=special) if sampling.logprobs else None,
            blanks=blanks,
        )

    def _known(self, grammar: Grammar) -> bool:
        """Whether the pipeline may have a constraint at once."""
        if self._guard is None:
            raise UnsupportedParameter(
                f"Model {self._spec.name!r} has no {OWN_TOKENIZER} beside its network, without which its answers "
                "cannot be held to a constraint. Leave it out.",
                param="constraint",
            )
        return self._guard.knows(grammar)

    def _add_once_compiled(
        self, supervisor: WorkerSupervisor, answer: Answer, prompt: bytes, settings: Settings
    ) -> int:
        guard, grammar = self._guard, settings.constraint
        if guard is None or grammar is None:
            raise EngineError("The engine is not running.")
        handle = supervisor.hold(answer)

        def told(refusal: ArgosyError | None) -> None:
            if refusal is None:
                supervisor.release(handle, prompt, settings)
            else:
                supervisor.refuse(handle, refusal)

        try:
            guard.ask(grammar, partial(supervisor.holds, handle), told)
        except ArgosyError:
            supervisor.drop(handle)
            raise
        return handle

    def _load_order(self, model: Path) -> Load:
        options = self._pipeline_options
        adapter = None
        if self._generate.adapter is not None:
            adapter = read_adapter(self._options.directory / self._generate.adapter, model)
        return Load(
            model=str(model),
            threads=self._options.threads,
            precision=self._spec.profile.precision,
            cache_gib=options.kv_cache_gib,
            max_num_batched_tokens=self._batched_tokens(),
            max_num_seqs=options.max_num_seqs,
            kv_cache_precision=options.kv_cache_precision,
            dynamic_split_fuse=options.dynamic_split_fuse,
            prefix_caching=options.enable_prefix_caching,
            eos_token_ids=self._generate.eos_token_ids,
            adapter="" if adapter is None else str(adapter.path),
            adapter_scale=1.0 if adapter is None else adapter.scale,
        )

    def _batched_tokens(self) -> int:
        # Without pieces a whole prompt is read at once, and the library fails where one does not fit.
        options = self._pipeline_options
        longest = 0 if options.dynamic_split_fuse else self._generate.context_length
        return max(options.max_num_batched_tokens, longest)

    def _adopt(self, ready: Ready, model: Path, supervisor: WorkerSupervisor) -> None:
        # A generation that the whole cache cannot hold would never end.
        self._context_length = min(self._generate.context_length, ready.cache_tokens)
        self._end_tokens = frozenset(ready.eos_token_ids)
        if ready.constraints:
            prepare = Prepare(str(model), ready.eos_token_ids, _GUARD_MEMORY)
            limits = Limits(budget_ms=self._pipeline_options.grammar_budget_ms)
            self._guard = GrammarGuard(prepare, limits, supervisor.forget)


def _tokens(request: GenerationRequest, tokenizer: TextTokenizer) -> Sequence[int]:
    if not isinstance(request.prompt, str):
        return _checked(request.prompt, tokenizer.size)
    if not request.prompt:
        # Also where the tokenizer would frame it with a start token.
        raise InvalidRequest("The prompt is empty; send at least one character.", param="prompt")
    try:
        return tokenizer.encode(request.prompt, add_special_tokens=request.sampling.add_special_tokens)
    except UnicodeEncodeError:
        raise InvalidRequest("The prompt has lone surrogates and is no UTF-8; remove them.", param="prompt") from None


def _checked(tokens: Tensor, size: int) -> Sequence[int]:
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise InvalidRequest("Token ids must be one row of whole numbers.", param="prompt")
    if tokens.size and not (tokens.min() >= 0 and tokens.max() < size):
        raise InvalidRequest(f"A token id is outside the vocabulary; ids are 0 to {size - 1}.", param="prompt")
    ids: list[int] = tokens.tolist()
    return ids
