"""A Gaussian process: what the measured points say about those that were not measured.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", algorithm 2.1; Matérn kernel with nu = 5/2
and a length scale for each feature. Length scales and noise are drawn at random and weighted by their likelihood,
which for some tens of points is as good as an optimiser and needs none.
"""

from __future__ import annotations

import math

import numpy as np

from argosy.core.tensors import Tensor

_DRAWS = 64
_KEPT = 8
_LENGTHS = (0.2, 4.0)
_NOISE = (1e-4, 0.1)
"""Variance of a measurement's error, as a share of the variance of what is measured."""
_JITTER = 1e-9
_LENGTH_PRIOR = 0.3
"""Long length scales are likelier beforehand: most settings of most models matter little."""


class Surrogate:
    """Fitted to points; predicts a mean and a standard deviation anywhere.

    All draws of the hyper-parameters are fitted in one go, as stacks of matrices: a call into the linear algebra
    library costs more than the few numbers it is given.

    Args:
        points: FP64 [n, features], each feature from 0 to 1; n at least 1.
        values: FP64 [n].
        chance: draws the hyper-parameters.
    """

    def __init__(self, points: Tensor, values: Tensor, chance: np.random.Generator) -> None:
        self._points = points
        self._mean = float(values.mean())
        self._scale = float(values.std()) or 1.0
        targets = (values - self._mean) / self._scale
        lengths = np.exp(chance.uniform(*_bounds(_LENGTHS), (_DRAWS, points.shape[1])))
        noise = np.exp(chance.uniform(*_bounds(_NOISE), _DRAWS))
        covariance = _matern(points, points, lengths) + (noise + _JITTER)[:, None, None] * np.eye(len(points))
        inverse = _inverse(np.linalg.cholesky(covariance))
        whitened = inverse @ targets
        # The factor's determinant is the reciprocal of its inverse's.
        halved_log_determinant = -np.log(np.diagonal(inverse, axis1=1, axis2=2)).sum(axis=1)
        prior = _LENGTH_PRIOR * np.log(lengths).sum(axis=1)
        likelihood = -0.5 * (whitened**2).sum(axis=1) - halved_log_determinant + prior
        kept = np.argsort(-likelihood)[:_KEPT]
        weights = np.exp(likelihood[kept] - likelihood[kept[0]])
        self._share = weights / weights.sum()
        self._lengths, self._inverse = lengths[kept], inverse[kept]
        self._weights = np.einsum("dij,di->dj", self._inverse, whitened[kept])

    def predict(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation at FP64 [m, features]; both FP64 [m]."""
        cross = _matern(points, self._points, self._lengths)
        means = np.einsum("dmn,dn->dm", cross, self._weights)
        explained = ((cross @ self._inverse.transpose(0, 2, 1)) ** 2).sum(axis=2)
        mean = self._share @ means
        variance = self._share @ (np.maximum(1.0 - explained, 0.0) + (means - mean) ** 2)
        return mean * self._scale + self._mean, np.sqrt(np.maximum(variance, 1e-12)) * self._scale


def _bounds(interval: tuple[float, float]) -> tuple[float, float]:
    return math.log(interval[0]), math.log(interval[1])


def _inverse(lower: Tensor) -> Tensor:
    """Inverses of lower triangular matrices, FP64 [draws, n, n], row by row.

    A general inverse of matrices this small is slower by a factor of ten and more, as its threads wait for one another.
    """
    inverse = np.zeros_like(lower)
    for row in range(lower.shape[1]):
        inverse[:, row] = -np.einsum("di,dij->dj", lower[:, row, :row], inverse[:, :row])
        inverse[:, row, row] += 1.0
        inverse[:, row] /= lower[:, row, row, None]
    return inverse


def _matern(first: Tensor, second: Tensor, lengths: Tensor) -> Tensor:
    """FP64 [draws, len(first), len(second)] for length scales FP64 [draws, features]."""
    squares = (first[:, None, :] - second[None, :, :]) ** 2
    distance = np.sqrt(5.0 * np.einsum("mnf,df->dmn", squares, lengths**-2.0))
    return np.asarray((1.0 + distance + distance**2 / 3.0) * np.exp(-distance))
