"""Load a checkpoint with transformers: its own architectures only, weights whole, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from argosy.core.errors import InvalidModelEntry, MissingRequirement
from argosy.core.models import ModelSpec, Pooling, Task
from argosy.engines.torch.files import check_checkpoint
from argosy.engines.torch.memory import is_out_of_memory, no_room

_NO_SDPA = "scaled_dot_product_attention"
_POSITIONS = ("position_embeddings", "embed_positions", "wpe")
_SOME = 3


def load_model(config: Path, spec: ModelSpec, dtype: torch.dtype) -> Any:
    """The model whose `config.json` is given, on the processor, ready to be asked.

    Raises:
        InvalidModelEntry: a file is missing or damaged, the architecture is not transformers' own, or weights that the
            answer depends on are not there; the message names what.
        MissingRequirement: the checkpoint needs a library that is not installed, or more memory than there is.
    """
    check_checkpoint(config)
    transformers.utils.logging.disable_progress_bar()
    # What is missing or left over is judged below.
    transformers.utils.logging.set_verbosity_error()
    settings = _guarded(config, _read_config)
    automatic = _automatic(settings, spec)
    model, report = _guarded(config, lambda folder: _read_model(automatic, folder, settings, dtype))
    _check_weights(config.parent, spec, report)
    _check_length(model, spec)
    model.config.use_cache = False
    return model.eval().requires_grad_(requires_grad=False)


def _read_config(folder: Path) -> Any:
    return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _automatic(settings: Any, spec: ModelSpec) -> Any:
    """The class that builds the network the entry's task needs."""
    assert spec.text is not None  # noqa: S101 - `ModelSpec` guarantees it for these tasks
    if spec.text.pair or (spec.task is Task.CLASSIFY and spec.head is None):
        return transformers.AutoModelForSequenceClassification
    # T5 and its kin: the half that reads.
    return transformers.AutoModelForTextEncoding if settings.is_encoder_decoder else transformers.AutoModel


def _read_model(automatic: Any, folder: Path, settings: Any, dtype: torch.dtype) -> Any:
    def read(attention: str) -> Any:
        return automatic.from_pretrained(
            folder,
            config=settings,
            dtype=dtype,
            # Said outright: a config may name an attention kernel to be fetched and run.
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )

    try:
        return read("sdpa")
    except ValueError as error:
        if _NO_SDPA not in str(error):
            raise
        return read("eager")


def _guarded(config: Path, step: Any) -> Any:
    """What the step makes of the folder; whatever transformers raises is said of the model."""
    try:
        return step(config.parent)
    except ImportError as error:
        raise MissingRequirement(f"The checkpoint {config.parent} needs more: {_first_line(error)}") from error
    except Exception as error:
        if is_out_of_memory(error):
            raise no_room(config.parent, error) from error
        raise InvalidModelEntry(
            f"transformers {transformers.__version__} cannot load {config}: {_first_line(error)}"
        ) from error


def _check_weights(folder: Path, spec: ModelSpec, report: Any) -> None:
    """Refuse a network of which a part would answer at random.

    transformers fills in what the files lack. A pooler may be lacking where the pooling is ours.
    """
    assert spec.text is not None  # noqa: S101 - see `_automatic`
    ours = spec.text.pooling is not Pooling.NONE
    missing = sorted(name for name in report["missing_keys"] if not (ours and _is_pooler(name)))
    if missing:
        some = ", ".join(missing[:_SOME]) + (f" and {len(missing) - _SOME} more" if len(missing) > _SOME else "")
        raise InvalidModelEntry(
            f"The weights in {folder} lack {some}, which the task '{spec.task}' needs. Correct 'task', 'text.pooling' "
            "or 'head' in argosy.yaml, or fetch the model again."
        )


def _is_pooler(name: str) -> bool:
    return "pooler" in name.split(".")


def _check_length(model: Any, spec: ModelSpec) -> None:
    """Refuse an entry that promises more tokens than the network has positions for."""
    assert spec.text is not None  # noqa: S101 - see `_automatic`
    for name, module in model.named_modules():
        if name.rpartition(".")[2] in _POSITIONS and isinstance(module, torch.nn.Embedding):
            # RoBERTa's family counts from behind the padding token.
            places = module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1)
            if spec.text.max_tokens > places:
                raise InvalidModelEntry(
                    f"Model {spec.name!r} has {places} positions where 'text.max_tokens' in argosy.yaml says "
                    f"{spec.text.max_tokens}; write {places} at most."
                )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:500] if lines else type(error).__name__
