from __future__ import annotations

import re
from typing import Any

import pytest

from argosy.inspection.outputs.guessing import guess
from argosy.inspection.outputs.selection import Signatures, adapter
from argosy.inspection.outputs.specification import OutputSpec

KNOWN: list[tuple[Signatures, str, dict[str, str], int | None]] = [
    ({"output0": (1, 300, 6)}, "yolo_e2e", {"detections": "output0"}, None),
    ({"output0": (-1, -1, 6)}, "yolo_e2e", {"detections": "output0"}, None),
    ({"output0": (1, 84, 8400)}, "yolo_raw", {"predictions": "output0"}, 80),
    ({"output0": (-1, 5, -1)}, "yolo_raw", {"predictions": "output0"}, 1),
    (
        {"output0": (1, 116, 8400), "output1": (1, 32, 160, 160)},
        "yolo_seg",
        {"predictions": "output0", "proto": "output1"},
        80,
    ),
    (
        {"output1": (-1, 32, -1, -1), "output0": (-1, 300, 38)},
        "yolo_seg",
        {"detections": "output0", "proto": "output1"},
        None,
    ),
    (
        {"logits": (-1, 100, 92), "pred_boxes": (-1, 100, 4)},
        "detr",
        {"logits": "logits", "boxes": "pred_boxes"},
        91,
    ),
    ({"dets": (1, 300, 4), "labels": (1, 300, 4)}, "detr", {"logits": "labels", "boxes": "dets"}, 3),
    (
        {"pred_score": (-1,), "pred_label": (-1,), "anomaly_map": (-1, 1, 256, 256), "pred_mask": (-1, 1, 256, 256)},
        "anomaly_map",
        {name: name for name in ("pred_score", "pred_label", "anomaly_map", "pred_mask")},
        1,
    ),
    ({"heat": (1, 1, 256, 256)}, "anomaly_map", {"anomaly_map": "heat"}, 1),
    ({"logits": (1, 6, 1024, 1024)}, "semantic_seg", {"logits": "logits"}, 6),
    (
        {"anomaly_map": (-1, 1, -1, -1), "probabilities": (-1, 6, -1, -1)},
        "semantic_seg",
        {"probabilities": "probabilities", "anomaly_map": "anomaly_map"},
        6,
    ),
    ({"Softmax_out": (-1, 9)}, "classification", {"probabilities": "Softmax_out"}, 9),
    ({"output": (-1, -1)}, "classification", {"logits": "output"}, None),
]


@pytest.mark.parametrize(("signatures", "kind", "tensors", "classes"), KNOWN)
def test_known_exports_are_recognised(
    signatures: Signatures, kind: str, tensors: dict[str, str], classes: int | None
) -> None:
    """Kind, roles and the number of classes, with a sentence why."""
    found = guess(signatures)
    assert (found.adapter, found.tensors, found.classes) == (kind, tensors, classes)
    assert found.reason.endswith(".")


@pytest.mark.parametrize(("signatures", "kind", "tensors", "classes"), KNOWN)
def test_a_guess_is_an_adapter_that_fits(
    signatures: Signatures, kind: str, tensors: dict[str, str], classes: int | None
) -> None:
    """Written into inspect.yaml with names for the classes, it passes the model's own check."""
    found = guess(signatures)
    output: dict[str, Any] = {"adapter": found.adapter, "tensors": found.tensors, **found.options}
    output["classes"] = [f"class {number}" for number in range(found.classes or 2)]
    assert set(adapter(OutputSpec.from_mapping(output), signatures).expects()) == set(tensors.values())


def test_the_activation_is_told_by_the_names() -> None:
    """RF-DETR's names mean a sigmoid; others are taken for DETR's softmax, and the reason says so."""
    assert guess({"dets": (1, 300, 4), "labels": (1, 300, 91)}).options == {"activation": "sigmoid"}
    other = guess({"pred_logits": (1, 300, 91), "pred_boxes": (1, 300, 4)})
    assert other.options == {"activation": "softmax"}
    assert "activation: sigmoid" in other.reason


@pytest.mark.parametrize(
    ("signatures", "why"),
    [
        ({}, "The outputs are none:"),
        ({"output0": (1, 300, 7)}, r"output0 \[1, 300, 7\]: .*OBB"),
        ({"output0": (1, 25200, 85)}, "YOLOv5"),
        ({"output0": (-1, -1, -1)}, "which dimension counts boxes"),
        ({"a": (1, 300, 5), "b": (1, 300)}, "no kind of model"),
        ({"a": (1, 300, 8), "b": (1, 300, 9)}, "neither is clearly the boxes"),
        ({"a": (1, 300, 4), "b": (1, 300, 4)}, "neither is clearly the boxes"),
        ({"a": (1, 300, 4), "b": (1, 200, 9)}, "neither is clearly the boxes"),
        ({"a": (1, 30, 8400), "b": (1, 32, 160, 160)}, "no room for the coefficients of 32"),
        ({"a": (1, 300, 38), "b": (1, -1, 160, 160)}, "is not fixed"),
        ({"score": (-1, 1)}, "has no classes"),
        ({"features": (1, 5, 2, 3, 4)}, "no kind of model"),
    ],
)
def test_unknown_outputs_get_a_reason(signatures: Signatures, why: str) -> None:
    """No proposal is better than a wrong one; the reason lists what was seen."""
    found = guess(signatures)
    assert found.adapter is None
    assert found.tensors == {}
    assert re.search(why, found.reason)
