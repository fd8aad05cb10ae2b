"""Train `defect_detection_v1` on drawn dies, calibrate it, and export it to ONNX. One thread, a few minutes.

    PYTHONPATH=src python tools/models/defect_detection/train.py

The environment needs torch, onnx, onnxruntime, NumPy and SciPy (the one that `make convert-environment` builds).
Products that validate are not trained on; those of evaluate.py come from other seeds altogether.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from network import CLASSES, Calibration, DefectNetwork, Served
from scipy import optimize
from torch.nn import functional

from argosy.inspection.synthetic.dataset import Lot, draw_dies, split_lots
from argosy.inspection.synthetic.defects import LABELS
from argosy.inspection.synthetic.streams import VERSION

HERE: Final = Path(__file__).resolve().parent
TARGET: Final = HERE / "1" / "model.onnx"
WEIGHTS_FILE: Final = HERE.parents[2] / ".work" / "models" / "defect_detection.pt"
SEED: Final = 5
PRODUCTS: Final = 150
LOTS: Final = 2
DIES: Final = 6
SIZE: Final = (160, 160)
"""Training dies are larger than the crops, so that some crops show the middle of a die, without pads."""
CROP: Final = 96
DENSITY: Final = 1.6
BATCH: Final = 12
NO_REFERENCE: Final = 128
DROPOUT: Final = 0.3
WEIGHTS: Final = (1.0, 10.0, 10.0, 10.0, 8.0, 4.0)


class Dies:
    """Drawn dies in memory: pairs UINT8 [n, 2, H, W] (image, reference) and classes UINT8 [n, H, W]."""

    def __init__(self, lots: tuple[Lot, ...], dies_per_lot: int, size: tuple[int, int], density: float) -> None:
        drawn = list(draw_dies(SEED, lots, dies_per_lot, size, density=density))
        self.pairs = np.stack([np.stack((die.image, die.reference)) for die in drawn])
        self.classes = np.stack([die.classes for die in drawn])
        self._places: dict[int, list[tuple[int, int, int]]] = {kind: [] for kind in range(1, CLASSES)}
        for index, die in enumerate(drawn):
            for defect in die.defects:
                x0, y0, x1, y1 = defect.box
                self._places[defect.defect].append((index, (y0 + y1) // 2, (x0 + x1) // 2))

    def batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Random crops, turned and mirrored, with another gain, offset and noise; some without their reference."""
        pairs, classes = [], []
        for _ in range(BATCH):
            index, top, left = self._crop(rng)
            pair = self.pairs[index, :, top : top + CROP, left : left + CROP].astype(np.float32)
            label = self.classes[index, top : top + CROP, left : left + CROP]
            pair[0] = pair[0] * rng.uniform(0.93, 1.07) + rng.uniform(-6, 6)
            pair[0] += rng.standard_normal(pair[0].shape, np.float32) * np.float32(max(rng.uniform(-2, 2), 0))
            if rng.random() < DROPOUT:
                pair[1] = NO_REFERENCE
            # Upright half of the time, as a die is served.
            turns = int(rng.integers(4)) if rng.random() < 0.5 else 0
            pair, label = np.rot90(pair, turns, (1, 2)), np.rot90(label, turns)
            if rng.random() < 0.25:
                pair, label = pair[:, :, ::-1], label[:, ::-1]
            pairs.append(np.clip(np.rint(pair), 0, 255).astype(np.uint8))
            classes.append(label.astype(np.int64))
        return torch.from_numpy(np.stack(pairs)), torch.from_numpy(np.stack(classes))

    def _crop(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """Die, top and left of a crop: one half of them anywhere, the other around defects, each class as often."""
        rows, columns = self.pairs.shape[2] - CROP, self.pairs.shape[3] - CROP
        if rng.random() < 0.5:
            return int(rng.integers(len(self.pairs))), int(rng.integers(rows + 1)), int(rng.integers(columns + 1))
        places = self._places[int(rng.integers(1, CLASSES))]
        index, y, x = places[int(rng.integers(len(places)))]
        up, before = rng.integers(8, CROP - 8, 2).tolist()
        return index, min(max(y - up, 0), rows), min(max(x - before, 0), columns)


def trained(dies: Dies, steps: int) -> DefectNetwork:
    """AdamW under a one-cycle rate, on cross-entropy and the Dice overlap of the defect classes."""
    rng = np.random.default_rng(SEED)
    torch.manual_seed(SEED)
    network = DefectNetwork().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=6e-3, total_steps=steps, pct_start=0.15)
    began, running = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        pairs, classes = dies.batch(rng)
        loss = _loss(network(pairs), classes)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        running += (0.02 if step > 1 else 1.0) * (loss.item() - running)
        if step % 100 == 0 or step == steps:
            print(f"  step {step} of {steps}, loss {running:.4f}, {time.monotonic() - began:.0f} s", flush=True)
    return network.eval()


