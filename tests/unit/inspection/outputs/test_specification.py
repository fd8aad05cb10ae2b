from __future__ import annotations

from typing import Any

import pytest
import yaml

from argosy.core.errors import InvalidModelEntry
from argosy.inspection.outputs.specification import ROLES, Activation, AdapterKind, OutputSpec


def mapping(kind_name: str = "yolo_raw", **changed: Any) -> dict[str, Any]:
    kind = AdapterKind(kind_name)
    tensors = {role: f"the_{role}" for role in sorted(ROLES[kind][0])}
    values: dict[str, Any] = {"adapter": kind_name, "tensors": tensors, "classes": ["good", "scratch"]}
    if kind is AdapterKind.ANOMALY_MAP:
        del values["classes"]
    values |= changed
    return {key: value for key, value in values.items() if value is not ...}


def test_a_page_of_yaml_is_read() -> None:
    """Every key, as a person writes it."""
    text = """
    adapter: semantic_seg
    tensors: {probabilities: softmax, anomaly_map: heat}
    classes: [void, ok, scratch]
    background: ok
    conf: 0.75
    low: 0.25
    iou: 0.4
    max_det: 50
    min_area_px: 6
    """
    assert OutputSpec.from_mapping(yaml.safe_load(text)) == OutputSpec(
        adapter=AdapterKind.SEMANTIC_SEG,
        tensors={"probabilities": "softmax", "anomaly_map": "heat"},
        classes=("void", "ok", "scratch"),
        background="ok",
        conf=0.75,
        low=0.25,
        iou=0.4,
        max_det=50,
        min_area_px=6,
    )


@pytest.mark.parametrize(
    ("adapter", "conf"),
    [
        ("yolo_e2e", 0.25),
        ("yolo_raw", 0.25),
        ("yolo_seg", 0.25),
        ("detr", 0.5),
        ("anomaly_map", 0.5),
        ("semantic_seg", 0.5),
        ("classification", 0.5),
    ],
)
def test_each_kind_has_its_own_threshold(adapter: str, conf: float) -> None:
    """Unless one is given."""
    assert OutputSpec.from_mapping(mapping(adapter)).conf == conf
    assert OutputSpec.from_mapping(mapping(adapter, conf=1)).conf == 1.0


def test_what_is_background_unless_it_is_said() -> None:
    """The first class of a segmentation; nothing for a classification, whose good class has no usual place."""
    assert OutputSpec.from_mapping(mapping("semantic_seg")).background == "good"
    assert OutputSpec.from_mapping(mapping("classification")).background is None
    assert OutputSpec.from_mapping(mapping("classification", background="good")).background == "good"


def test_anomalies_have_a_name() -> None:
    """One, which need not be given."""
    assert OutputSpec.from_mapping(mapping("anomaly_map")).classes == ("anomaly",)
    assert OutputSpec.from_mapping(mapping("anomaly_map", classes=["hotspot"])).classes == ("hotspot",)


def test_keys_of_one_kind() -> None:
    """DETR's activation and a map's range."""
    assert OutputSpec.from_mapping(mapping("detr", activation="sigmoid")).activation is Activation.SIGMOID
    assert OutputSpec.from_mapping(mapping("anomaly_map", range=[-1, 12.5])).value_range == (-1.0, 12.5)


@pytest.mark.parametrize(
    ("adapter", "tensors"),
    [
        ("semantic_seg", {"logits": "a"}),
        ("semantic_seg", {"logits": "a", "anomaly_map": "b"}),
        ("anomaly_map", {"pred_score": "a", "pred_mask": "b"}),
        ("yolo_seg", {"predictions": "a", "proto": "b"}),
        ("classification", {"probabilities": "a"}),
    ],
)
def test_roles_that_are_enough(adapter: str, tensors: dict[str, str]) -> None:
    """Each kind's other forms."""
    assert OutputSpec.from_mapping(mapping(adapter, tensors=tensors)).tensors == tensors


@pytest.mark.parametrize(
    ("adapter", "tensors"),
    [
        ("semantic_seg", {"logits": "a", "probabilities": "b"}),
        ("semantic_seg", {"anomaly_map": "a"}),
        ("anomaly_map", {}),
        ("anomaly_map", {"logits": "a"}),
        ("yolo_seg", {"proto": "b"}),
        ("yolo_seg", {"detections": "a", "predictions": "b", "proto": "c"}),
        ("yolo_raw", {"predictions": "a", "anomaly_map": "b"}),
        ("detr", {"logits": "a"}),
    ],
)
def test_roles_that_are_not(adapter: str, tensors: dict[str, str]) -> None:
    """The message says which ones are needed."""
    with pytest.raises(InvalidModelEntry, match=f"'output.tensors' names .*; adapter '{adapter}' needs"):
        OutputSpec.from_mapping(mapping(adapter, tensors=tensors))


