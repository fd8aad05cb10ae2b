"""The engine: finds the model's files, checks and tokenises requests, hands them to the worker."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from argosy.core.errors import ArgosyError, EngineError, InvalidModelEntry, InvalidRequest, MissingRequirement
from argosy.core.models import GenerateSpec, ModelSpec
from argosy.core.tensors import Tensor
from argosy.engines.contract import Emit, EngineOptions, GenerationRequest
from argosy.engines.openvino_genai import options as pipeline_options
from argosy.engines.openvino_genai.messages import Load, Ready
from argosy.engines.openvino_genai.sampling import resolve
from argosy.engines.openvino_genai.supervisor import WorkerSupervisor
from argosy.engines.text.answer import Answer
from argosy.engines.text.tokenizer import TextTokenizer

_GRAPH = "openvino_model.xml"
_WEIGHTS = "openvino_model.bin"
_LIBRARIES = {"openvino_genai": "openvino-genai", "tokenizers": "tokenizers"}
_OWN_TOKENIZER = "openvino_tokenizer.xml"


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
        self._supervisor: WorkerSupervisor | None = None
        self._tokenizer: TextTokenizer | None = None
        self._context_length = generate.context_length
        self._end_tokens: frozenset[int] = frozenset()

    @property
    def worker_pid(self) -> int | None:
        """Process id of the worker, None while there is none."""
        return None if self._supervisor is None else self._supervisor.worker_pid

    def start(self) -> None:
        """See `Engine`."""
        _require_libraries()
        model = _find_model(self._options.directory / self._spec.model)
        try:
            self._supervisor = WorkerSupervisor(self._spec.name, self._load_order(model))
            self._supervisor.start()
            # A large vocabulary takes seconds too, so both are built at once.
            tokenizer = _find_tokenizer(self._options.directory, self._generate.tokenizer, model)
            self._adopt(self._supervisor.ready(self._pipeline_options.start_timeout_s))
            self._tokenizer = tokenizer
        except ArgosyError:
            self.stop()
            raise

    def stop(self) -> None:
        """See `Engine`. Answers under way end with an error."""
        self._tokenizer = None
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None

    def metrics(self) -> Mapping[str, float]:
        """See `GenerationEngine`."""
        supervisor = self._supervisor
        return {} if supervisor is None else supervisor.metrics()

    def submit(self, request: GenerationRequest, emit: Emit) -> int:
        """See `GenerationEngine`. The prompt is tokenised on the caller's thread."""
        supervisor, tokenizer = self._supervisor, self._tokenizer
        if supervisor is None or tokenizer is None:
            raise EngineError("The engine is not running.")
        tokens = _tokens(request, tokenizer)
        sampling = request.sampling
        settings = resolve(sampling, len(tokens), self._context_length)
        answer = Answer(
            emit,
            tokenizer.stream(tokens),
            len(tokens),
            end_tokens=() if sampling.ignore_eos else self._end_tokens,
            stops=sampling.stop,
            include_stop=sampling.include_stop,
        )
        return supervisor.add(answer, np.asarray(tokens, dtype="<i8").tobytes(), settings)

    def cancel(self, handle: int) -> None:
        """See `GenerationEngine`. The last chunk comes when slot and cache are free."""
        supervisor = self._supervisor
        if supervisor is not None:
            supervisor.cancel(handle)

    def _load_order(self, model: Path) -> Load:
        options = self._pipeline_options
        return Load(
            model=str(model),
            threads=self._options.threads,
            precision=self._spec.profile.precision,
            cache_gib=options.kv_cache_gib,
            max_num_batched_tokens=options.max_num_batched_tokens,
            max_num_seqs=options.max_num_seqs,
            kv_cache_precision=options.kv_cache_precision,
            dynamic_split_fuse=options.dynamic_split_fuse,
            prefix_caching=options.enable_prefix_caching,
            eos_token_ids=self._generate.eos_token_ids,
        )

    def _adopt(self, ready: Ready) -> None:
        # A generation that the whole cache cannot hold would never end.
        self._context_length = min(self._generate.context_length, ready.cache_tokens)
        self._end_tokens = frozenset(ready.eos_token_ids)


def _require_libraries() -> None:
    for library, package in _LIBRARIES.items():
        if importlib.util.find_spec(library) is None:
            raise MissingRequirement(f"The library {library!r} is missing; run: pip install {package}")


def _find_model(path: Path) -> Path:
    if not path.is_file():
        raise InvalidModelEntry(f"{path} is missing; 'model' in argosy.yaml names it.")
    if path.suffix == ".gguf":
        return path
    if path.name != _GRAPH:
        raise InvalidModelEntry(f"{path} is neither a .gguf file nor {_GRAPH}; this engine loads nothing else.")
    if not path.with_name(_WEIGHTS).is_file():
        raise InvalidModelEntry(f"{path.with_name(_WEIGHTS)} is missing; {_GRAPH} needs it beside it.")
    return path


def _find_tokenizer(directory: Path, name: str | None, model: Path) -> TextTokenizer:
    # Imported here and not above, so that a missing library is told by `start` and not by an import.
    if name is not None and (directory / name).is_file():
        from argosy.engines.text.json_tokenizer import JsonTokenizer  # noqa: PLC0415

        return JsonTokenizer(directory / name)
    if model.suffix == ".gguf" or model.with_name(_OWN_TOKENIZER).is_file():
        from argosy.engines.openvino_genai.tokenizer import NativeTokenizer  # noqa: PLC0415

        return NativeTokenizer(model)
    wanted = directory / (name or "tokenizer.json")
    raise InvalidModelEntry(f"{wanted} is missing, and there is no {_OWN_TOKENIZER} beside {model} instead.")


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
