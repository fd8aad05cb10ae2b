from __future__ import annotations

import numpy as np

from argosy.engines.encoders.head import Head


def test_probabilities_are_the_softmax_of_the_linear_layer_for_every_row() -> None:
    """Rows do not depend on one another, and each sums to 1."""
    random = np.random.default_rng(1)
    head = Head(random.normal(size=(3, 384)).astype(np.float32), random.normal(size=3).astype(np.float32))
    vectors = random.normal(size=(5, 384)).astype(np.float32)
    together = head.probabilities(vectors)
    apart = np.concatenate([head.probabilities(row[None]) for row in vectors])
    np.testing.assert_allclose(together, apart, rtol=1e-5)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-5)


def test_large_logits_do_not_overflow() -> None:
    """Softmax is computed from differences."""
    head = Head(np.array([[1000.0], [-1000.0]], np.float32), np.zeros(2, np.float32))
    assert head.probabilities(np.ones((1, 1), np.float32)).tolist() == [[1.0, 0.0]]
