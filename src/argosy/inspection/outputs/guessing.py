"""Which adapter fits a model nobody has described, from the names and shapes of its outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from argosy.inspection.outputs.selection import Signatures
from argosy.inspection.outputs.specification import Activation, AdapterKind

_ANOMALIB = ("anomaly_map", "pred_mask", "pred_score", "pred_label")
_SIGMOID_NAMES = frozenset({"dets", "labels"})
"""What RF-DETR calls its outputs."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A proposal for the `output` part of `inspect.yaml`.

    Attributes:
        adapter: the kind, or None when the outputs are none that are known.
        tensors: the model's outputs by role.
        classes: how many names `classes` needs, or None when the shapes do not say.
        options: further keys.
        reason: what it was seen by, or why there is no proposal; a sentence.
    """

    adapter: AdapterKind | None
    reason: str
    tensors: Mapping[str, str] = field(default_factory=dict)
    classes: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)


def guess(signatures: Signatures) -> Guess:
    """The adapter that names and shapes speak for. A person should look at it: shapes do not tell logits from more."""
    if any(name in signatures for name in _ANOMALIB):
        return _anomalib(signatures)
    ranks = tuple(sorted(len(shape) for shape in signatures.values()))
    by_ranks = {(2,): _named_image, (3,): _boxes, (4,): _pixels, (3, 3): _queries, (3, 4): _boxes_with_masks}
    if ranks in by_ranks:
        return by_ranks[ranks](signatures)
    return _unknown(signatures, "no kind of model that is known has outputs of such dimensions")


def _anomalib(signatures: Signatures) -> Guess:
    found = {role: role for role in _ANOMALIB if role in signatures}
    others = [name for name in signatures if name not in found]
    pixels = [name for name in others if len(signatures[name]) == 4 and signatures[name][1] > 1]
    if set(found) == {"anomaly_map"} and len(pixels) == len(others) == 1:
        segments = _pixels({pixels[0]: signatures[pixels[0]]})
        return Guess(
            segments.adapter,
            f"{segments.reason[:-1]}, and 'anomaly_map' beside it.",
            {**segments.tensors, **found},
            segments.classes,
        )
    return Guess(AdapterKind.ANOMALY_MAP, "The outputs have the names that Anomalib gives.", found, 1)


def _named_image(signatures: Signatures) -> Guess:
    ((name, shape),) = signatures.items()
    if shape[1] in {0, 1}:
        return _unknown(signatures, "one number for each image has no classes")
    return Guess(
        AdapterKind.CLASSIFICATION,
        f"{name!r} has one row of scores for each image; {_reading(name)}.",
        {_role(name): name},
        _known(shape[1]),
    )


def _pixels(signatures: Signatures) -> Guess:
    ((name, shape),) = signatures.items()
    if shape[1] == 1:
        return Guess(AdapterKind.ANOMALY_MAP, f"{name!r} has one number for each pixel.", {"anomaly_map": name}, 1)
    return Guess(
        AdapterKind.SEMANTIC_SEG,
        f"{name!r} has a score of each class for each pixel; {_reading(name)}.",
        {_role(name): name},
        _known(shape[1]),
    )


def _boxes(signatures: Signatures) -> Guess:
    ((name, (_, rows, columns)),) = signatures.items()
    if columns == 6:
        return Guess(
            AdapterKind.YOLO_E2E,
            f"{name!r} has rows of six: a box, its confidence and its class.",
            {"detections": name},
        )
    if columns == 7:
        return _unknown(signatures, "rows of seven are turned boxes (OBB), for which there is no adapter")
    if rows > 4 and (rows < columns or columns == -1):
        return Guess(
            AdapterKind.YOLO_RAW,
            f"{name!r} has a column for each anchor: a box and the scores of {rows - 4} classes.",
            {"predictions": name},
            rows - 4,
        )
    if 5 < columns < rows:
        return _unknown(
            signatures,
            "a row for each anchor is YOLOv5's form, with an objectness for which there is no adapter, or YOLOv8's "
            "transposed",
        )
    return _unknown(signatures, "the sizes do not show which dimension counts boxes")


def _boxes_with_masks(signatures: Signatures) -> Guess:
    boxes, proto = sorted(signatures, key=lambda name: len(signatures[name]))
    _, rows, columns = signatures[boxes]
    masks = signatures[proto][1]
    if masks < 1:
        return _unknown(signatures, f"the number of prototypes in {proto!r} is not fixed")
    if columns == 6 + masks:
        return Guess(
            AdapterKind.YOLO_SEG,
            f"{boxes!r} has rows of six and one coefficient for each of the {masks} prototypes in {proto!r}.",
            {"detections": boxes, "proto": proto},
        )
    if rows > 4 + masks and (rows < columns or columns == -1):
        return Guess(
            AdapterKind.YOLO_SEG,
            f"{boxes!r} has a column for each anchor: a box, the scores of {rows - 4 - masks} classes, and one "
            f"coefficient for each of the {masks} prototypes in {proto!r}.",
            {"predictions": boxes, "proto": proto},
            rows - 4 - masks,
        )
    return _unknown(signatures, f"{boxes!r} has no room for the coefficients of {masks} prototypes in {proto!r}")


def _queries(signatures: Signatures) -> Guess:
    first, second = signatures
    fours = [name for name in (first, second) if signatures[name][2] == 4]
    if len(fours) == 2:
        # Three classes and "no object" have as many numbers as a box; then only the names tell.
        fours = [name for name in fours if "box" in name.lower() or name == "dets"]
    if len(fours) != 1 or signatures[first][1] != signatures[second][1]:
        return _unknown(signatures, "neither is clearly the boxes, four numbers for each query of the other")
    (boxes,) = fours
    logits = second if boxes == first else first
    sigmoid = {boxes, logits} == _SIGMOID_NAMES
    columns = signatures[logits][2]
    if sigmoid:
        how = "These are RF-DETR's names, whose classes have a sigmoid each."
    else:
        how = "The classes are taken for DETR's softmax; set 'activation: sigmoid' for Deformable DETR's kin."
    return Guess(
        AdapterKind.DETR,
        f"{boxes!r} has a box and {logits!r} the scores for each query. {how}",
        {"logits": logits, "boxes": boxes},
        None if columns < 2 else columns - 1,
        {"activation": (Activation.SIGMOID if sigmoid else Activation.SOFTMAX).value},
    )


def _unknown(signatures: Signatures, why: str) -> Guess:
    outputs = ", ".join(f"{name} {list(shape)}" for name, shape in signatures.items()) or "none"
    return Guess(None, f"The outputs are {outputs}: {why}. Write 'output' in inspect.yaml by hand.")


def _role(name: str) -> str:
    lowered = name.lower()
    return "probabilities" if any(part in lowered for part in ("prob", "softmax")) else "logits"


def _reading(name: str) -> str:
    return f"by its name they are taken for {_role(name)}"


def _known(size: int) -> int | None:
    return None if size < 0 else size
