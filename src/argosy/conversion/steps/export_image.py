"""Image models: the network as ONNX with an open batch, and what transformers says to the samples."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from argosy.conversion.sources.kinds import Kind
from argosy.conversion.steps.loading import load_model, reference_name, save_arrays
from argosy.conversion.steps.onnx_export import Answering, export_onnx

_CLASSES = {
    Kind.IMAGE_CLASSIFIER: ("AutoModelForImageClassification", ["logits"]),
    Kind.SEGMENTER: ("AutoModelForSemanticSegmentation", ["logits"]),
    Kind.DETECTOR: ("AutoModelForObjectDetection", ["logits", "pred_boxes"]),
}
_INPUT = "pixel_values"
_SIDE = 224
_COARSE = 7
_SEEN = 0.5


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Write `network/model.onnx`, `samples.safetensors` and `reference.safetensors`.

    Each sample is `pixel_values` [1, channels, height, width]; the second half of the samples is judged.
    """
    automatic, fields = _CLASSES[Kind(request["kind"])]
    model = load_model(Path(request["model"]), automatic)
    images = _images(request, model.config)
    answering = Answering(model, [_INPUT], fields)
    network = output / "network"
    network.mkdir()
    example = {_INPUT: images[:2].repeat(2, 1, 1, 1)[:2]}
    export_onnx(answering, example, {_INPUT: {0: torch.export.Dim.DYNAMIC}}, fields, network / "model.onnx")
    half = len(images) // 2
    save_arrays(output / "samples.safetensors", {f"{at}.{_INPUT}": image[None] for at, image in enumerate(images)})
    reference = _reference(answering, images, half, fields)
    if Kind(request["kind"]) is Kind.DETECTOR:
        reference |= _objects(reference, len(model.config.id2label))
    save_arrays(output / "reference.safetensors", reference)
    return {"reference": reference_name(), "judged": len(images) - half}


@torch.inference_mode()
def _reference(answering: Answering, images: torch.Tensor, half: int, fields: list[str]) -> dict[str, torch.Tensor]:
    found = {}
    for index in range(half, len(images)):
        for name, value in zip(fields, answering(images[index][None]), strict=True):
            found[f"{index}.{name}"] = value
    return found


def _objects(reference: Mapping[str, torch.Tensor], classes: int) -> dict[str, torch.Tensor]:
    """Which queries of each sample see an object; all of them where none does, as in a model that never learnt to.

    DETR and its kin have a last class more for "nothing here"; others say so by low scores for every class.
    """
    found = {}
    for name, logits in reference.items():
        index, _, field = name.partition(".")
        if field != "logits":
            continue
        nothing = logits.shape[-1] > classes
        seen = logits[0].argmax(dim=-1) < classes if nothing else logits[0].amax(dim=-1).sigmoid() > _SEEN
        found[f"{index}.objects"] = (seen if seen.any() else torch.ones_like(seen)).to(torch.uint8)
    return found


def _images(request: Mapping[str, Any], config: Any) -> torch.Tensor:
    """The user's `pixel_values`, or made ones: coarse structure and fine grain, mean 0 and variance about 1."""
    if request["tensors"]:
        with np.load(request["tensors"], allow_pickle=False) as given:
            return torch.from_numpy(given[_INPUT].astype(np.float32)[: request["count"]])
    size = getattr(config, "image_size", None) or _SIDE
    height, width = (size, size) if isinstance(size, int) else tuple(size)
    generator = torch.Generator().manual_seed(0)
    channels = getattr(config, "num_channels", 3)
    coarse = torch.randn(request["count"], channels, _COARSE, _COARSE, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return smooth + 0.3 * torch.randn(request["count"], channels, height, width, generator=generator)
