"""Measure electrical_defect_v1 on seeds that training never saw: other designs, other lots, other drift.

    python tools/models/electrical_defect/evaluate.py [--json]

Needs onnxruntime, and `src` in PYTHONPATH. `--json` writes accuracy.json beside this file.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime

from argosy.inspection.synthetic.electrical import (
    FEATURES,
    GENERATOR_VERSION,
    GRID,
    PATTERNS,
    draw_product,
    draw_wafer,
    largest_score,
    standard_scores,
)

HERE: Final = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "thermal_analysis"))

from measures import auroc, calibration_error, f1_by_class, judged, share, table, write_report  # noqa: E402  (scripts beside it, not a package)

SEEDS: Final = (201, 202, 203)
WAFERS_PER_LOT: Final = 9
BARS: Final = {"die_auroc": 0.98, "macro_f1": 0.95}


def examined(session: onnxruntime.InferenceSession, seed: int, wafers: int) -> dict[str, Any]:
    patterns = np.arange(wafers) % len(PATTERNS)
    features = np.empty((wafers, len(FEATURES), GRID, GRID), np.float32)
    fails = np.empty((wafers, GRID, GRID), np.bool_)
    for number, pattern in enumerate(patterns):
        lot, index = divmod(number, WAFERS_PER_LOT)
        wafer = draw_wafer(seed, lot // 2, lot % 2, index, PATTERNS[pattern])
        features[number] = standard_scores(wafer.values, wafer.mask, draw_product(seed, lot // 2))
        fails[number] = wafer.die_fail
    parts = [session.run(None, {"features": features[at : at + 60]}) for at in range(0, wafers, 60)]
    tested = features[:, -1] > 0
    bad, chance = fails[tested], np.concatenate([part[0][:, 0] for part in parts])[tested]
    probabilities = np.concatenate([part[1] for part in parts])

    said = probabilities.argmax(1)
    right = said == patterns
    f1 = f1_by_class(said, patterns, len(PATTERNS))
    return {
        "seed": seed,
        "wafers": wafers,
        "dies": int(tested.sum()),
        "die_auroc": auroc(chance, bad),
        "rule_auroc": auroc(largest_score(features)[tested], bad),
        "macro_f1": float(f1.mean()),
        "f1": dict(zip(PATTERNS, f1.tolist(), strict=True)),
        "accuracy": share(right),
        "recall": {name: share(right[patterns == number]) for number, name in enumerate(PATTERNS)},
        "bad_dies_failed": share(chance[bad] >= 0.5),
        "good_dies_failed": share(chance[~bad] >= 0.5),
        "pattern_ece": calibration_error(probabilities.max(1), right),
        "die_ece": calibration_error(np.maximum(chance, 1.0 - chance), (chance >= 0.5) == bad),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--wafers", type=int, default=900, help="of each seed")
    parser.add_argument("--json", action="store_true", help="write accuracy.json")
    args = parser.parse_args()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(HERE / "1" / "model.onnx", options, providers=["CPUExecutionProvider"])
    results = [examined(session, seed, args.wafers) for seed in args.seeds]
    print(table(results))
    worst = judged(results, BARS)
    if args.json:
        report = {"generator_version": GENERATOR_VERSION, "bars": BARS, "worst": worst, "seeds": results}
        write_report(HERE / "accuracy.json", report)


if __name__ == "__main__":
    main()