def _loss(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    # Thin defects have few pixels: unweighted, the entropy would let the network give them up.
    entropy = functional.cross_entropy(logits, classes, torch.tensor(WEIGHTS))
    chances = torch.softmax(logits, 1)[:, 1:]
    truth = functional.one_hot(classes, CLASSES).permute(0, 3, 1, 2)[:, 1:].to(chances.dtype)
    overlap = (chances * truth).sum((0, 2, 3))
    total = chances.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    return 2.0 * entropy + (1.0 - (2.0 * overlap + 1.0) / (total + 1.0)).mean()


def calibrated(network: DefectNetwork, dies: Dies) -> tuple[Calibration, dict[str, float]]:
    """The calibration that minimises the negative log-likelihood on validation lots, half of them without reference.

    A temperature alone cannot undo the class weights and the Dice term, which make defects too likely, so an offset of
    all defect classes is fitted with it. Source: A. Alexandari et al., "Maximum Likelihood with Bias-Corrected
    Calibration is Hard-To-Beat at Label Shift Adaptation", ICML 2020, with one offset instead of one for each class.
    """
    pairs = dies.pairs.copy()
    pairs[1::2, 1] = NO_REFERENCE
    with torch.no_grad():
        logits = torch.cat([network(torch.from_numpy(part)) for part in np.array_split(pairs, max(len(pairs) // 8, 1))])
    classes = torch.from_numpy(dies.classes.astype(np.int64))

    def entropy(parameters: np.ndarray) -> float:
        temperature, offset = math.exp(parameters[0]), float(parameters[1])
        return float(functional.cross_entropy(Calibration(temperature, offset).applied(logits), classes))

    start = np.array(((0.0, 0.0), (0.3, 0.0), (0.0, 1.0)))
    options = {"initial_simplex": start, "maxiter": 60, "xatol": 0.005, "fatol": 1e-6}
    best = optimize.minimize(entropy, start[0], method="Nelder-Mead", options=options)
    found = Calibration(math.exp(best.x[0]), float(best.x[1]))
    before, after = (_calibration_error(z, classes) for z in (logits, found.applied(logits)))
    return found, {"defect_pixel_ece_before": before, "defect_pixel_ece": after, "entropy": float(best.fun)}


def _calibration_error(logits: torch.Tensor, classes: torch.Tensor, bins: int = 15) -> float:
    """Expected calibration error of the winning class over pixels where either truth or answer is a defect."""
    confidence, answer = torch.softmax(logits, 1).max(1)
    chosen = (answer > 0) | (classes > 0)
    confidence, right = confidence[chosen], (answer == classes)[chosen].to(torch.float32)
    bin_of = torch.clamp((confidence * bins).long(), max=bins - 1)
    gap = torch.zeros(bins).index_add_(0, bin_of, confidence - right)
    return float(gap.abs().sum() / max(len(confidence), 1))


def exported(network: DefectNetwork, calibration: Calibration, notes: dict[str, str], path: Path) -> float:
    """Write the ONNX file; return the largest difference of its probabilities from torch's, over three sizes."""
    served = Served(network, calibration).eval()
    free = {0: "n", 2: "h", 3: "w"}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        served,
        (torch.zeros((1, 2, CROP, CROP), dtype=torch.uint8),),
        str(path),
        input_names=["pair"],
        output_names=["probabilities", "anomaly_map"],
        dynamic_axes={"pair": free, "probabilities": free, "anomaly_map": free},
        opset_version=17,
        dynamo=False,
    )
    model = onnx.load(path)
    onnx.helper.set_model_props(model, notes)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(SEED)
    worst = 0.0
    for shape in ((1, 2, 128, 128), (3, 2, 200, 136), (1, 2, 131, 257)):
        pair = rng.integers(0, 256, shape, dtype=np.uint8)
        probabilities, anomaly = session.run(None, {"pair": pair})
        with torch.no_grad():
            expected = served(torch.from_numpy(pair))
        worst = max(worst, float(np.abs(probabilities - expected[0].numpy()).max()))
        worst = max(worst, float(np.abs(anomaly - expected[1].numpy()).max()))
    if worst > 1e-3:
        raise SystemExit(f"The exported network differs from torch's by {worst:.2e}.")
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1900, help=f"batches of {BATCH} crops of {CROP} x {CROP}")
    parser.add_argument(
        "--weights", type=Path, default=WEIGHTS_FILE, help="where trained weights stay; reused if there"
    )
    parser.add_argument("--target", type=Path, default=TARGET, help="where the ONNX file goes")
    args = parser.parse_args()
    torch.set_num_threads(1)
    os.nice(10)
    began = time.monotonic()
    split = split_lots(SEED, PRODUCTS, LOTS, test=0.0)
    if args.weights.exists():
        print(f"weights of an earlier training are used: {args.weights}")
        network = DefectNetwork().to(memory_format=torch.channels_last).eval()
        network.load_state_dict(torch.load(args.weights, weights_only=True))
    else:
        dies = Dies(split.training, DIES, SIZE, DENSITY)
        drawn = time.monotonic() - began
        print(f"{len(dies.pairs)} dies of {len(split.training)} lots drawn in {drawn:.0f} s", flush=True)
        network = trained(dies, args.steps)
        args.weights.parent.mkdir(parents=True, exist_ok=True)
        torch.save(network.state_dict(), args.weights)
    validation = Dies(split.validation, 3, (128, 128), 1.0)
    calibration, fit = calibrated(network, validation)
    notes = {
        "labels": ",".join(LABELS),
        "generator_version": str(VERSION),
        "seed": str(SEED),
        "purpose": "demo, trained on drawings, not fit for product decisions",
    }
    difference = exported(network, calibration, notes, args.target)
    figures = {
        "parameters": sum(p.numel() for p in network.parameters()),
        "steps": args.steps,
        "seconds": round(time.monotonic() - began),
        "temperature": round(calibration.temperature, 4),
        "defect_offset": round(calibration.offset, 4),
        "validation": {name: round(value, 5) for name, value in fit.items()},
        "onnx_against_torch": float(f"{difference:.2g}"),
        "bytes": args.target.stat().st_size,
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
