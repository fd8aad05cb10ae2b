"""Train electrical_defect_v1 on drawn wafers, calibrate it on a validation seed and write 1/model.onnx.

    nice python tools/models/electrical_defect/train.py

Needs torch, onnx and onnxruntime, and `src` in PYTHONPATH. The held-out seeds of evaluate.py have no say in it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from scipy.optimize import minimize_scalar
from torch import nn
from torch.nn import functional

from argosy.inspection.synthetic.electrical import (
    FEATURES,
    GRID,
    PATTERNS,
    draw_product,
    draw_wafer,
    standard_scores,
)

HERE: Final = Path(__file__).resolve().parent
TARGET: Final = HERE / "1" / "model.onnx"
SEED, VALIDATION_SEED = 21, 22
MASK: Final = FEATURES.index("mask")


def drawn(seed: int, wafers: int, per_lot: int = 9) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features [N, 5, 32, 32], patterns [N] and fails [N, 1, 32, 32]: two lots of each product, patterns in turn."""
    features = np.empty((wafers, len(FEATURES), GRID, GRID), np.float32)
    fails = np.empty((wafers, 1, GRID, GRID), np.bool_)
    patterns = np.arange(wafers) % len(PATTERNS)
    for number in range(wafers):
        lot, index = divmod(number, per_lot)
        wafer = draw_wafer(seed, lot // 2, lot % 2, index, PATTERNS[patterns[number]])
        features[number] = standard_scores(wafer.values, wafer.mask, draw_product(seed, lot // 2))
        fails[number, 0] = wafer.die_fail
    return features, patterns, fails


def block(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class ElectricalDefect(nn.Module):
    """Dies first, by a U-Net; then the pattern, from what the dies were judged to be and where they lie."""

    places: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        steps = torch.linspace(-1.0, 1.0, GRID)
        down, across = torch.meshgrid(steps, steps, indexing="ij")
        self.register_buffer("places", torch.stack((down, across, torch.hypot(down, across)))[None])
        # A die's own parameters matter most: mixed pixel by pixel before neighbours have a say.
        self.die = nn.Sequential(nn.Conv2d(5 + 3, 24, 1), nn.ReLU(), nn.Conv2d(24, 24, 1), nn.ReLU(), block(24, 24))
        self.by_two = nn.Sequential(block(24, 32, 2), block(32, 32))
        self.by_four = nn.Sequential(block(32, 32, 2), block(32, 32))
        self.up_half = block(64, 24)
        self.up = block(48, 24)
        self.fail = nn.Conv2d(24, 1, 1)
        self.pattern = nn.Sequential(
            block(5, 16), block(16, 24, 2), block(24, 24), block(24, 32, 2), block(32, 32), block(32, 32, 2)
        )
        self.hidden = nn.Linear(32 * 2 + 24, 32)
        self.classes = nn.Linear(32, len(PATTERNS))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mask = features[:, MASK : MASK + 1]
        places = self.places * torch.ones_like(mask)
        die = self.die(torch.cat((features, places), 1))
        half = self.by_two(die)
        quarter = self.by_four(half)
        up = self.up_half(torch.cat((functional.interpolate(quarter, scale_factor=2.0), half), 1))
        up = self.up(torch.cat((functional.interpolate(up, scale_factor=2.0), die), 1))
        fail = self.fail(up)
        seen = self.pattern(torch.cat((torch.sigmoid(fail) * mask, mask, places), 1))
        overview = torch.cat((seen.mean((2, 3)), seen.amax((2, 3)), up.mean((2, 3))), 1)
        return fail, self.classes(functional.relu(self.hidden(overview)))


class Served(nn.Module):
    """Probabilities by calibrated logits, 0 for dies that were not tested: what is exported."""

    def __init__(self, network: ElectricalDefect, die_temperature: float, pattern_temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperatures = (die_temperature, pattern_temperature)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        fail, patterns = self.network(features)
        tested = features[:, MASK : MASK + 1]
        return torch.sigmoid(fail / self.temperatures[0]) * tested, torch.softmax(patterns / self.temperatures[1], 1)


def fit(network: ElectricalDefect, data: tuple[np.ndarray, np.ndarray, np.ndarray], steps: int, batch: int) -> None:
    rng = np.random.default_rng(SEED)
    features, patterns, fails = data
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps, pct_start=0.15)
    network.train()
    began = time.monotonic()
    order = np.concatenate([rng.permutation(len(features)) for _ in range(steps * batch // len(features) + 1)])
    for step in range(steps):
        rows = order[step * batch : (step + 1) * batch]
        x, fail = torch.from_numpy(features[rows]), torch.from_numpy(fails[rows]).float()
        # A pattern keeps its name, and drift stays drift, however the wafer lies.
        turns, mirror = int(rng.integers(4)), [3] if rng.random() < 0.5 else []
        x, fail = x.rot90(turns, (2, 3)).flip(mirror), fail.rot90(turns, (2, 3)).flip(mirror)
        mask = x[:, MASK : MASK + 1]
        dies, said = network(x)
        loss_die = (functional.binary_cross_entropy_with_logits(dies, fail, reduction="none") * mask).sum() / mask.sum()
        loss_pattern = functional.cross_entropy(said, torch.from_numpy(patterns[rows]))
        optimiser.zero_grad()
        (4.0 * loss_die + loss_pattern).backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            spent = time.monotonic() - began
            print(f"step {step + 1}: die {loss_die:.4f}, pattern {loss_pattern:.4f}, {spent:.0f} s", flush=True)


@torch.no_grad()
def logits(network: nn.Module, features: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    network.eval()
    parts = [network(torch.from_numpy(features[at : at + 64])) for at in range(0, len(features), 64)]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def calibrated(network: ElectricalDefect, data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Served:
    """One temperature per head, by likelihood on the validation seed (Guo et al., temperature scaling)."""
    dies, said = logits(network, data[0])
    tested = torch.from_numpy(data[0][:, MASK : MASK + 1]) > 0
    dies, fail, patterns = dies[tested], torch.from_numpy(data[2])[tested].float(), torch.from_numpy(data[1])
    by_die = minimize_scalar(
        lambda t: functional.binary_cross_entropy_with_logits(dies / t, fail).item(), bounds=(0.3, 5), method="bounded"
    )
    by_pattern = minimize_scalar(
        lambda t: functional.cross_entropy(said / t, patterns).item(), bounds=(0.3, 5), method="bounded"
    )
    print(f"temperatures: die {by_die.x:.3f}, pattern {by_pattern.x:.3f}")
    wrong = said.argmax(1) != patterns
    by_class = np.bincount(patterns[wrong], minlength=len(PATTERNS))
    print(f"validation: accuracy {1 - wrong.float().mean():.4f}; wrong by pattern {by_class}")
    return Served(network, float(by_die.x), float(by_pattern.x)).eval()


def exported(model: Served, features: np.ndarray) -> None:
    """Write the model, and prove that ONNX Runtime gives torch's numbers for other counts."""
    program = torch.onnx.export(
        model,
        (torch.from_numpy(features[:2]),),
        input_names=["features"],
        output_names=["die_fail", "pattern_probabilities"],
        dynamic_shapes=({0: torch.export.Dim("N")},),
        opset_version=18,
        dynamo=True,
    )
    program.optimize()
    TARGET.parent.mkdir(exist_ok=True)
    onnx.save(bare(program.model_proto), TARGET)
    onnx.checker.check_model(TARGET, full_check=True)
    session = onnxruntime.InferenceSession(TARGET, providers=["CPUExecutionProvider"])
    for sample in (features[:1], features[:9], features[:33]):
        with torch.no_grad():
            wanted = model(torch.from_numpy(sample))
        for ours, theirs in zip(session.run(None, {"features": sample}), wanted, strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=2e-5)
    print(f"{TARGET.name}: {TARGET.stat().st_size / 1e6:.3f} MB, equal to torch within 2e-5")


def bare(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the exporter's notes: a ninth of the file, with the paths of the machine in it."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        for notes in ("metadata_props", "doc_string"):
            part.ClearField(notes)
    for part in (*model.graph.input, *model.graph.output):
        part.ClearField("metadata_props")
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wafers", type=int, default=5400)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    began = time.monotonic()
    training, validation = drawn(SEED, args.wafers), drawn(VALIDATION_SEED, 900)
    print(f"drawn in {time.monotonic() - began:.0f} s")
    network = ElectricalDefect()
    fit(network, training, args.steps, args.batch)
    exported(calibrated(network, validation), validation[0])


if __name__ == "__main__":
    main()
