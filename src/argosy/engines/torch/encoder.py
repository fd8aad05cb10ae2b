"""Encoders from checkpoints: texts in; embeddings, similarities or class probabilities out."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from argosy.core.errors import ArgosyError, EngineCrashed, EngineError, InvalidModelEntry
from argosy.core.models import ModelSpec, TextSpec
from argosy.engines.contract import EngineOptions, TensorRequest, TensorResult
from argosy.engines.encoders.head import read_head
from argosy.engines.encoders.text_model import TextModel
from argosy.engines.encoders.tokens import Tokens
from argosy.engines.libraries import load
from argosy.engines.torch.options import TorchOptions

if TYPE_CHECKING:
    from argosy.engines.torch.execution import Execution

_INSTALL = "'argosy[torch]'"
_ENGINE = "The engine 'torch'"


class Encoder:
    """Serves embed, rank and classify with transformers' own code of the model.

    The entry's `model` is the `config.json` of a checkpoint folder; weights and tokenizer stand beside it. Deployment
    options: `TorchOptions`.
    """

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self._spec = spec
        self._options = options
        self._text = spec.text or TextSpec()
        self._execution: Execution | None = None
        self._model: TextModel | None = None

    def start(self) -> None:
        """Load tokenizer, weights and head, and run the common shapes once; on a GPU, capture them."""
        wanted = TorchOptions.of(self._spec, self._options)
        load("torch", _ENGINE, _INSTALL)
        load("transformers", _ENGINE, _INSTALL)
        directory = self._options.directory
        tokens = Tokens(directory / self._text.tokenizer, self._text.max_tokens, self._options.threads)
        head = read_head(directory, self._spec)
        try:
            execution = self._execution = self._load(wanted, tokens)
            self._try(execution, wanted, None if head is None else head.dimensions)
        except ArgosyError:
            raise
        except Exception as error:
            raise self._unfit(error) from error
        self._model = TextModel(self._spec, tokens, head, execution.run)

    def stop(self) -> None:
        """Drop the network and the tokenizer."""
        if self._execution is None:
            return
        self._execution.close()
        lost = self._execution.lost
        self._execution = self._model = None
        gc.collect()
        torch = load("torch", _ENGINE, _INSTALL)
        if torch.cuda.is_initialized() and not lost:
            torch.cuda.empty_cache()

    def metrics(self) -> Mapping[str, float]:
        """Nothing that Triton does not already count."""
        return {}

    def infer(self, requests: Sequence[TensorRequest]) -> list[TensorResult]:
        """See `TextModel.infer`; once the GPU is lost, only a new process can answer."""
        if self._model is None or self._execution is None:
            return [EngineError("The torch engine is not running.") for _ in requests]
        results = self._model.infer(requests)
        if self._execution.lost:
            return [EngineCrashed("The GPU failed; the model is started again. Try again.") for _ in requests]
        return results

    def _load(self, wanted: TorchOptions, tokens: Tokens) -> Execution:
        # These import torch and transformers, which need not be installed.
        from argosy.engines.torch.device import choose_device, choose_type  # noqa: PLC0415
        from argosy.engines.torch.execution import Execution  # noqa: PLC0415
        from argosy.engines.torch.loading import load_model  # noqa: PLC0415
        from argosy.engines.torch.network import Network  # noqa: PLC0415

        device = choose_device(wanted.device)
        config = self._options.directory / self._spec.model
        model = load_model(config, self._spec, choose_type(device, wanted.precision))
        network = Network(model, self._spec, device)
        if tokens.vocabulary > network.vocabulary:
            raise InvalidModelEntry(
                f"The tokenizer {self._text.tokenizer} has {tokens.vocabulary} tokens and the model {config} reads "
                f"{network.vocabulary}. They do not belong together; fetch the model again."
            )
        return Execution(network, tokens.longest, network.filler(tokens.filler), wanted)

    def _try(self, execution: Execution, wanted: TorchOptions, head_takes: int | None) -> None:
        """Run the network: does it run at all, are its vectors what the entry says, and the shapes to come."""
        from argosy.engines.torch.network import check_width  # noqa: PLC0415 - see `_load`

        check_width(execution.width(), self._spec, head_takes)
        execution.warm_up(wanted.warm_up, capture=wanted.cuda_graphs)

    def _unfit(self, error: Exception) -> ArgosyError:
        """What a library said of the model while it was loaded, in the operator's words."""
        from argosy.engines.torch.memory import is_out_of_memory, no_room  # noqa: PLC0415 - see `_load`

        directory = self._options.directory
        if is_out_of_memory(error):
            return no_room(directory, error)
        return InvalidModelEntry(f"The model {directory} cannot be run: {str(error) or type(error).__name__}")
