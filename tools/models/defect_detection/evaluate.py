"""Measure `defect_detection_v1` on three held-out seeds: products and lots that no training has seen.

    PYTHONPATH=src python tools/models/defect_detection/evaluate.py --json

Needs OpenVINO, NumPy and SciPy. With --json the figures go to accuracy.json beside this file; the exit status is 1
when a bar is missed. Nothing may be tuned on these seeds.

How objects are found: pixels with an anomaly of at least 0.4 are joined to 8-connected objects; one counts that has a
pixel of at least 0.75 and at least 8 px. Its class is that of most of its pixels. How they are matched: one to one, the
largest overlap first, where intersection over union is at least 0.25. A die is called bad when it has an object.
Overkill = good dies called bad; escape = bad dies called good.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import openvino
from numpy.typing import NDArray
from scipy import ndimage, stats

from argosy.inspection.synthetic.dataset import Lot, draw_dies
from argosy.inspection.synthetic.defects import LABELS
from argosy.inspection.synthetic.dies import Die

HERE: Final = Path(__file__).resolve().parent
MODEL: Final = HERE / "1" / "model.onnx"
SEEDS: Final = (2001, 2002, 2003)
PRODUCTS: Final = 12
LOTS: Final = 2
DIES: Final = 15
SIZE: Final = (128, 128)
NO_REFERENCE: Final = 128
LOW, HIGH, SMALLEST, OVERLAP = 0.4, 0.75, 8, 0.25

BARS: Final = {
    "with_reference": {
        "pixel_auroc": (0.99, 1.0),
        "image_auroc": (0.98, 1.0),
        "f1": (0.90, 1.0),
        "class_accuracy": (0.90, 1.0),
        "overkill": (0.0, 0.03),
        "escape": (0.0, 0.03),
    },
    "without_reference": {"pixel_auroc": (0.95, 1.0), "f1": (0.65, 1.0)},
}
"""Least and greatest allowed figure of the worst seed."""

Scores = NDArray[np.float32]
Found = tuple[NDArray[np.bool_], int, float]
"""An object: its pixels in the die, its class, its confidence."""


@dataclass(slots=True)
class Tally:
    """What was counted on one seed.

    Attributes:
        classes: whether the objects have classes; the baseline's have none.
    """

    classes: bool = True
    pixels: list[Scores] = field(default_factory=list)
    truths: list[NDArray[np.bool_]] = field(default_factory=list)
    images: list[float] = field(default_factory=list)
    bad: list[bool] = field(default_factory=list)
    called: list[bool] = field(default_factory=list)
    matched: int = 0
    true_objects: int = 0
    found_objects: int = 0
    right_class: int = 0
    confidences: list[tuple[float, bool]] = field(default_factory=list)
    by_class: dict[str, list[int]] = field(default_factory=lambda: {label: [0, 0] for label in LABELS[1:]})

    def add(self, die: Die, anomaly: Scores, found: list[Found]) -> None:
        """Count one die."""
        self.pixels.append(anomaly.ravel())
        self.truths.append(die.classes.ravel() > 0)
        self.images.append(float(anomaly.max()))
        self.bad.append(bool(die.defects))
        self.called.append(bool(found))
        self.true_objects += len(die.defects)
        self.found_objects += len(found)
        pairs = matches(die, found)
        self.matched += len(pairs)
        for index, (_, kind, confidence) in enumerate(found):
            truth = pairs.get(index)
            right = truth is not None and die.defects[truth].defect == kind
            self.right_class += right
            self.confidences.append((confidence, right))
        for defect in die.defects:
            self.by_class[defect.defect.label][1] += 1
        for truth in pairs.values():
            self.by_class[die.defects[truth].defect.label][0] += 1

    def figures(self) -> dict[str, Any]:
        """Every figure; proportions with their 95 % Wilson intervals and counts."""
        bad, called = np.array(self.bad), np.array(self.called)
        precision, recall = self.matched / max(self.found_objects, 1), self.matched / max(self.true_objects, 1)
        return {
            "dies": len(bad),
            "bad_dies": int(bad.sum()),
            "pixel_auroc": round(auroc(np.concatenate(self.pixels), np.concatenate(self.truths)), 5),
            "image_auroc": round(auroc(np.array(self.images), bad), 5),
            "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 4),
            "precision": proportion(self.matched, self.found_objects),
            "recall": proportion(self.matched, self.true_objects),
            "class_accuracy": proportion(self.right_class, self.matched if self.classes else 0),
            "overkill": proportion(int((called & ~bad).sum()), int((~bad).sum())),
            "escape": proportion(int((~called & bad).sum()), int(bad.sum())),
            "recall_by_class": {label: proportion(*counts) for label, counts in self.by_class.items()},
            "object_ece": round(calibration_error(self.confidences), 4) if self.classes else None,
        }


def auroc(scores: NDArray[Any], positive: NDArray[np.bool_]) -> float:
    """Area under the receiver operating characteristic, by ranks; ties count half (Mann-Whitney).

    Not a number where all are positive or none is.
    """
    count = int(positive.sum())
    rest = len(positive) - count
    if count * rest == 0:
        return math.nan
    ranks = stats.rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))


def proportion(hits: int, of: int) -> dict[str, float | int | None]:
    """A proportion and its 95 % Wilson score interval (E. B. Wilson, 1927)."""
    if of == 0:
        return {"value": None, "low": None, "high": None, "hits": 0, "of": 0}
    z, share = 1.959964, hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return {"value": round(share, 4), "low": round(low, 4), "high": round(high, 4), "hits": hits, "of": of}


def calibration_error(answers: list[tuple[float, bool]], bins: int = 10) -> float:
    """Expected calibration error of objects: confidence against the share of right class on a true defect."""
    confidence, right = np.array(answers, np.float64).reshape(-1, 2).T
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(place, confidence - right, bins)
    return float(np.abs(gaps).sum() / max(len(confidence), 1))


def objects(probabilities: Scores, anomaly: Scores) -> list[Found]:
    """Objects of one die by hysteresis, as `argosy.inspection.outputs.semantic_seg` with low 0.4 and conf 0.75."""
    labels, count = ndimage.label(anomaly >= LOW, np.ones((3, 3)))
    found: list[Found] = []
    for index in range(1, count + 1):
        mask = labels == index
        if int(mask.sum()) < SMALLEST or float(anomaly[mask].max()) < HIGH:
            continue
        votes = np.bincount(probabilities[1:, mask].argmax(0), minlength=len(LABELS) - 1)
        kind = int(np.argmax(votes)) + 1
        found.append((mask, kind, float(probabilities[kind, mask].mean())))
    return found


def matches(die: Die, found: list[Found]) -> dict[int, int]:
    """Index of an object -> index of its true defect."""
    overlaps = []
    for index, (mask, _, _) in enumerate(found):
        beneath = np.bincount(die.instances[mask], minlength=len(die.defects) + 1)
        for truth in np.flatnonzero(beneath[1:]).tolist():
            both = int(beneath[truth + 1])
            overlaps.append((both / (int(mask.sum()) + die.defects[truth].area_px - both), index, truth))
    pairs: dict[int, int] = {}
    for overlap, index, truth in sorted(overlaps, reverse=True):
        if overlap >= OVERLAP and index not in pairs and truth not in pairs.values():
            pairs[index] = truth
    return pairs


class Network:
    """The exported model on one thread, in FP32."""

    def __init__(self, path: Path) -> None:
        settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        self._compiled = openvino.Core().compile_model(str(path), "CPU", settings)

    def __call__(self, image: NDArray[np.uint8], reference: NDArray[np.uint8] | None) -> tuple[Scores, Scores]:
        """Probabilities FP32 [6, H, W] and anomaly map FP32 [H, W]."""
        beside = np.full_like(image, NO_REFERENCE) if reference is None else reference
        answer = self._compiled({"pair": np.stack((image, beside))[None]})
        return answer["probabilities"][0], answer["anomaly_map"][0, 0]


def template_difference(die: Die) -> Scores:
    """The baseline: smoothed absolute difference from the reference, after matching mean and deviation; 0 to 1."""
    image, reference = die.image.astype(np.float32), die.reference.astype(np.float32)
    matched = (image - image.mean()) / image.std() * reference.std() + reference.mean()
    difference = np.abs(ndimage.gaussian_filter(matched - reference, 1.0)) / 255.0
    return difference.astype(np.float32)


def template_objects(difference: Scores, level: float) -> list[Found]:
    """Objects of the baseline; it knows no classes."""
    labels, count = ndimage.label(difference >= level, np.ones((3, 3)))
    masks = [labels == index for index in range(1, count + 1)]
    return [(mask, 0, 1.0) for mask in masks if int(mask.sum()) >= SMALLEST]


def best_level(seed: int) -> float:
    """The baseline's best threshold by F1, on a seed that is neither trained on nor held out."""
    dies = list(draw_dies(seed, tuple(Lot(product, 0) for product in range(6)), 12, SIZE))
    differences = [template_difference(die) for die in dies]

    def f1(level: float) -> float:
        found = [template_objects(difference, level) for difference in differences]
        matched = sum(len(matches(die, objects_of)) for die, objects_of in zip(dies, found, strict=True))
        return 2 * matched / (sum(map(len, found)) + sum(len(die.defects) for die in dies))

    return max(np.arange(0.04, 0.3, 0.02).tolist(), key=f1)


