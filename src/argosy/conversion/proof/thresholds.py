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
    Kind.DETECTOR: (Bound("class_agreement", least=0.98), Bound("iou_mean", least=0.95)),
    Kind.SEGMENTER: (Bound("top1_agreement", least=0.98), Bound("relative_error", most=0.10)),
    Kind.NETWORK: (Bound("relative_error", most=0.05),),
}
"""How each was set:

* `cosine_*`: orders of neighbours in retrieval hardly change above 0.99; bf16 gives 0.9999, a good int8 0.995.
* `top1_agreement`, `class_agreement`, `order_agreement`: at most one decision in fifty may differ, which leaves room
  for near ties in bf16. A text has one label but hundreds of tokens, a picture thousands of pixels, so one sample in
  which many of these differ could hide among the others; the errors below bound it.
* `relative_logit_error` is that of the worst row, so it grows with their number: 0.1 for scores that are compared with
  one another, 0.15 for one row a sample, 0.25 for one row a token. A segmenter has so many that its norm is bounded.
* `iou_mean`: COCO counts a detection at overlaps of 0.50 to 0.95; boxes that agree better than its strictest step
  change no count. Only objects are compared: the boxes of "nothing here" mean nothing.
* `greedy_agreement` is held to little, because one token that falls the other way changes all that follow; it is there
  to catch an engine that does not run the network at all as it was measured.
"""


def shortfalls(kind: Kind, figures: Mapping[str, float]) -> tuple[str, ...]:
    """A sentence for each bound that the figures do not meet; a figure that is missing does not meet its bound."""
    return tuple(
        f"{bound.figure} is {figures.get(bound.figure, float('nan')):.6g}, and must be {bound.text}"
        for bound in THRESHOLDS[kind]
        if not bound.holds(figures.get(bound.figure, float("nan")))
    )
