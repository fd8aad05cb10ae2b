"""How a model's outputs are to be read: the `output` part of `inspect.yaml`, as a frozen value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from argosy.core.errors import InvalidModelEntry

_MOST_DETECTIONS = 10_000
_Choice = TypeVar("_Choice", bound=StrEnum)


class AdapterKind(StrEnum):
    """The kinds of outputs that are understood."""

    SEMANTIC_SEG = "semantic_seg"
    ANOMALY_MAP = "anomaly_map"
    YOLO_E2E = "yolo_e2e"
    YOLO_RAW = "yolo_raw"
    YOLO_SEG = "yolo_seg"
    DETR = "detr"
    CLASSIFICATION = "classification"


class Activation(StrEnum):
    """How logits of DETR's kin become scores: classes that exclude one another, or each for itself."""

    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"


ROLES: Mapping[AdapterKind, tuple[frozenset[str], ...]] = {
    AdapterKind.SEMANTIC_SEG: (frozenset({"probabilities"}), frozenset({"logits"})),
    AdapterKind.ANOMALY_MAP: (
        frozenset({"anomaly_map"}),
        frozenset({"pred_mask"}),
        frozenset({"pred_score"}),
        frozenset({"pred_label"}),
    ),
    AdapterKind.YOLO_E2E: (frozenset({"detections"}),),
    AdapterKind.YOLO_RAW: (frozenset({"predictions"}),),
    AdapterKind.YOLO_SEG: (frozenset({"detections", "proto"}), frozenset({"predictions", "proto"})),
    AdapterKind.DETR: (frozenset({"logits", "boxes"}),),
    AdapterKind.CLASSIFICATION: (frozenset({"probabilities"}), frozenset({"logits"})),
}
"""The tensors each kind is read from: sets of roles of which exactly one must be named, but for `ANOMALY_MAP`, where
any number of them may. `SEMANTIC_SEG` may name an `anomaly_map` as well."""

_CONF = {
    AdapterKind.YOLO_E2E: 0.25,
    AdapterKind.YOLO_RAW: 0.25,
    AdapterKind.YOLO_SEG: 0.25,
}
"""Ultralytics' own default. The others have calibrated scores, or a threshold at one half."""
_OTHER_CONF = 0.5

_COMMON = frozenset({"adapter", "tensors", "classes", "conf", "iou", "max_det", "min_area_px"})
_SPECIAL: Mapping[str, frozenset[AdapterKind]] = {
    "background": frozenset({AdapterKind.SEMANTIC_SEG, AdapterKind.CLASSIFICATION}),
    "low": frozenset({AdapterKind.SEMANTIC_SEG, AdapterKind.ANOMALY_MAP}),
    "activation": frozenset({AdapterKind.DETR}),
    "range": frozenset({AdapterKind.ANOMALY_MAP}),
}


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """The `output` part of `inspect.yaml`.

    Attributes:
        adapter: the kind of outputs.
        tensors: the model's name of each tensor, by the role it has for the adapter (`ROLES`).
        classes: names in the order of the model's class numbers; one name, `anomaly` unless given, for an anomaly map.
        background: the class that is no defect: the first unless given for `semantic_seg`, none unless given for
            `classification`, always None otherwise.
        conf: least score, 0 to 1; of a region, what its best pixel must reach. 0.25 for YOLO and 0.5 for the others
            unless given.
        low: hysteresis: what each pixel of a region must reach, 0 to `conf`, or None for the adapter's own rule.
        iou: for non-maximum suppression, 0 to 1.
        max_det: most defects of one image, the best are kept.
        min_area_px: least area, pixels of the frame.
        activation: of DETR's logits.
        value_range: of an anomaly map that is not normalised, the key `range`, or None.
    """

    adapter: AdapterKind
    tensors: Mapping[str, str]
    classes: tuple[str, ...]
    background: str | None = None
    conf: float = 0.5
    low: float | None = None
    iou: float = 0.5
    max_det: int = 300
    min_area_px: int = 1
    activation: Activation = Activation.SOFTMAX
    value_range: tuple[float, float] | None = None

    @classmethod
    def from_mapping(cls, data: object) -> OutputSpec:
        """The spec in the decoded `output` part.

        Raises:
            InvalidModelEntry: a key is missing, unknown, without effect, or has a wrong value; the message names it.
        """
        fields = _mapping(data, "output")
        kind = _choice(fields, "adapter", AdapterKind, None)
        _check_keys(fields, kind)
        classes = _classes(fields, kind)
        conf = _number(fields, "conf", _CONF.get(kind, _OTHER_CONF), 0, 1)
        return cls(
            adapter=kind,
            tensors=_tensors(fields, kind),
            classes=classes,
            background=_background(fields, kind, classes),
            conf=conf,
            low=None if fields.get("low") is None else _number(fields, "low", conf, 0, conf),
            iou=_number(fields, "iou", 0.5, 0, 1),
            max_det=_whole(fields, "max_det", 300, 1, _MOST_DETECTIONS),
            min_area_px=_whole(fields, "min_area_px", 1, 1, None),
            activation=_choice(fields, "activation", Activation, Activation.SOFTMAX),
            value_range=_range(fields),
        )


