from __future__ import annotations

from typing import Any

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.inspection.outputs.adapter import Adapter
from argosy.inspection.outputs.anomaly_map import AnomalyMap
from argosy.inspection.outputs.classification import Classification
from argosy.inspection.outputs.detr import Detr
from argosy.inspection.outputs.selection import Signatures, adapter
from argosy.inspection.outputs.semantic_seg import SemanticSegmentation
from argosy.inspection.outputs.specification import OutputSpec
from argosy.inspection.outputs.yolo_e2e import YoloEndToEnd
from argosy.inspection.outputs.yolo_raw import YoloRaw
from argosy.inspection.outputs.yolo_seg import YoloSegmentation

CLASSES = ("good", "scratch", "stain")


def spec(kind: str, tensors: dict[str, str], **more: Any) -> OutputSpec:
    return OutputSpec.from_mapping(
        {"adapter": kind, "tensors": tensors}
        | ({} if kind == "anomaly_map" else {"classes": list(CLASSES)})
        | {"conf": 0.625, "max_det": 7, "min_area_px": 3}
        | more
    )


BUILT: list[tuple[OutputSpec, Signatures, Adapter]] = [
    (
        spec("yolo_e2e", {"detections": "out"}),
        {"out": (-1, 300, 6)},
        YoloEndToEnd("out", CLASSES, 0.625, 7, 3),
    ),
    (
        spec("yolo_raw", {"predictions": "out"}, iou=0.375),
        {"out": (1, 7, 8400)},
        YoloRaw("out", CLASSES, 0.625, 0.375, 7, 3),
    ),
    (
        spec("yolo_seg", {"detections": "out", "proto": "masks"}),
        {"out": (1, 300, 38), "masks": (1, 32, 160, 160)},
        YoloSegmentation("out", "masks", True, CLASSES, 0.625, 0.5, 7, 3),
    ),
    (
        spec("yolo_seg", {"predictions": "out", "proto": "masks"}),
        {"out": (1, 39, -1), "masks": (1, 32, -1, -1)},
        YoloSegmentation("out", "masks", False, CLASSES, 0.625, 0.5, 7, 3),
    ),
    (
        spec("detr", {"logits": "out", "boxes": "where"}),
        {"out": (1, 300, 4), "where": (1, 300, 4)},
        Detr("out", "where", CLASSES, True, 0.625, 7, 3),
    ),
    (
        spec("detr", {"logits": "out", "boxes": "where"}, activation="sigmoid"),
        {"out": (1, 300, 3), "where": (1, 300, 4)},
        Detr("out", "where", CLASSES, False, 0.625, 7, 3),
    ),
    (
        spec("semantic_seg", {"logits": "out", "anomaly_map": "heat"}, background="stain", low=0.25),
        {"out": (-1, 3, -1, -1), "heat": (-1, 1, -1, -1), "not read": (5,)},
        SemanticSegmentation("out", True, "heat", CLASSES, 2, 0.625, 0.25, 7, 3),
    ),
    (
        spec("anomaly_map", {"anomaly_map": "a", "pred_mask": "b", "pred_score": "c", "pred_label": "d"}, range=[0, 9]),
        {"a": (-1, 1, 256, 256), "b": (-1, 1, 256, 256), "c": (-1, 1), "d": (-1,)},
        AnomalyMap("a", "b", "c", "d", "anomaly", 0.625, 0.625, (0.0, 9.0), 7, 3),
    ),
    (
        spec("classification", {"probabilities": "out"}, background="good"),
        {"out": (-1, 3)},
        Classification("out", False, CLASSES, 0, 0.625),
    ),
]


@pytest.mark.parametrize(("spec", "signatures", "expected"), BUILT)
def test_the_adapter_has_what_the_specification_says(
    spec: OutputSpec, signatures: Signatures, expected: Adapter
) -> None:
    """Each kind, with every value in its place."""
    assert adapter(spec, signatures) == expected


def test_an_output_the_model_lacks_is_named() -> None:
    """The message lists those it has."""
    with pytest.raises(InvalidModelEntry, match=r"'output.tensors.detections' is 'out', .* outputs are a, b\."):
        adapter(spec("yolo_e2e", {"detections": "out"}), {"b": (1, 300, 6), "a": (1,)})


@pytest.mark.parametrize(
    ("chosen", "signatures", "why"),
    [
        (
            spec("yolo_raw", {"predictions": "out"}),
            {"out": (1, 84, 8400)},
            r"'out' of the shape \[1, 84, 8400\]; adapter 'yolo_raw' with 3 classes needs \[N, 7, anchors\]",
        ),
        (
            spec("anomaly_map", {"anomaly_map": "out"}),
            {"out": (1, 3, 8, 8)},
            r"with 1 class needs \[N, 1, rows, columns\] or \[N, rows, columns\]",
        ),
        (spec("detr", {"logits": "a", "boxes": "b"}), {"a": (1, 300, 3), "b": (1, 300, 4)}, r"\[N, queries, 4\]"),
        (
            spec("yolo_seg", {"detections": "a", "proto": "b"}),
            {"a": (1, 300, 6), "b": (1, 32, 160, 160)},
            "'a' has 6 where 6 columns and the 32 coefficients of 'b' need 38",
        ),
        (
            spec("yolo_seg", {"predictions": "a", "proto": "b"}),
            {"a": (1, 116, 8400), "b": (1, 32, 160, 160)},
            r"'a' has 116 where 4 \+ 3 rows for box and classes and the 32 coefficients of 'b' need 39",
        ),
    ],
)
def test_an_output_of_another_shape_is_named(chosen: OutputSpec, signatures: Signatures, why: str) -> None:
    """Before any image is sent, with the shape that is needed."""
    with pytest.raises(InvalidModelEntry, match=why):
        adapter(chosen, signatures)
