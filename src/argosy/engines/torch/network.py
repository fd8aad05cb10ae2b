"""A loaded model with what follows it: one vector a row leaves it, not one a token."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Pooling, Task
from argosy.engines.torch.batching import Batch

_VECTORS = ("logits", "sentence_embedding", "text_embeds", "pooler_output")
"""Outputs of one vector a row, as transformers' models name them."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """A batch on the network's device; INT64 [rows, length] each."""

    ids: torch.Tensor
    mask: torch.Tensor
    types: torch.Tensor

    def take(self, batch: Batch) -> None:
        """Overwrite with another batch of the same shape."""
        for own, given in ((self.ids, batch.ids), (self.mask, batch.mask), (self.types, batch.types)):
            own.copy_(torch.from_numpy(given))


class Network:
    """Runs batches of rows.

    Attributes:
        device: where it computes.
    """

    def __init__(self, model: Any, spec: ModelSpec, device: torch.device) -> None:
        """Put the model on its device.

        Args:
            model: of transformers, in evaluation mode.
            spec: says what follows the model.
            device: has room for the weights.
        """
        assert spec.text is not None  # noqa: S101 - `ModelSpec` guarantees it for text tasks
        self.device = device
        self._spec = spec
        self._pooling = spec.text.pooling
        classifies = spec.task is Task.CLASSIFY and spec.head is None
        self._softmax = classifies
        self._normalize = not classifies and not spec.text.pair and (spec.text.normalize or spec.task is Task.RANK)
        self._model = model.to(device)
        self._takes_types = _takes_types(model)

    @property
    def vocabulary(self) -> int:
        """Number of token ids that it has an embedding for."""
        return int(self._model.get_input_embeddings().weight.shape[0])

    def filler(self, spare: int) -> int:
        """The id that pads a row: the model's own, else `spare`, which the model takes for padding from now on."""
        settings = self._model.config.get_text_config()
        if settings.pad_token_id is None:
            # Models that answer with their last token's state look for it by this id.
            settings.pad_token_id = spare
        return int(settings.pad_token_id)

    def place(self, batch: Batch) -> Inputs:
        """Copy a batch to the device."""
        return Inputs(*(torch.from_numpy(tensor).to(self.device) for tensor in (batch.ids, batch.mask, batch.types)))

    def answer(self, inputs: Inputs) -> torch.Tensor:
        """One vector a row, FP32 [rows, d]: embeddings, logits of pairs, or probabilities."""
        types = {"token_type_ids": inputs.types} if self._takes_types else {}
        output = self._model(input_ids=inputs.ids, attention_mask=inputs.mask, return_dict=True, **types)
        vectors = self._pooled(output, inputs.mask)
        if self._softmax:
            return torch.softmax(vectors, dim=1)
        return torch.nn.functional.normalize(vectors, dim=1) if self._normalize else vectors

    def _pooled(self, output: Any, mask: torch.Tensor) -> torch.Tensor:
        """In f32, whatever the precision of the network."""
        if self._pooling is Pooling.NONE:
            return self._vector(output).float()
        states = output.last_hidden_state
        if self._pooling is Pooling.CLS:
            return states[:, 0].float()
        if self._pooling is Pooling.LAST:
            rows = torch.arange(len(states), device=states.device)
            return states[rows, mask.sum(dim=1) - 1].float()
        weights = mask.unsqueeze(2).float()
        return (states.float() * weights).sum(dim=1) / weights.sum(dim=1)

    def _vector(self, output: Any) -> torch.Tensor:
        for name in _VECTORS:
            vectors = output.get(name)
            if vectors is not None and vectors.ndim == 2:
                return vectors
        raise InvalidModelEntry(
            f"Model {self._spec.name!r} returns no vector a text, which pooling 'none' needs (it returns "
            f"{', '.join(output)}). Correct 'text.pooling' in argosy.yaml."
        )


def check_width(width: int, spec: ModelSpec, head_takes: int | None) -> None:
    """Refuse a network whose vectors do not fit the entry.

    Args:
        width: of the network's vectors.
        spec: the entry.
        head_takes: length of the vectors that the entry's own head takes, None without one.

    Raises:
        InvalidModelEntry: they differ; the message says from what.
    """
    assert spec.text is not None  # noqa: S101 - see `Network`
    if spec.text.pair:
        if width not in {1, 2}:
            raise InvalidModelEntry(
                f"Model {spec.name!r} returns {width} numbers a pair; a cross-encoder (text.pair in argosy.yaml) "
                "returns 1, or 2 of which the second speaks for the passage."
            )
        return
    wanted, who = spec.text.dimensions, "argosy.yaml's text.dimensions says"
    if head_takes is not None:
        wanted, who = head_takes, f"the head {spec.head} takes"
    elif spec.task is Task.CLASSIFY:
        wanted, who = len(spec.labels), "argosy.yaml's labels make"
    if wanted and width != wanted:
        raise InvalidModelEntry(f"Model {spec.name!r} returns {width} numbers a text where {who} {wanted}.")


def _takes_types(model: Any) -> bool:
    """Whether the model tells the texts of a pair apart by type ids; RoBERTa's takes them and has but one."""
    kinds = getattr(model.config, "type_vocab_size", 0) or 0
    return kinds > 1 and "token_type_ids" in inspect.signature(model.forward).parameters
