"""Measure thermal_analysis_v1 on seeds that training never saw: other designs, other lots, other cameras.

    python tools/models/thermal_analysis/evaluate.py [--json]

Needs onnxruntime, and `src` in PYTHONPATH. `--json` writes accuracy.json beside this file.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
from measures import auroc, calibration_error, f1_by_class, judged, share, table, write_report

from argosy.inspection.synthetic.thermal import CLASSES, GENERATOR_VERSION, SIZE, draw_frame, median_excess

HERE: Final = Path(__file__).resolve().parent
SEEDS: Final = (101, 102, 103)
FRAMES_PER_LOT: Final = 5
BARS: Final = {"hotspot_pixel_auroc": 0.98, "macro_f1": 0.92}
LOCAL: Final = ("hotspot", "void")


def examined(session: onnxruntime.InferenceSession, seed: int, frames: int) -> dict[str, Any]:
    classes = np.arange(frames) % len(CLASSES)
    celsius = np.empty((frames, 1, SIZE, SIZE), np.float32)
    masks = np.empty((frames, SIZE, SIZE), np.bool_)
    for number, label in enumerate(classes):
        lot, index = divmod(number, FRAMES_PER_LOT)
        frame = draw_frame(seed, lot // 2, lot % 2, index, CLASSES[label])
        celsius[number, 0], masks[number] = frame.temperature, frame.hotspot_mask
    parts = [session.run(None, {"temperature": celsius[at : at + 20]}) for at in range(0, frames, 20)]
    maps = np.concatenate([part[0][:, 0] for part in parts])
    probabilities = np.concatenate([part[1] for part in parts])
    rule = np.stack([median_excess(frame[0]) for frame in celsius])

    said = probabilities.argmax(1)
    right = said == classes
    local = np.isin(classes, [CLASSES.index(name) for name in LOCAL])
    peaks = maps.reshape(frames, -1).argmax(1)
    on_mask = masks.reshape(frames, -1)[np.arange(frames), peaks]
    marked = maps.reshape(frames, -1).max(1) >= 0.5
    found, false_marks = on_mask[local] & marked[local], marked[~local]
    marks = maps >= 0.5
    f1 = f1_by_class(said, classes, len(CLASSES))
    return {
        "seed": seed,
        "frames": frames,
        "hotspot_pixel_auroc": auroc(maps.ravel(), masks.ravel()),
        "mask_iou": float((marks & masks).sum() / (marks | masks).sum()),
        "rule_pixel_auroc": auroc(rule.ravel(), masks.ravel()),
        "macro_f1": float(f1.mean()),
        "f1": dict(zip(CLASSES, f1.tolist(), strict=True)),
        "accuracy": share(right),
        "recall": {name: share(right[classes == number]) for number, name in enumerate(CLASSES)},
        "local_fault_found": share(found),
        "false_mark_frames": share(false_marks),
        "class_ece": calibration_error(probabilities.max(1), right),
        "pixel_ece": calibration_error(np.maximum(maps, 1.0 - maps).ravel(), (marks == masks).ravel()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--frames", type=int, default=500, help="of each seed")
    parser.add_argument("--json", action="store_true", help="write accuracy.json")
    args = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(HERE / "1" / "model.onnx", options, providers=["CPUExecutionProvider"])
    results = [examined(session, seed, args.frames) for seed in args.seeds]
    print(table(results))
    worst = judged(results, BARS)
    if args.json:
        report = {"generator_version": GENERATOR_VERSION, "bars": BARS, "worst": worst, "seeds": results}
        write_report(HERE / "accuracy.json", report)


if __name__ == "__main__":
    main()
