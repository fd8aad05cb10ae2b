"""What the inspection models are measured by, and how the figures are printed and kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

NORMAL_QUANTILE_95 = 1.959964


def auroc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve by ranks (Mann-Whitney U); ties count half."""
    positives = int(truth.sum())
    ranks = rankdata(scores)
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * (truth.size - positives)))


def f1_by_class(said: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """2 TP / (2 TP + FP + FN) of each class."""
    right = np.array([((said == c) & (truth == c)).sum() for c in range(classes)])
    wrong = np.array([((said == c) != (truth == c)).sum() for c in range(classes)])
    return 2 * right / (2 * right + wrong)


def wilson(hits: int, tries: int) -> tuple[float, float]:
    """95 % interval of a proportion (Wilson, "Probable Inference", JASA 22, 1927)."""
    share, z2 = hits / tries, NORMAL_QUANTILE_95**2
    middle = (share + z2 / (2 * tries)) / (1 + z2 / tries)
    half = NORMAL_QUANTILE_95 / (1 + z2 / tries) * np.sqrt(share * (1 - share) / tries + z2 / (4 * tries**2))
    # Rounding would put the ends of 0 and 1 a hair outside.
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def calibration_error(confidence: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error in bins of equal width (Guo et al., "On Calibration of Modern Neural Networks")."""
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    gap = np.abs(np.bincount(place, confidence, bins) - np.bincount(place, right.astype(float), bins))
    return float(gap[counts > 0].sum() / confidence.size)


def share(hits: np.ndarray) -> dict[str, Any]:
    """A proportion with its interval."""
    low, high = wilson(int(hits.sum()), hits.size)
    return {"value": float(hits.mean()), "low": low, "high": high, "n": int(hits.size)}


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """A column for each seed; a proportion with its interval, a group of them in a row each."""
    return "\n".join(
        line for name in results[0] for line in _rows(name, [result[name] for result in results], indent="")
    )


def _rows(name: str, cells: list[Any], indent: str) -> list[str]:
    first = cells[0]
    if isinstance(first, Mapping) and "low" in first:
        texts = [f"{cell['value']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}]" for cell in cells]
    elif isinstance(first, Mapping):
        parts = [line for key in first for line in _rows(key, [cell[key] for cell in cells], indent="  ")]
        return [name, *parts]
    else:
        texts = [f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in cells]
    return [f"{indent + name:<24}" + "".join(f"{text:>24}" for text in texts)]


def judged(results: Sequence[Mapping[str, Any]], bars: Mapping[str, float]) -> dict[str, float]:
    """The worst seed of each figure that has a bar, printed beside it."""
    worst = {name: min(result[name] for result in results) for name in bars}
    for name, bar in bars.items():
        print(f"worst {name} {worst[name]:.4f}, bar {bar}: {'holds' if worst[name] >= bar else 'MISSED'}")
    return worst


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(_rounded(report), indent=2) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(part) for part in value]
    return round(value, 5) if isinstance(value, float) else value
