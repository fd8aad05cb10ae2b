"""How right a profile must be to be served; the one table of bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from argosy.conversion.sources.kinds import Kind


@dataclass(frozen=True, slots=True)
class Bound:
    """What one figure is held to.

    Attributes:
        least: lowest value that passes, or None.
        most: highest value that passes, or None.
    """

    figure: str
    least: float | None = None
    most: float | None = None

    @property
    def text(self) -> str:
        """`>= 0.98`, for reports and `argosy.yaml`."""
        return f">= {self.least:g}" if self.least is not None else f"<= {self.most:g}"

    def holds(self, value: float) -> bool:
        """Whether a value passes; one that is not a number does not."""
        if self.least is not None:
            return value >= self.least
        return self.most is not None and value <= self.most


THRESHOLDS: Mapping[Kind, tuple[Bound, ...]] = {
    Kind.ENCODER: (Bound("cosine_mean", least=0.995), Bound("cosine_min", least=0.98)),
    Kind.CROSS_ENCODER: (Bound("order_agreement", least=0.98), Bound("relative_logit_error", most=0.10)),
    Kind.SEQUENCE_CLASSIFIER: (Bound("top1_agreement", least=0.98), Bound("relative_logit_error", most=0.15)),
    Kind.TOKEN_CLASSIFIER: (Bound("top1_agreement", least=0.98), Bound("relative_logit_error", most=0.25)),
    Kind.DECODER: (
        Bound("token_agreement", least=0.95),
        Bound("perplexity_ratio", most=1.03),
        Bound("greedy_agreement", least=0.5),
    ),
    Kind.IMAGE_CLASSIFIER: (Bound("top1_agreement", least=0.98), Bound("relative_logit_error", most=0.15)),
    Kind.DETECTOR: (Bound("relative_error", most=0.05),),
    Kind.SEGMENTER: (Bound("top1_agreement", least=0.98), Bound("relative_error", most=0.10)),
    Kind.NETWORK: (Bound("relative_error", most=0.05),),
}
"""What `greedy_agreement` is held to is loose, because one token that falls the other way changes all that follow; it
is there to catch an engine that does not run the network at all as it was measured."""


def shortfalls(kind: Kind, figures: Mapping[str, float]) -> tuple[str, ...]:
    """A sentence for each bound that the figures do not meet; a figure that is missing does not meet its bound."""
    return tuple(
        f"{bound.figure} is {figures.get(bound.figure, float('nan')):.6g}, and must be {bound.text}"
        for bound in THRESHOLDS[kind]
        if not bound.holds(figures.get(bound.figure, float("nan")))
    )