def _mapping(data: object, key: str) -> dict[str, Any]:
    if not isinstance(data, Mapping) or not all(isinstance(name, str) for name in data):
        raise InvalidModelEntry(f"inspect.yaml: '{key}' must be a mapping.")
    return dict(data)


def _check_keys(fields: Mapping[str, Any], kind: AdapterKind) -> None:
    for key in fields:
        if key not in _COMMON and key not in _SPECIAL:
            known = ", ".join(sorted(_COMMON | _SPECIAL.keys()))
            raise InvalidModelEntry(f"inspect.yaml: 'output.{key}' is unknown. Known are {known}.")
        if kind not in _SPECIAL.get(key, {kind}):
            raise InvalidModelEntry(f"inspect.yaml: 'output.{key}' has no effect on adapter '{kind}'; remove it.")


def _tensors(fields: Mapping[str, Any], kind: AdapterKind) -> Mapping[str, str]:
    named = _mapping(fields.get("tensors"), "output.tensors")
    for role, name in named.items():
        if not isinstance(name, str) or not name:
            raise InvalidModelEntry(
                f"inspect.yaml: 'output.tensors.{role}' must be the name of an output of the model."
            )
    if len(set(named.values())) < len(named):
        raise InvalidModelEntry("inspect.yaml: 'output.tensors' gives one output of the model two roles.")
    roles = frozenset(named)
    if kind is AdapterKind.ANOMALY_MAP:
        right = bool(roles) and roles <= frozenset().union(*ROLES[kind])
        wanted = f"any of {', '.join(sorted(frozenset().union(*ROLES[kind])))}"
    else:
        may = {"anomaly_map"} if kind is AdapterKind.SEMANTIC_SEG else set()
        right = roles - may in ROLES[kind]
        wanted = " or ".join(" and ".join(sorted(choice)) for choice in ROLES[kind])
        wanted += ", and may name anomaly_map" if may else ""
    if not right:
        given = ", ".join(sorted(roles)) or "nothing"
        raise InvalidModelEntry(
            f"inspect.yaml: 'output.tensors' names {given}; adapter '{kind}' needs {wanted}, each with the name of an "
            "output of the model."
        )
    return named


def _classes(fields: Mapping[str, Any], kind: AdapterKind) -> tuple[str, ...]:
    names = fields.get("classes")
    if names is None and kind is AdapterKind.ANOMALY_MAP:
        return ("anomaly",)
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) and name for name in names):
        raise InvalidModelEntry(
            "inspect.yaml: 'output.classes' must list the names of the classes, in the model's order. Put names that "
            "YAML reads as something else, as 'no' or '1', in quotes."
        )
    if len(set(names)) < len(names):
        raise InvalidModelEntry("inspect.yaml: 'output.classes' has a name twice.")
    if kind is AdapterKind.ANOMALY_MAP and len(names) != 1:
        raise InvalidModelEntry("inspect.yaml: 'output.classes' must have one name for an anomaly map.")
    if kind in {AdapterKind.SEMANTIC_SEG, AdapterKind.CLASSIFICATION} and len(names) < 2:
        raise InvalidModelEntry(f"inspect.yaml: 'output.classes' must have two names at least for '{kind}'.")
    return tuple(names)


def _background(fields: Mapping[str, Any], kind: AdapterKind, classes: tuple[str, ...]) -> str | None:
    name = fields.get("background")
    if name is None:
        return classes[0] if kind is AdapterKind.SEMANTIC_SEG else None
    if name not in classes:
        raise InvalidModelEntry(f"inspect.yaml: 'output.background' must be one of 'output.classes', not {name!r}.")
    return str(name)


def _range(fields: Mapping[str, Any]) -> tuple[float, float] | None:
    value = fields.get("range")
    if value is None:
        return None
    if isinstance(value, list | tuple) and len(value) == 2 and all(_is_number(end) for end in value):
        low, high = float(value[0]), float(value[1])
        if low < high:
            return (low, high)
    raise InvalidModelEntry("inspect.yaml: 'output.range' must be two numbers, the lower first, as [0, 35.5].")


def _number(fields: Mapping[str, Any], key: str, default: float, least: float, most: float) -> float:
    value = fields.get(key, default)
    if not _is_number(value) or not least <= value <= most:
        raise InvalidModelEntry(f"inspect.yaml: 'output.{key}' must be a number from {least} to {most}, not {value!r}.")
    return float(value)


def _whole(fields: Mapping[str, Any], key: str, default: int, least: int, most: int | None) -> int:
    value = fields.get(key, default)
    if isinstance(value, int) and not isinstance(value, bool) and least <= value and (most is None or value <= most):
        return value
    upper = "" if most is None else f" to {most}"
    raise InvalidModelEntry(
        f"inspect.yaml: 'output.{key}' must be a whole number from {least}{upper}{' up' * (most is None)}, "
        f"not {value!r}."
    )


def _choice(fields: Mapping[str, Any], key: str, kind: type[_Choice], default: _Choice | None) -> _Choice:
    value = fields.get(key, default)
    try:
        return kind(value)
    except ValueError:
        names = ", ".join(kind)
        raise InvalidModelEntry(f"inspect.yaml: 'output.{key}' must be one of {names}, not {value!r}.") from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
