"""The engine: checks files, machine and requests, and hands them to the worker."""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping
from functools import partial

from argosy.core.errors import ArgosyError, EngineError, InvalidModelEntry
from argosy.core.models import GenerateSpec, ModelSpec
from argosy.engines.contract import Emit, EngineOptions, GenerationRequest, Sampling
from argosy.engines.deployment import Lengths
from argosy.engines.grammar.guard import GrammarGuard, Limits
from argosy.engines.grammar.messages import Prepare
from argosy.engines.language_checkpoint import Checkpoint, read_adapter, read_checkpoint
from argosy.engines.peft import PeftAdapter
from argosy.engines.tensorrt_llm import options as engine_options
from argosy.engines.tensorrt_llm.arguments import Deployment, environment, llm_arguments
from argosy.engines.tensorrt_llm.built import refuse_built
from argosy.engines.tensorrt_llm.messages import Add, Load, Ready, Settings, decode_report
from argosy.engines.tensorrt_llm.requirements import require_machine
from argosy.engines.tensorrt_llm.sampling import resolve
from argosy.engines.text.answer import answer_to
from argosy.engines.text.json_tokenizer import JsonTokenizer
from argosy.engines.text.limits import answer_length
from argosy.engines.text.prompt import prompt_tokens
from argosy.engines.text.tokenizer import TextTokenizer
from argosy.engines.workers.constrained import add_once_compiled
from argosy.engines.workers.link import WorkerProgram
from argosy.engines.workers.supervisor import WorkerSupervisor

_WORKER = "argosy.engines.tensorrt_llm.worker"
_TRIAL = "argosy.engines.grammar.checkpoint_trial"
_TRIAL_MEMORY = 2 << 30
"""Bytes that compiling constraints may take beside what the compiler needs at rest."""
_WARM = Sampling(max_tokens=2, temperature=0.0, ignore_eos=True)


def create(spec: ModelSpec, options: EngineOptions) -> TensorrtLlmEngine:
    """Build the engine for a language model; it is not started.

    Raises:
        InvalidModelEntry: the entry has no `generate` section, or a parameter has a wrong value.
    """
    if spec.generate is None:
        raise InvalidModelEntry(f"Model {spec.name!r} has no 'generate' section; this engine serves nothing else.")
    return TensorrtLlmEngine(spec, spec.generate, options)


class TensorrtLlmEngine:
    """A `GenerationEngine` over TensorRT-LLM's in-flight batching; see the package's docstring.

    Metrics: `running`, `waiting`, `kv_cache_usage`.
    """

    def __init__(self, spec: ModelSpec, generate: GenerateSpec, options: EngineOptions) -> None:
        self._spec = spec
        self._generate = generate
        self._options = options
        self._engine_options = engine_options.parse(options.parameters)
        self._lengths = Lengths.of(options.parameters)
        self._supervisor: WorkerSupervisor[Ready] | None = None
        self._guard: GrammarGuard | None = None
        self._tokenizer: TextTokenizer | None = None
        self._context_length = generate.context_length
        self._vocabulary = 0
        self._end_tokens: tuple[int, ...] = ()

    def start(self) -> None:
        """See `Engine`."""
        refuse_built(self._options.directory / self._spec.model)
        require_machine(self._engine_options.worker_python)
        checkpoint = read_checkpoint(self._options.directory / self._spec.model)
        tokenizer = JsonTokenizer(self._options.directory / (self._generate.tokenizer or "tokenizer.json"))
        program = self._program(checkpoint, self._read_adapter(checkpoint))
        try:
            supervisor: WorkerSupervisor[Ready] = WorkerSupervisor(self._spec.name, program)
            self._supervisor = supervisor
            supervisor.start()
            self._adopt(supervisor.ready(self._engine_options.start_timeout_s), checkpoint, tokenizer)
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
        supervisor, guard, tokenizer = self._supervisor, self._guard, self._tokenizer
        if supervisor is None or guard is None or tokenizer is None:
            raise EngineError("The engine is not running.")
        tokens = prompt_tokens(request, tokenizer)
        settings = self._settings(request.sampling, len(tokens))
        answer = answer_to(tokens, request.sampling, tokenizer, emit, self._end_tokens)
        add = partial(Add, tokens=array("q", tokens).tobytes(), settings=settings)
        constraint = settings.constraint
        if constraint is None or guard.knows(constraint):
            return supervisor.add(answer, add)
        return add_once_compiled(supervisor, guard, constraint, answer, add)

    def cancel(self, handle: int) -> None:
        """See `GenerationEngine`. The last chunk comes when slot and cache are free, or after 1 s."""
        supervisor = self._supervisor
        if supervisor is not None:
            supervisor.cancel(handle)

    def _settings(self, sampling: Sampling, prompt_length: int) -> Settings:
        max_tokens = answer_length(
            sampling,
            prompt_length,
            self._context_length,
            longest_input=self._lengths.input,
            longest_output=self._lengths.output,
        )
        return resolve(sampling, max_tokens, vocabulary=self._vocabulary, end_tokens=self._end_tokens)

    def _program(self, checkpoint: Checkpoint, adapter: PeftAdapter | None) -> WorkerProgram:
        options = self._engine_options
        deployment = Deployment(self._spec, self._generate.context_length, checkpoint, adapter, options, _host_memory())
        order = Load(
            arguments=llm_arguments(deployment),
            adapter="" if adapter is None else str(adapter.path.parent),
            vocabulary=checkpoint.vocabulary,
            slots=options.max_num_seqs,
            patience=options.stall_timeout_s,
            warm=resolve(_WARM, 2, vocabulary=checkpoint.vocabulary, end_tokens=()),
        )
        return WorkerProgram(
            "TensorRT-LLM",
            _WORKER,
            order,
            str(checkpoint.directory),
            decode_report,
            python=options.worker_python,
            environment=environment(deployment, os.environ.get("PATH", os.defpath)),
        )

    def _read_adapter(self, checkpoint: Checkpoint) -> PeftAdapter | None:
        own = self._generate.adapter
        return None if own is None else read_adapter(self._options.directory / own, checkpoint)

    def _adopt(self, ready: Ready, checkpoint: Checkpoint, tokenizer: TextTokenizer) -> None:
        # A generation that the whole cache cannot hold would never end.
        self._context_length = min(self._generate.context_length, ready.context_length)
        self._vocabulary = min(checkpoint.vocabulary, tokenizer.size)
        ends = self._generate.eos_token_ids or checkpoint.end_tokens
        self._end_tokens = tuple(dict.fromkeys(ends if ready.end_token is None else (*ends, ready.end_token)))
        config = str(checkpoint.directory / "config.json")
        limits = Limits(budget_ms=self._engine_options.grammar_budget_ms)
        self._guard = GrammarGuard(
            _TRIAL,
            Prepare(config, self._end_tokens, _TRIAL_MEMORY),
            limits,
            lambda: None,
            python=self._engine_options.worker_python,
        )
        self._tokenizer = tokenizer


def _host_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
