"""What changes a picture and is no defect: misalignment, rough edges, dust, focus, illumination and noise.

Nothing here touches the class map.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from argosy.inspection.synthetic.lots import Style

DUST_LIMIT_PX: Final = 5
"""Largest area of a speck of dust, px; the smallest defect is more than twice as large."""

SHIFT_LIMIT_PX: Final = 1.0
"""Largest misalignment along one axis, px."""

CLEAN: Final = Style(
    gain=1.0,
    offset=0.0,
    slope_x=0.0,
    slope_y=0.0,
    noise=1.0,
    focus=0.6,
    shift_x=0.0,
    shift_y=0.0,
    roughness=0.0,
    dust=0.0,
)
"""The style of a golden reference."""


def jittered(style: Style, rng: np.random.Generator) -> Style:
    """The style of one exposure: that of its lot with the small changes from die to die."""
    limit = SHIFT_LIMIT_PX
    return replace(
        style,
        gain=style.gain * float(rng.uniform(0.98, 1.02)),
        offset=style.offset + float(rng.uniform(-2, 2)),
        focus=style.focus + float(rng.uniform(-0.05, 0.15)),
        shift_x=float(np.clip(style.shift_x + rng.uniform(-0.4, 0.4), -limit, limit)),
        shift_y=float(np.clip(style.shift_y + rng.uniform(-0.4, 0.4), -limit, limit)),
    )


def displaced(canvas: NDArray[np.float32], style: Style, rng: np.random.Generator) -> NDArray[np.float32]:
    """The canvas FP32 [H, W] moved by the misalignment, its edges roughened by a smooth random displacement."""
    rough = rng.standard_normal((2, *canvas.shape), np.float32)
    rough = ndimage.gaussian_filter(rough, (0, 1.5, 1.5))
    rough *= np.float32(style.roughness / max(float(rough.std()), 1e-6))
    y, x = np.mgrid[: canvas.shape[0], : canvas.shape[1]].astype(np.float32)
    places = np.stack((y - np.float32(style.shift_y) + rough[0], x - np.float32(style.shift_x) + rough[1]))
    moved: NDArray[np.float32] = ndimage.map_coordinates(canvas, places, order=1, mode="nearest")
    return moved


def dusted(canvas: NDArray[np.float32], style: Style, rng: np.random.Generator) -> NDArray[np.float32]:
    """The canvas FP32 [H, W] with specks of dust, each of at most `DUST_LIMIT_PX`."""
    height, width = canvas.shape
    dusty = canvas.copy()
    for _ in range(int(rng.poisson(style.dust * height * width / 128**2))):
        row, column = rng.uniform(2, height - 3), rng.uniform(2, width - 3)
        radius, depth = rng.uniform(0.4, 0.9), rng.uniform(0.3, 0.6)
        top, left = int(row) - 1, int(column) - 1
        y, x = np.mgrid[top : top + 4, left : left + 4]
        coverage = np.clip(radius + 0.5 - np.hypot(y - row, x - column), 0.0, 1.0)
        window = dusty[top : top + 4, left : left + 4]
        window *= (1.0 - depth * coverage[: window.shape[0], : window.shape[1]]).astype(np.float32)
    return dusty


def exposed(canvas: NDArray[np.float32], style: Style, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture UINT8 [H, W] that the camera takes of a canvas FP32 [H, W]: focus, illumination, gain, noise."""
    height, width = canvas.shape
    seen = ndimage.gaussian_filter(canvas, style.focus)
    across = np.linspace(-0.5, 0.5, width, dtype=np.float32) * np.float32(style.slope_x)
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32) * np.float32(style.slope_y)
    lit = seen * (np.float32(1.0) + across[None, :] + down[:, None])
    noise = rng.standard_normal(canvas.shape, np.float32) * np.float32(style.noise)
    levels = lit * np.float32(style.gain) + np.float32(style.offset) + noise
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
