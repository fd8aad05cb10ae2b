"""From logits to probabilities, without overflow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def softmax(logits: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Probabilities that add up to 1 along the axis, of the shape of the logits."""
    values: NDArray[np.float32] = logits - logits.max(axis=axis, keepdims=True)
    np.exp(values, out=values)
    values /= values.sum(axis=axis, keepdims=True)
    return values


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """A probability for each logit."""
    # exp of what is never positive: large logits of either sign come out as 1 and 0.
    small = np.exp(-np.abs(logits))
    result: NDArray[np.float32] = np.where(logits >= 0, 1, small) / (1 + small)
    return result
