"""Small random encoders as people publish them, and what transformers says of a text without anything of ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from argosy.core.models import ModelSpec, Pooling, ProfileSpec, Task, TextSpec
from tests.suites.encoder_engine_contract import MAX_TOKENS
from tests.suites.word_tokenizer import WORDS, write_tokenizer

WIDTH = 32
LABELS = ("calm", "curious", "cross")
SIZES = {
    "vocab_size": len(WORDS),
    "hidden_size": WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
}


@dataclass(frozen=True)
class Family:
    """An architecture.

    Attributes:
        base: transformers' class of the bare network.
        classifies: its class with a classification head.
        settings: of its config, beside `SIZES`.
    """

    config: type[Any]
    base: type[Any]
    classifies: type[Any]
    settings: dict[str, Any]

    def build(self, kind: type[Any], **settings: Any) -> Any:
        """A random network whose parts all speak up."""
        torch.manual_seed(5)
        config = self.config(**SIZES | self.settings | settings)
        model = kind(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.15)
        return model


FAMILIES = {
    "bert": Family(
        transformers.BertConfig,
        transformers.BertModel,
        transformers.BertForSequenceClassification,
        {"max_position_embeddings": 64, "pad_token_id": 0},
    ),
    # Positions are counted from behind the padding token, and there is one type id.
    "roberta": Family(
        transformers.RobertaConfig,
        transformers.RobertaModel,
        transformers.RobertaForSequenceClassification,
        {"max_position_embeddings": MAX_TOKENS + 2, "pad_token_id": 1, "type_vocab_size": 1},
    ),
    # A decoder, which has no padding token of its own and answers with its last token.
    "qwen2": Family(
        transformers.Qwen2Config,
        transformers.Qwen2Model,
        transformers.Qwen2ForSequenceClassification,
        {"max_position_embeddings": 64, "num_key_value_heads": 2, "pad_token_id": None},
    ),
}


def save(model: Any, folder: Path) -> None:
    """Write the checkpoint with its tokenizer."""
    model.save_pretrained(folder)
    write_tokenizer(folder / "tokenizer.json")


def embedder(folder: Path, family: str = "bert") -> Any:
    """A bare network."""
    made = FAMILIES[family]
    model = made.build(made.base)
    save(model, folder)
    return model


def scorer(folder: Path, labels: int, family: str = "bert") -> Any:
    """A network with a classification head; one or two labels make a cross-encoder."""
    made = FAMILIES[family]
    model = made.build(made.classifies, num_labels=labels)
    save(model, folder)
    return model


def spec(
    task: Task = Task.EMBED, *, precision: str = "f32", text: dict[str, Any] | None = None, **fields: Any
) -> ModelSpec:
    """The entry of a checkpoint made here."""
    settings = {"max_tokens": MAX_TOKENS, "dimensions": WIDTH if task is Task.EMBED else 0} | (text or {})
    return ModelSpec(
        "small",
        task,
        "torch",
        model="config.json",
        profile=ProfileSpec(precision),
        text=TextSpec(**settings),
        **fields,
    )


PAIR: dict[str, Any] = {"pair": True, "pooling": Pooling.NONE, "normalize": False}
