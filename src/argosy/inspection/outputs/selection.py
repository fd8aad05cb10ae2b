"""From a specification to the adapter it asks for, held against the tensors that the model really has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from argosy.core.errors import InvalidModelEntry
from argosy.inspection.outputs.adapter import Adapter
from argosy.inspection.outputs.anomaly_map import AnomalyMap
from argosy.inspection.outputs.classification import Classification
from argosy.inspection.outputs.detr import Detr
from argosy.inspection.outputs.semantic_seg import SemanticSegmentation
from argosy.inspection.outputs.specification import Activation, AdapterKind, OutputSpec
from argosy.inspection.outputs.tensors import describe, fits
from argosy.inspection.outputs.yolo_e2e import YoloEndToEnd
from argosy.inspection.outputs.yolo_raw import YoloRaw
from argosy.inspection.outputs.yolo_seg import YoloSegmentation

Signatures = Mapping[str, tuple[int, ...]]
"""Shapes of a model's outputs by name, the batch included; -1 for a size that only an answer shows."""


def adapter(spec: OutputSpec, signatures: Signatures) -> Adapter:
    """The adapter for the outputs of one model.

    Raises:
        InvalidModelEntry: the model has no such output, or one of another shape; the message names it.
    """
    chosen = _BUILDERS[spec.adapter](spec)
    roles = {name: role for role, name in spec.tensors.items()}
    for name, patterns in chosen.expects().items():
        shape = signatures.get(name)
        if shape is None:
            raise InvalidModelEntry(
                f"inspect.yaml: 'output.tensors.{roles[name]}' is {name!r}, which the model does not have. Its outputs "
                f"are {', '.join(sorted(signatures)) or 'none'}."
            )
        if not fits(shape, patterns):
            raise InvalidModelEntry(
                f"inspect.yaml: 'output.tensors.{roles[name]}' is {name!r} of the shape {list(shape)}; adapter "
                f"'{spec.adapter}' with {len(spec.classes)} {'class' if len(spec.classes) == 1 else 'classes'} needs "
                f"{describe(patterns)}."
            )
    if isinstance(chosen, YoloSegmentation):
        _check_coefficients(chosen, signatures)
    return chosen


def _segmentation(spec: OutputSpec) -> SemanticSegmentation:
    role = "logits" if "logits" in spec.tensors else "probabilities"
    return SemanticSegmentation(
        scores=spec.tensors[role],
        logits=role == "logits",
        anomaly_map=spec.tensors.get("anomaly_map"),
        classes=spec.classes,
        background=0 if spec.background is None else spec.classes.index(spec.background),
        conf=spec.conf,
        low=spec.low,
        max_det=spec.max_det,
        min_area_px=spec.min_area_px,
    )


def _anomaly(spec: OutputSpec) -> AnomalyMap:
    return AnomalyMap(
        anomaly_map=spec.tensors.get("anomaly_map"),
        pred_mask=spec.tensors.get("pred_mask"),
        pred_score=spec.tensors.get("pred_score"),
        pred_label=spec.tensors.get("pred_label"),
        class_name=spec.classes[0],
        low=spec.conf if spec.low is None else spec.low,
        conf=spec.conf,
        value_range=spec.value_range,
        max_det=spec.max_det,
        min_area_px=spec.min_area_px,
    )


def _finished_boxes(spec: OutputSpec) -> YoloEndToEnd:
    return YoloEndToEnd(
        detections=spec.tensors["detections"],
        classes=spec.classes,
        conf=spec.conf,
        max_det=spec.max_det,
        min_area_px=spec.min_area_px,
    )


def _raw_boxes(spec: OutputSpec) -> YoloRaw:
    return YoloRaw(
        predictions=spec.tensors["predictions"],
        classes=spec.classes,
        conf=spec.conf,
        iou=spec.iou,
        max_det=spec.max_det,
        min_area_px=spec.min_area_px,
    )


def _masks(spec: OutputSpec) -> YoloSegmentation:
    finished = "detections" in spec.tensors
    return YoloSegmentation(
        boxes=spec.tensors["detections" if finished else "predictions"],
        proto=spec.tensors["proto"],
        finished=finished,
        classes=spec.classes,
        conf=spec.conf,
        iou=spec.iou,
        max_det=spec.max_det,
        min_area_px=spec.min_area_px,
    )


def _set_prediction(spec: OutputSpec) -> Detr:
    return Detr(
        logits=spec.tensors["logits"],
        boxes=spec.tensors["boxes"],
        classes=spec.classes,
        use_softmax=spec.activation is Activation.SOFTMAX,
        conf=spec.conf,
        max_det=spec.max_det,
        min_area_px=spec.min_area_px,
    )


def _named_image(spec: OutputSpec) -> Classification:
    role = "logits" if "logits" in spec.tensors else "probabilities"
    return Classification(
        scores=spec.tensors[role],
        logits=role == "logits",
        classes=spec.classes,
        background=None if spec.background is None else spec.classes.index(spec.background),
        conf=spec.conf,
    )


_BUILDERS: Mapping[AdapterKind, Callable[[OutputSpec], Adapter]] = {
    AdapterKind.SEMANTIC_SEG: _segmentation,
    AdapterKind.ANOMALY_MAP: _anomaly,
    AdapterKind.YOLO_E2E: _finished_boxes,
    AdapterKind.YOLO_RAW: _raw_boxes,
    AdapterKind.YOLO_SEG: _masks,
    AdapterKind.DETR: _set_prediction,
    AdapterKind.CLASSIFICATION: _named_image,
}


def _check_coefficients(masks: YoloSegmentation, signatures: Signatures) -> None:
    """Coefficients and prototypes come in two tensors, so neither's shape alone shows a wrong number of classes."""
    prototypes = signatures[masks.proto][1]
    channels = signatures[masks.boxes][2 if masks.finished else 1]
    before = 6 if masks.finished else 4 + len(masks.classes)
    if -1 in {prototypes, channels} or channels == before + prototypes:
        return
    what = "6 columns" if masks.finished else f"4 + {len(masks.classes)} rows for box and classes"
    raise InvalidModelEntry(
        f"inspect.yaml: the output {masks.boxes!r} has {channels} where {what} and the {prototypes} coefficients of "
        f"{masks.proto!r} need {before + prototypes}. Correct 'output.classes' or 'output.tensors'."
    )
