"""Train thermal_analysis_v1 on drawn frames, calibrate it on a validation seed and write 1/model.onnx.

    nice python tools/models/thermal_analysis/train.py

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

from argosy.inspection.synthetic.thermal import CLASSES, SIZE, draw_frame

HERE: Final = Path(__file__).resolve().parent
TARGET: Final = HERE / "1" / "model.onnx"
SEED, VALIDATION_SEED = 11, 12


def drawn(seed: int, frames: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames [N, 1, H, W], classes [N] and masks [N, 1, H, W]: one of each class from one lot of each product."""
    temperatures = np.empty((frames, 1, SIZE, SIZE), np.float32)
    masks = np.empty((frames, 1, SIZE, SIZE), np.bool_)
    classes = np.arange(frames) % len(CLASSES)
    for number in range(frames):
        product, index = divmod(number, len(CLASSES))
        frame = draw_frame(seed, product, 0, index, CLASSES[classes[number]])
        temperatures[number, 0], masks[number, 0] = frame.temperature, frame.hotspot_mask
    return temperatures, classes, masks


def block(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )


class ThermalAnalysis(nn.Module):
    """A U-Net with a second head for the class; deg C in, logits out. Height and width are multiples of 16."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 12, 5, 2, 2, bias=False), nn.BatchNorm2d(12), nn.ReLU(), block(12, 12))
        self.quarter = nn.Sequential(block(12, 24, 2), block(24, 24))
        self.eighth = nn.Sequential(block(24, 32, 2), block(32, 32))
        self.sixteenth = nn.Sequential(block(32, 48, 2), block(48, 48))
        self.up_eighth = block(48 + 32, 24)
        self.up_quarter = block(24 + 24, 16)
        self.up_half = block(16 + 12, 12)
        self.map = nn.Conv2d(12, 4, 3, 1, 1)
        # Begins at the share of hot pixels. Begun at a half, all features learn to say "cold", none says "hot", and no
        # probability exceeds a half.
        nn.init.constant_(self.map.bias, -4.0)
        self.hidden = nn.Linear(2 * 48 + 4, 32)
        self.classes = nn.Linear(32, len(CLASSES))

    def forward(self, celsius: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # Absolute temperature tells an overheat; what stands out of its surroundings tells the rest.
        absolute = (celsius - 55.0) / 20.0
        surroundings = functional.avg_pool2d(functional.avg_pool2d(celsius, 8), 3, 1, 1, count_include_pad=False)
        above = (celsius - functional.interpolate(surroundings, scale_factor=8.0, mode="bilinear")) / 4.0
        half = self.stem(torch.cat((absolute, above), 1))
        quarter = self.quarter(half)
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        up = self.up_eighth(torch.cat((functional.interpolate(sixteenth, scale_factor=2.0), eighth), 1))
        up = self.up_quarter(torch.cat((functional.interpolate(up, scale_factor=2.0), quarter), 1))
        up = self.up_half(torch.cat((functional.interpolate(up, scale_factor=2.0), half), 1))
        hot = functional.pixel_shuffle(self.map(up), 2)
        overview = (sixteenth.mean((2, 3)), sixteenth.amax((2, 3)))
        whole = (absolute.mean((2, 3)), absolute.amax((2, 3)), hot.mean((2, 3)) / 4.0, hot.amax((2, 3)) / 4.0)
        return hot, self.classes(functional.relu(self.hidden(torch.cat((*overview, *whole), 1))))


class Served(nn.Module):
    """Probabilities by calibrated logits: what is exported."""

    def __init__(self, network: ThermalAnalysis, map_temperature: float, class_temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperatures = (map_temperature, class_temperature)

    def forward(self, celsius: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hot, classes = self.network(celsius)
        return torch.sigmoid(hot / self.temperatures[0]), torch.softmax(classes / self.temperatures[1], 1)


def fit(network: ThermalAnalysis, data: tuple[np.ndarray, np.ndarray, np.ndarray], steps: int, batch: int) -> None:
    rng = np.random.default_rng(SEED)
    frames, classes, masks = data
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps, pct_start=0.15)
    network.train()
    began = time.monotonic()
    order = np.concatenate([rng.permutation(len(frames)) for _ in range(steps * batch // len(frames) + 1)])
    for step in range(steps):
        rows = order[step * batch : (step + 1) * batch]
        x, mask = torch.from_numpy(frames[rows]), torch.from_numpy(masks[rows]).float()
        # A die seen upside down or mirrored is as good a die; rows stay rows, as the sensor's noise demands.
        flips = [axis for axis in (2, 3) if rng.random() < 0.5]
        x, mask = x.flip(flips), mask.flip(flips)
        hot, said = network(x)
        loss_map = functional.binary_cross_entropy_with_logits(hot, mask)
        loss_class = functional.cross_entropy(said, torch.from_numpy(classes[rows]))
        optimiser.zero_grad()
        (10.0 * loss_map + loss_class).backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 99:
            print(
                f"step {step + 1}: map {loss_map:.4f}, class {loss_class:.4f}, {time.monotonic() - began:.0f} s",
                flush=True,
            )


@torch.no_grad()
def logits(network: nn.Module, frames: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    network.eval()
    parts = [network(torch.from_numpy(frames[at : at + 32])) for at in range(0, len(frames), 32)]
    return torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])


def calibrated(network: ThermalAnalysis, data: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Served:
    """One temperature per head, by likelihood on the validation seed (Guo et al., temperature scaling)."""
    hot, said = logits(network, data[0])
    mask, classes = torch.from_numpy(data[2]).float(), torch.from_numpy(data[1])
    by_map = minimize_scalar(
        lambda t: functional.binary_cross_entropy_with_logits(hot / t, mask).item(), bounds=(0.3, 5), method="bounded"
    )
    by_class = minimize_scalar(
        lambda t: functional.cross_entropy(said / t, classes).item(), bounds=(0.3, 5), method="bounded"
    )
    print(f"temperatures: map {by_map.x:.3f}, class {by_class.x:.3f}")
    wrong = said.argmax(1) != classes
    print(
        f"validation: accuracy {1 - wrong.float().mean():.4f}; "
        f"wrong by class {np.bincount(classes[wrong], minlength=len(CLASSES))}"
    )
    return Served(network, float(by_map.x), float(by_class.x)).eval()


def exported(model: Served, frames: np.ndarray) -> None:
    """Write the model, and prove that ONNX Runtime gives torch's numbers for other counts and sizes."""
    count, height, width = torch.export.Dim("N"), torch.export.Dim("h", min=2), torch.export.Dim("w", min=2)
    program = torch.onnx.export(
        model,
        (torch.from_numpy(frames[:2]),),
        input_names=["temperature"],
        output_names=["hotspot_map", "class_probabilities"],
        dynamic_shapes=({0: count, 2: 16 * height, 3: 16 * width},),
        opset_version=18,
        dynamo=True,
    )
    program.optimize()
    TARGET.parent.mkdir(exist_ok=True)
    onnx.save(bare(program.model_proto), TARGET)
    onnx.checker.check_model(TARGET, full_check=True)
    session = onnxruntime.InferenceSession(TARGET, providers=["CPUExecutionProvider"])
    for sample in (frames[:1], frames[:5], frames[:3, :, :96, :112].copy(), np.tile(frames[:1], (1, 1, 2, 3))):
        with torch.no_grad():
            wanted = model(torch.from_numpy(sample))
        for ours, theirs in zip(session.run(None, {"temperature": sample}), wanted, strict=True):
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
    parser.add_argument("--frames", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=950)
    parser.add_argument("--batch", type=int, default=24)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    began = time.monotonic()
    training, validation = drawn(SEED, args.frames), drawn(VALIDATION_SEED, 500)
    print(f"drawn in {time.monotonic() - began:.0f} s")
    network = ThermalAnalysis()
    fit(network, training, args.steps, args.batch)
    exported(calibrated(network, validation), validation[0])


if __name__ == "__main__":
    main()
