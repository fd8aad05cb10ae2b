"""The kinds of models that can be converted, and how an architecture's name tells them apart."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from argosy.core.errors import InvalidModelEntry


class Kind(StrEnum):
    """What a model computes, and with it how it is exported, measured and served."""

    ENCODER = "text-encoder"
    CROSS_ENCODER = "cross-encoder"
    SEQUENCE_CLASSIFIER = "sequence-classifier"
    TOKEN_CLASSIFIER = "token-classifier"  # noqa: S105 - tokens of text
    DECODER = "decoder"
    IMAGE_CLASSIFIER = "image-classifier"
    DETECTOR = "detector"
    SEGMENTER = "segmenter"
    NETWORK = "network"

    @property
    def reads_text(self) -> bool:
        """Whether its inputs are made by a tokenizer."""
        return self in {Kind.ENCODER, Kind.CROSS_ENCODER, Kind.SEQUENCE_CLASSIFIER, Kind.TOKEN_CLASSIFIER, Kind.DECODER}

    @property
    def served_by_tensors(self) -> bool:
        """Whether no text dialect exists for it, so that it is served as task `tensor` over KServe v2."""
        return self not in {Kind.ENCODER, Kind.CROSS_ENCODER, Kind.SEQUENCE_CLASSIFIER, Kind.DECODER}


DECODERS = frozenset({"LlamaForCausalLM", "Qwen2ForCausalLM", "MistralForCausalLM"})
"""The language models whose conversion is tested; the export follows transformers' code, and others differ in it."""

_ENCODERS = frozenset(
    {
        *("BertModel", "RobertaModel", "XLMRobertaModel", "DistilBertModel", "MPNetModel", "ElectraModel"),
        *("AlbertModel", "CamembertModel", "DebertaV2Model", "ModernBertModel", "NomicBertModel"),
    }
)
_MASKED = "ForMaskedLM"
_ENDINGS = {
    "ForTokenClassification": Kind.TOKEN_CLASSIFIER,
    "ForImageClassification": Kind.IMAGE_CLASSIFIER,
    "ForObjectDetection": Kind.DETECTOR,
    "ForSemanticSegmentation": Kind.SEGMENTER,
}
_TASKS = {
    "embed": Kind.ENCODER,
    "rank": Kind.CROSS_ENCODER,
    "classify": Kind.SEQUENCE_CLASSIFIER,
    "generate": Kind.DECODER,
}


def kind_of(config: Mapping[str, Any], task: str = "") -> Kind:
    """The kind that a Hugging Face `config.json` describes.

    Args:
        config: its content.
        task: what the user wants it served as; empty takes what the architecture says.

    Raises:
        InvalidModelEntry: the architecture cannot be converted, or cannot do the task.
    """
    names = config.get("architectures")
    architecture = str(names[0]) if isinstance(names, list) and names else ""
    found = _kind(architecture, config)
    wanted = _TASKS.get(task)
    if wanted is not None and wanted is not found:
        raise InvalidModelEntry(
            f"config.json names {architecture}, a {found.value}; it cannot be served for task {task!r}. "
            "Leave out --task, or convert another model."
        )
    return found


def _kind(architecture: str, config: Mapping[str, Any]) -> Kind:
    if architecture in DECODERS:
        return Kind.DECODER
    if architecture in _ENCODERS or architecture.endswith(_MASKED):
        return Kind.ENCODER
    if architecture.endswith("ForSequenceClassification"):
        return Kind.CROSS_ENCODER if _label_count(config) == 1 else Kind.SEQUENCE_CLASSIFIER
    for ending, kind in _ENDINGS.items():
        if architecture.endswith(ending):
            return kind
    known = ", ".join(sorted(DECODERS | _ENCODERS))
    raise InvalidModelEntry(
        f"The architecture {architecture or '(none)'!r} of config.json is not one that is converted. "
        f"Known are {known}, *{_MASKED}, *ForSequenceClassification, {', '.join(f'*{ending}' for ending in _ENDINGS)}. "
        "Export the model to ONNX yourself and convert the .onnx file."
    )


def _label_count(config: Mapping[str, Any]) -> int:
    names, count = config.get("id2label"), config.get("num_labels")
    if isinstance(names, dict) and names:
        return len(names)
    return count if isinstance(count, int) else 2