Degraded = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]


def _bytes(levels: NDArray[Any]) -> NDArray[np.uint8]:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


DEGRADED: Final[dict[str, Degraded]] = {
    "noise +4": lambda image, rng: _bytes(image + rng.normal(0, 4, image.shape)),
    "noise +8": lambda image, rng: _bytes(image + rng.normal(0, 8, image.shape)),
    "blur 0.8 px": lambda image, _: _bytes(ndimage.gaussian_filter(image.astype(np.float32), 0.8)),
    "blur 1.5 px": lambda image, _: _bytes(ndimage.gaussian_filter(image.astype(np.float32), 1.5)),
    "shift 1 px": lambda image, _: np.roll(image, 1, axis=1),
    "shift 2 px": lambda image, _: np.roll(image, 2, axis=1),
    "gain 0.8": lambda image, _: _bytes(image * 0.8),
    "gain 1.2": lambda image, _: _bytes(image * 1.2),
}
"""Harsher than the generator's own nuisances, on top of them."""


def sweep(network: Network, dies: list[Die]) -> dict[str, Any]:
    """Figures with reference under each degradation."""
    results = {}
    for name, degrade in DEGRADED.items():
        rng, tally = np.random.default_rng(0), Tally()
        for die in dies:
            probabilities, anomaly = network(degrade(die.image, rng), die.reference)
            tally.add(die, anomaly, objects(probabilities, anomaly))
        figures = tally.figures()
        chosen = {key: figures[key] for key in ("pixel_auroc", "image_auroc", "f1")}
        results[name] = chosen | {key: figures[key]["value"] for key in ("overkill", "escape")}
    return results


