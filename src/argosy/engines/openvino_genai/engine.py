"""The engine: finds the model's files, checks and tokenises requests, hands them to the worker."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from argosy.core.errors import (
    ArgosyError,
    EngineError,
    InvalidModelEntry,
    UnsupportedParameter,
)
from argosy.core.models import GenerateSpec, ModelSpec
from argosy.engines.contract import Emit, EngineOptions, GenerationRequest
from argosy.engines.deployment import Lengths
from argosy.engines.grammar.guard import GrammarGuard, Limits
from argosy.engines.grammar.messages import Prepare
from argosy.engines.openvino_genai import options as pipeline_options
from argosy.engines.openvino_genai.adapter import read_adapter
from argosy.engines.openvino_genai.files import OWN_TOKENIZER, find_model, find_tokenizer, require_libraries
from argosy.engines.openvino_genai.messages import Add, Forget, Load, Ready, decode_report
from argosy.engines.openvino_genai.sampling import resolve
from argosy.engines.text.answer import answer_to
from argosy.engines.text.prompt import prompt_tokens
from argosy.engines.text.tokenizer import TextTokenizer
from argosy.engines.workers.constrained import add_once_compiled
from argosy.engines.workers.link import WorkerProgram
from argosy.engines.workers.supervisor import WorkerSupervisor

_WORKER = "argosy.engines.openvino_genai.worker"
_TRIAL = "argosy.engines.openvino_genai.grammar.trial"
_GUARD_MEMORY = 1 << 30
"""Bytes that compiling constraints may take beside what the compiler needs at rest."""


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
        self._supervisor: WorkerSupervisor[Ready] | None = None
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
            supervisor: WorkerSupervisor[Ready] = WorkerSupervisor(self._spec.name, self._program(model))
            self._supervisor = supervisor
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
        tokens = prompt_tokens(request, tokenizer)
        settings = resolve(
            request.sampling,
            len(tokens),
            self._context_length,
            longest_input=self._lengths.input,
            longest_output=self._lengths.output,
        )
        answer = answer_to(tokens, request.sampling, tokenizer, emit, self._end_tokens)
        add = partial(Add, tokens=np.asarray(tokens, dtype="<i8").tobytes(), settings=settings)
        constraint = settings.constraint
        if constraint is None or (guard := self._grammar_guard()).knows(constraint):
            return supervisor.add(answer, add)
        return add_once_compiled(supervisor, guard, constraint, answer, add)

    def cancel(self, handle: int) -> None:
        """See `GenerationEngine`. The last chunk comes when slot and cache are free."""
        supervisor = self._supervisor
        if supervisor is not None:
            supervisor.cancel(handle)

    def _grammar_guard(self) -> GrammarGuard:
        """Who looks at constraints first."""
        if self._guard is None:
            raise UnsupportedParameter(
                f"Model {self._spec.name!r} has no {OWN_TOKENIZER} beside its network, without which its answers "
                "cannot be held to a constraint. Leave it out.",
                param="constraint",
            )
        return self._guard

    def _program(self, model: Path) -> WorkerProgram:
        return WorkerProgram("OpenVINO GenAI", _WORKER, self._load_order(model), str(model), decode_report)

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

    def _adopt(self, ready: Ready, model: Path, supervisor: WorkerSupervisor[Ready]) -> None:
        # A generation that the whole cache cannot hold would never end.
        self._context_length = min(self._generate.context_length, ready.cache_tokens)
        self._end_tokens = frozenset(ready.eos_token_ids)
        if ready.constraints:
            prepare = Prepare(str(model), ready.eos_token_ids, _GUARD_MEMORY)
            limits = Limits(budget_ms=self._pipeline_options.grammar_budget_ms)
            self._guard = GrammarGuard(_TRIAL, prepare, limits, partial(supervisor.tell, Forget()))
