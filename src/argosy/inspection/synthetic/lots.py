"""Lots: the style in which all exposures of one lot are made. None of it is a defect."""

from __future__ import annotations

from dataclasses import dataclass

from argosy.inspection.synthetic.streams import Purpose, stream


@dataclass(frozen=True, slots=True)
class Style:
    """How a picture is taken.

    Attributes:
        gain: factor upon the grey levels.
        offset: grey levels added after the gain.
        slope_x: change of the illumination from the left edge to the right, as a share of its mean.
        slope_y: change of the illumination from the top edge to the bottom, as a share of its mean.
        noise: standard deviation of the pixel noise, grey levels.
        focus: standard deviation of the Gaussian point spread, px.
        shift_x: misalignment to the right, px.
        shift_y: misalignment downwards, px.
        roughness: standard deviation of the displacement of edges, px.
        dust: expected specks under the size limit on an area of 128 x 128 px.
    """

    gain: float
    offset: float
    slope_x: float
    slope_y: float
    noise: float
    focus: float
    shift_x: float
    shift_y: float
    roughness: float
    dust: float


def draw_style(seed: int, product: int, lot: int) -> Style:
    """The style of one lot of a product.

    Raises:
        InvalidRequest: a number is negative.
    """
    rng = stream(seed, Purpose.LOT, product, lot)
    return Style(
        gain=float(rng.uniform(0.88, 1.1)),
        offset=float(rng.uniform(-10, 10)),
        slope_x=float(rng.uniform(-0.12, 0.12)),
        slope_y=float(rng.uniform(-0.12, 0.12)),
        noise=float(rng.uniform(1.5, 5.0)),
        focus=float(rng.uniform(0.45, 1.05)),
        shift_x=float(rng.uniform(-0.6, 0.6)),
        shift_y=float(rng.uniform(-0.6, 0.6)),
        roughness=float(rng.uniform(0.05, 0.25)),
        dust=float(rng.uniform(0.0, 2.5)),
    )