def large(network: Network) -> dict[str, Any]:
    """Dies of 1024 x 1024, as served; seconds for each on one thread."""
    tally, seconds = Tally(), []
    for die in draw_dies(SEEDS[0], (Lot(0, 0), Lot(1, 0), Lot(2, 0)), 3, (1024, 1024), density=5.0):
        began = time.perf_counter()
        probabilities, anomaly = network(die.image, die.reference)
        seconds.append(time.perf_counter() - began)
        tally.add(die, anomaly, objects(probabilities, anomaly))
    figures = tally.figures()
    return {key: figures[key] for key in ("dies", "pixel_auroc", "f1", "precision", "recall", "class_accuracy")} | {
        "median_seconds": round(float(np.median(seconds[1:])), 3)
    }


def measured(path: Path) -> dict[str, Any]:
    """Everything that is reported."""
    network, level = Network(path), best_level(1000)
    report: dict[str, Any] = {"seeds": {}, "template_level": round(level, 3)}
    swept: list[Die] = []
    for seed in SEEDS:
        lots = tuple(Lot(product, lot) for product in range(PRODUCTS) for lot in range(LOTS))
        with_reference, without, baseline = Tally(), Tally(), Tally(classes=False)
        for index, die in enumerate(draw_dies(seed, lots, DIES, SIZE)):
            for tally, reference in ((with_reference, die.reference), (without, None)):
                probabilities, anomaly = network(die.image, reference)
                tally.add(die, anomaly, objects(probabilities, anomaly))
            difference = template_difference(die)
            baseline.add(die, difference, template_objects(difference, level))
            if index % 3 == 0:
                swept.append(die)
        report["seeds"][str(seed)] = {
            "with_reference": with_reference.figures(),
            "without_reference": without.figures(),
            "template_difference": baseline.figures(),
        }
    report["sweep"] = sweep(network, swept)
    report["large"] = large(network)
    report["bars"] = against_bars(report)
    return report


