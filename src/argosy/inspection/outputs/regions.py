"""Defects made of components."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from argosy.inspection.outputs.components import Components
from argosy.inspection.outputs.defects import Defect


def region_defects(
    found: Components, scores: NDArray[np.float64], names: Sequence[str], most: int
) -> tuple[Defect, ...]:
    """The `most` best components as defects, best first; equal scores in the order of the components.

    Args:
        found: components of a map of the frame's size.
        scores: of each, 0 to 1 but for rounding.
        names: class of each.
        most: how many at most.
    """
    chosen = np.argsort(-scores, kind="stable")[:most]
    masks = found.masks(chosen)
    defects = []
    for component, mask in zip(chosen.tolist(), masks, strict=True):
        x0, y0, x1, y1 = (float(edge) for edge in found.boxes[component])
        x, y = found.centroids[component].tolist()
        defects.append(
            Defect(
                class_name=names[component],
                score=min(max(float(scores[component]), 0.0), 1.0),
                bbox=(x0, y0, x1, y1),
                area_px=float(found.areas[component]),
                centroid=(x, y),
                mask=mask,
            )
        )
    return tuple(defects)
