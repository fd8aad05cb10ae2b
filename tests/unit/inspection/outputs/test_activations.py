from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from argosy.inspection.outputs.activations import sigmoid, softmax

LOGITS = np.array([[0.0, 1.0, -2.0], [500.0, 499.0, -500.0], [-1e30, -1e30, -1e30]], dtype=np.float32)


def test_softmax_is_scipys() -> None:
    """Also for logits whose exponentials no FP32 holds."""
    assert softmax(LOGITS, axis=1) == pytest.approx(special.softmax(LOGITS.astype(np.float64), axis=1), abs=1e-6)


def test_softmax_leaves_its_input_alone() -> None:
    """The model's tensor is not written to."""
    logits = LOGITS.copy()
    softmax(logits, axis=0)
    assert (logits == LOGITS).all()


def test_sigmoid_is_scipys() -> None:
    """Also for logits whose exponentials no FP32 holds."""
    assert sigmoid(LOGITS) == pytest.approx(special.expit(LOGITS.astype(np.float64)), abs=1e-6)