@pytest.mark.parametrize(
    ("adapter", "changed", "why"),
    [
        ("yolo_raw", {"adapter": "yolo"}, "'output.adapter' must be one of semantic_seg, .*, not 'yolo'"),
        ("yolo_raw", {"adapter": ...}, "'output.adapter' must be one of"),
        ("yolo_raw", {"adapter": ["yolo_raw"]}, "'output.adapter' must be one of"),
        ("yolo_raw", {"threshold": 0.5}, "'output.threshold' is unknown. Known are activation, adapter"),
        ("yolo_raw", {"background": "good"}, "'output.background' has no effect on adapter 'yolo_raw'"),
        ("classification", {"low": 0.1}, "'output.low' has no effect"),
        ("yolo_raw", {"activation": "sigmoid"}, "'output.activation' has no effect"),
        ("semantic_seg", {"range": [0, 1]}, "'output.range' has no effect"),
        ("yolo_raw", {"tensors": ...}, "'output.tensors' must be a mapping"),
        ("yolo_raw", {"tensors": {1: "a"}}, "'output.tensors' must be a mapping"),
        ("yolo_raw", {"tensors": {"predictions": 0}}, "'output.tensors.predictions' must be the name of an output"),
        (
            "detr",
            {"tensors": {"logits": "a", "boxes": "a"}},
            "'output.tensors' gives one output of the model two roles",
        ),
        ("yolo_raw", {"classes": ...}, "'output.classes' must list"),
        ("yolo_raw", {"classes": []}, "'output.classes' must list"),
        ("yolo_raw", {"classes": [False, "scratch"]}, "'output.classes' must list .* in quotes"),
        ("yolo_raw", {"classes": "scratch"}, "'output.classes' must list"),
        ("yolo_raw", {"classes": ["a", "a"]}, "'output.classes' has a name twice"),
        ("anomaly_map", {"classes": ["a", "b"]}, "'output.classes' must have one name"),
        ("semantic_seg", {"classes": ["a"]}, "'output.classes' must have two names"),
        ("semantic_seg", {"background": "void"}, "'output.background' must be one of .*, not 'void'"),
        ("semantic_seg", {"background": ["good"]}, "'output.background' must be one of"),
        ("yolo_raw", {"conf": 1.5}, "'output.conf' must be a number from 0 to 1, not 1.5"),
        ("yolo_raw", {"conf": "high"}, "'output.conf' must be a number from 0 to 1, not 'high'"),
        ("yolo_raw", {"conf": True}, "'output.conf' must be"),
        ("yolo_raw", {"conf": float("nan")}, "'output.conf' must be"),
        ("yolo_raw", {"conf": None}, "'output.conf' must be"),
        ("yolo_raw", {"iou": -0.1}, "'output.iou' must be a number from 0 to 1"),
        ("semantic_seg", {"low": 0.6, "conf": 0.5}, "'output.low' must be a number from 0 to 0.5, not 0.6"),
        ("yolo_raw", {"max_det": 0}, "'output.max_det' must be a whole number from 1 to 10000, not 0"),
        ("yolo_raw", {"max_det": 2.5}, "'output.max_det' must be a whole number"),
        ("yolo_raw", {"min_area_px": 0}, "'output.min_area_px' must be a whole number from 1 up, not 0"),
        ("yolo_raw", {"min_area_px": True}, "'output.min_area_px' must be"),
        ("detr", {"activation": "relu"}, "'output.activation' must be one of softmax, sigmoid, not 'relu'"),
        ("anomaly_map", {"range": [5, 5]}, "'output.range' must be two numbers, the lower first"),
        ("anomaly_map", {"range": [0, 1, 2]}, "'output.range' must be two numbers"),
        ("anomaly_map", {"range": 5}, "'output.range' must be two numbers"),
    ],
)
def test_a_wrong_key_is_named(adapter: str, changed: dict[str, Any], why: str) -> None:
    """The message names the key and says what it takes."""
    with pytest.raises(InvalidModelEntry, match=f"^inspect.yaml: {why}"):
        OutputSpec.from_mapping(mapping(adapter, **changed))


@pytest.mark.parametrize("data", [None, [], "yolo_raw", {1: 2}])
def test_what_is_no_mapping_is_refused(data: object) -> None:
    """A part that is missing, or something else."""
    with pytest.raises(InvalidModelEntry, match="'output' must be a mapping"):
        OutputSpec.from_mapping(data)
