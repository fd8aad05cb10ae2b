from __future__ import annotations

import numpy as np

from argosy.core.models import ModelSpec, Pooling, Task, TextSpec
from argosy.server.catalog.catalog import ServedModel
from argosy.server.dataplane.rank import relevance


def served(*, pair: bool) -> ServedModel:
    text = TextSpec(pooling=Pooling.NONE, pair=True) if pair else TextSpec()
    return ServedModel("m", "m", ModelSpec("m", Task.RANK, "echo", text=text), 0)


def test_a_cross_encoders_relevance_is_a_probability() -> None:
    """The sigmoid of its logit, without overflow at either end."""
    logits = np.array([-1000, -2, 0, 2, 1000], np.float32)
    found = relevance(served(pair=True), logits)
    np.testing.assert_allclose(found, [0, 1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-2)), 1], atol=1e-6)
    assert found.dtype == np.float32


def test_a_bi_encoders_relevance_is_its_cosine_moved_to_0_and_1() -> None:
    """A cosine that rounding took beyond 1 stays inside."""
    found = relevance(served(pair=False), np.array([-1, 0, 0.5, 1.0000001], np.float32))
    np.testing.assert_allclose(found, [0, 0.5, 0.75, 1], atol=1e-6)
    assert found.max() <= 1
