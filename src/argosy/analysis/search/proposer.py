"""Choose the next configuration: first spread out, then where a surrogate expects the most improvement.

Source: expected improvement (Jones, Schonlau and Welch, 1998), multiplied by the probability that the limits are kept
(Gardner et al., 2014).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from argosy.analysis.goal import Goal, Judgement, judge
from argosy.analysis.search.surrogate import Surrogate
from argosy.analysis.space import Configuration, Space
from argosy.analysis.trial import Trial
from argosy.core.tensors import Tensor

_CANDIDATES = 4096
_erf = np.vectorize(math.erf, otypes=[float])


@dataclass(frozen=True, slots=True)
class Proposer:
    """Proposes configurations of a space.

    Guarantees: a configuration of the space is proposed once at most, and everything is proposed in the end. The
    proposal depends on the seed and the trials alone, so that a search goes on where it was ended.

    Attributes:
        spread_out: configurations measured, the current one included, before the surrogate decides.
    """

    space: Space
    goal: Goal
    seed: int = 0
    spread_out: int = 4

    def propose(self, trials: Sequence[Trial]) -> Configuration | None:
        """The next configuration to measure, or None when everything has been."""
        measured = {trial.configuration for trial in trials}
        remaining = [item for item in self.space.configurations() if item not in measured]
        if not remaining:
            return None
        chance = np.random.default_rng([self.seed, len(trials)])
        if len(remaining) > _CANDIDATES:
            remaining = [remaining[index] for index in chance.choice(len(remaining), _CANDIDATES, replace=False)]
        places = self.space.encode(remaining)
        judged = [judge(self.goal, trial) for trial in trials]
        known = self.space.encode([trial.configuration for trial in trials])
        if len(trials) < self.spread_out or not any(item.level for item in judged):
            merit = _distance(places, known)
        else:
            merit = self._merit(places, known, judged, chance)
        # Equal merits are common on a grid; chance decides between them, not the order of the grid.
        best = np.flatnonzero(merit >= merit.max() - 1e-12)
        return remaining[int(chance.choice(best))]

    def _merit(self, places: Tensor, known: Tensor, judged: Sequence[Judgement], chance: np.random.Generator) -> Tensor:
        merit = np.zeros(len(places))
        violations = np.array([item.violation for item in judged])
        if (violations > 0).any():
            mean, deviation = Surrogate(known, np.clip(violations, -2.0, 2.0), chance).predict(places)
            merit += np.log(_normal(-mean / deviation) + 1e-12)
        feasible = np.array([item.feasible for item in judged])
        if feasible.any():
            scores = np.array([item.score for item in judged])[feasible]
            mean, deviation = Surrogate(known[feasible], scores, chance).predict(places)
            merit += np.log(_expected_improvement(mean, deviation, float(scores.max())) + 1e-12)
        return merit


def _distance(places: Tensor, known: Tensor) -> Tensor:
    """How far each place is from the nearest known one; from the middle of the space when none is known."""
    known = known if len(known) else np.full((1, places.shape[1]), 0.5)
    return np.asarray(((places[:, None, :] - known[None, :, :]) ** 2).sum(axis=2).min(axis=1))


def _expected_improvement(mean: Tensor, deviation: Tensor, best: float) -> Tensor:
    step = (mean - best) / deviation
    density = np.exp(-0.5 * step**2) / math.sqrt(2 * math.pi)
    return np.asarray(deviation * (step * _normal(step) + density))


def _normal(value: Tensor) -> Tensor:
    """The standard normal distribution's cumulative probability."""
    return np.asarray(0.5 * (1.0 + _erf(value / math.sqrt(2.0))))