def against_bars(report: dict[str, Any]) -> dict[str, Any]:
    """The worst seed's figure beside each bar."""
    result: dict[str, Any] = {}
    for mode, bars in BARS.items():
        for name, (least, greatest) in bars.items():
            figures = [seed[mode][name] for seed in report["seeds"].values()]
            values = [figure["value"] if isinstance(figure, dict) else figure for figure in figures]
            worst = max(values) if greatest < 1.0 else min(values)
            bar = greatest if greatest < 1.0 else least
            result[f"{mode}.{name}"] = {"worst": worst, "bar": bar, "holds": least <= worst <= greatest}
    return result


def shown(report: dict[str, Any]) -> None:
    """Print a table for each seed, then the bars."""
    for seed, modes in report["seeds"].items():
        first = modes["with_reference"]
        print(f"\nseed {seed}: {first['dies']} dies, {first['bad_dies']} bad")
        print(f"{'':18}" + "".join(f"{mode:>30}" for mode in modes))
        for name in ("pixel_auroc", "image_auroc", "f1", "object_ece"):
            cells = ("none" if figures[name] is None else f"{figures[name]:.4f}" for figures in modes.values())
            print(f"{name:18}" + "".join(f"{cell:>30}" for cell in cells))
        for name in ("precision", "recall", "class_accuracy", "overkill", "escape"):
            print(f"{name:18}" + "".join(f"{_interval(figures[name]):>30}" for figures in modes.values()))
        for label in LABELS[1:]:
            print(
                f"  {label:16}"
                + "".join(f"{_interval(figures['recall_by_class'][label]):>30}" for figures in modes.values())
            )
    print("\nharsher nuisances, all seeds, with reference")
    for name, figures in report["sweep"].items():
        print(f"{name:18}" + "  ".join(f"{key} {value:.4f}" for key, value in figures.items()))
    print("\n1024 x 1024:", json.dumps(report["large"]))
    print("\nbars on the worst seed")
    for name, entry in report["bars"].items():
        print(f"{name:36}{entry['worst']:>9.4f}  bar {entry['bar']:<5} {'holds' if entry['holds'] else 'MISSED'}")


def _interval(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return "none"
    return f"{entry['value']:.3f} [{entry['low']:.3f}, {entry['high']:.3f}] {entry['hits']}/{entry['of']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL, help="the ONNX file")
    parser.add_argument("--json", action="store_true", help="write the figures to accuracy.json")
    args = parser.parse_args()
    report = measured(args.model)
    shown(report)
    if args.json:
        (HERE / "accuracy.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.exit(0 if all(entry["holds"] for entry in report["bars"].values()) else 1)


if __name__ == "__main__":
    main()
