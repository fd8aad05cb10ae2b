"""Encoders, cross-encoders and classifiers: the network as ONNX, and what transformers says to the samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from argosy.conversion.sources.kinds import Kind
from argosy.conversion.steps.loading import load_model, load_tokenizer, longest_input, reference_name, save_arrays
from argosy.conversion.steps.onnx_export import Answering, export_onnx

_CLASSES = {
    Kind.ENCODER: ("AutoModel", "last_hidden_state"),
    Kind.CROSS_ENCODER: ("AutoModelForSequenceClassification", "logits"),
    Kind.SEQUENCE_CLASSIFIER: ("AutoModelForSequenceClassification", "logits"),
    Kind.TOKEN_CLASSIFIER: ("AutoModelForTokenClassification", "logits"),
}
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Write `network/model.onnx`, `samples.safetensors` (token ids of every sample) and `reference.safetensors`.

    The first half of the samples calibrates, the second is judged: only it has a reference.
    """
    kind, folder = Kind(request["kind"]), Path(request["model"])
    automatic, field = _CLASSES[kind]
    model, tokenizer = load_model(folder, automatic), load_tokenizer(folder)
    limit = longest_input(folder, model.config, tokenizer)
    rows = _encode(tokenizer, request, limit)
    if len(rows) < 2:
        raise ValueError(f"the queries leave no room for a passage in {limit} tokens; give shorter ones: --calibration")
    indices = sorted(rows)
    answering = Answering(model, list(rows[indices[0]]), [field])
    _export(answering, list(rows.values()), field, output)
    judged = indices[len(indices) // 2 :]
    save_arrays(output / "samples.safetensors", _flat(rows))
    reference = _reference(answering, rows, judged, field)
    if not kind.served_by_tensors:
        reference = {name: values[0] for name, values in reference.items()}
    save_arrays(output / "reference.safetensors", reference)
    return {"reference": reference_name(), "judged": len(judged), "max_tokens": limit}


def _encode(tokenizer: Any, request: Mapping[str, Any], limit: int) -> dict[int, dict[str, torch.Tensor]]:
    """Each sample's token ids [1, length] and what goes with them, by its number.

    Pairs are left out whose query leaves no room for the passage: serving refuses them.
    """
    passages = request["passages"] or [None] * len(request["texts"])
    cut = "only_second" if request["passages"] else True
    rows = {}
    for index, (text, passage) in enumerate(zip(request["texts"], passages, strict=True)):
        if passage is not None and _taken(tokenizer, text) >= limit:
            continue
        encoded = tokenizer(text, passage, truncation=cut, max_length=limit, return_tensors="pt")
        rows[index] = {name: encoded[name] for name in _INPUTS if name in encoded}
    return rows


def _taken(tokenizer: Any, query: str) -> int:
    """Tokens of a pair without its passage."""
    alone = len(tokenizer(query, add_special_tokens=False)["input_ids"])
    return alone + int(tokenizer.num_special_tokens_to_add(pair=True))


def _export(answering: Answering, rows: list[dict[str, torch.Tensor]], field: str, output: Path) -> None:
    first = max(rows, key=lambda row: row["input_ids"].shape[1])
    example = {name: values.repeat(2, 1) for name, values in first.items()}
    batch, length = torch.export.Dim.DYNAMIC, torch.export.Dim.DYNAMIC
    network = output / "network"
    network.mkdir()
    export_onnx(answering, example, {name: {0: batch, 1: length} for name in example}, [field], network / "model.onnx")


@torch.inference_mode()
def _reference(
    answering: Answering, rows: Mapping[int, dict[str, torch.Tensor]], judged: list[int], field: str
) -> dict[str, torch.Tensor]:
    """What the original says to each judged sample, [1, …], read alone, so that no padding is in it."""
    return {f"{index}.{field}": answering(*rows[index].values())[0] for index in judged}


def _flat(rows: Mapping[int, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {f"{index}.{name}": values for index, row in rows.items() for name, values in row.items()}
