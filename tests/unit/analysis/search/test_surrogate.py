"""The Gaussian process."""

from __future__ import annotations

import numpy as np

from argosy.analysis.search.surrogate import Surrogate


def test_it_passes_near_what_was_measured() -> None:
    """The mean at a measured point is near its value, and the deviation small."""
    points = np.linspace(0, 1, 6)[:, None]
    values = np.sin(3 * points[:, 0])
    mean, deviation = Surrogate(points, values, np.random.default_rng(0)).predict(points)
    assert np.abs(mean - values).max() < 0.1
    assert deviation.max() < 0.2


def test_it_is_less_sure_where_nothing_was_measured() -> None:
    """The deviation grows with the distance."""
    points = np.array([[0.0], [0.1], [0.2]])
    surrogate = Surrogate(points, np.array([1.0, 1.5, 2.2]), np.random.default_rng(0))
    _, near = surrogate.predict(np.array([[0.15]]))
    _, far = surrogate.predict(np.array([[1.0]]))
    assert far[0] > 2 * near[0]


def test_it_finds_which_feature_matters() -> None:
    """A feature without effect does not move the mean much."""
    chance = np.random.default_rng(1)
    points = chance.uniform(size=(20, 2))
    surrogate = Surrogate(points, np.sin(4 * points[:, 0]), chance)
    along, _ = surrogate.predict(np.array([[0.1, 0.5], [0.9, 0.5]]))
    across, _ = surrogate.predict(np.array([[0.5, 0.1], [0.5, 0.9]]))
    assert abs(along[0] - along[1]) > 5 * abs(across[0] - across[1])


def test_equal_values_are_no_trouble() -> None:
    """Nothing varies: the mean is that value, and everything is finite."""
    mean, deviation = Surrogate(np.zeros((4, 3)), np.full(4, 7.0), np.random.default_rng(0)).predict(np.ones((2, 3)))
    assert np.allclose(mean, 7.0)
    assert np.isfinite(deviation).all()
