"""How good a picture is, in figures, and whether that is good enough to judge a die by it.

All intensities are fractions of full scale, so that one set of limits serves 8 and 16 bits. A camera that fills fewer
bits than its files have (12 bits in 16) says so with `white`. Sharpness is comparable only between pictures of the same
product, recipe and optics: its limit belongs to a station, learned from its good pictures.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argosy.core.errors import InvalidRequest
from argosy.inspection.images.picture import Pixels
from argosy.inspection.images.prepare import to_gray

_BAND = 64
"""Rows."""


@dataclass(frozen=True, slots=True)
class ImageQuality:
    """Figures of one picture; colour is looked at as its luma.

    Attributes:
        sharpness: variance of the Laplacian (4 neighbours), full scale = 1. Pech-Pacheco et al., "Diatom autofocusing
            in brightfield microscopy: a comparative study", ICPR 2000.
        tenengrad: mean of the squared Sobel gradient, full scale = 1, the kernels not normalised. Tenenbaum 1970;
            Krotkov, "Focusing", IJCV 1 (1987).
        mean: mean intensity, 0 to 1.
        contrast: standard deviation of intensity, 0 to 0.5 (RMS contrast: Peli, "Contrast in complex images", 1990).
        dark_clipped_pct: percent of pixels at 0.
        bright_clipped_pct: percent of pixels at full scale.
        stuck_rows: rows of one value throughout, where most rows vary.
        stuck_columns: the same of columns.
    """

    sharpness: float
    tenengrad: float
    mean: float
    contrast: float
    dark_clipped_pct: float
    bright_clipped_pct: float
    stuck_rows: int
    stuck_columns: int

    @property
    def clipped_pct(self) -> float:
        """Percent of pixels at either end of the scale."""
        return self.dark_clipped_pct + self.bright_clipped_pct


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """What is good enough; None does not ask.

    Attributes:
        least_sharpness: see `ImageQuality`.
        least_tenengrad: likewise.
        least_mean, most_mean: too dark, too bright.
        least_contrast: likewise.
        most_dark_clipped_pct, most_bright_clipped_pct: percent of pixels.
        most_stuck_lines: rows and columns together.
        most_repeats: pictures in a row that are the same in every pixel, beside the first.
    """

    least_sharpness: float | None = None
    least_tenengrad: float | None = None
    least_mean: float | None = 0.04
    most_mean: float | None = 0.96
    least_contrast: float | None = 0.01
    most_dark_clipped_pct: float | None = 25.0
    most_bright_clipped_pct: float | None = 25.0
    most_stuck_lines: int | None = 0
    most_repeats: int | None = 0


@dataclass(frozen=True, slots=True)
class QualityReason:
    """One figure that is over or under its limit.

    Attributes:
        fault: `blurred`, `dark`, `bright`, `flat`, `dark_clipped`, `bright_clipped`, `stuck_lines` or `frozen`.
        figure: the name of the figure.
        value: what it is.
        limit: what it may be, at least or at most.
    """

    fault: str
    figure: str
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class QualityVerdict:
    """Whether a picture is good enough.

    Attributes:
        reasons: why not, in the order of the limits; empty when it is.
    """

    reasons: tuple[QualityReason, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the picture."""
        return not self.reasons


def measure_quality(pixels: Pixels, *, white: int | None = None) -> ImageQuality:
    """The figures of a picture.

    Args:
        pixels: uint8 or uint16, H x W or H x W x 3.
        white: the value that stands for full scale; the largest of the dtype when not given.

    Raises:
        InvalidRequest: `white` is less than 1, or more than the dtype holds.
    """
    gray = to_gray(pixels)
    most = int(np.iinfo(gray.dtype).max)
    white = most if white is None else white
    if not 1 <= white <= most:
        raise InvalidRequest(f"White is {white}; with {gray.dtype} pixels it is 1 to {most}.", param="white")
    sums = _Sums()
    # A few rows at a time: the largest picture needs no more memory than a small one, and all of it stays in the cache.
    for begin in range(0, gray.shape[0], _BAND):
        sums.add(_band(gray, begin, white))
    count = gray.size
    return ImageQuality(
        sharpness=_variance(sums.laplacian, sums.laplacian_squares, count) / white**2,
        tenengrad=sums.gradient_squares / count / white**2,
        mean=sums.values / count / white,
        contrast=math.sqrt(_variance(sums.values, sums.value_squares, count)) / white,
        dark_clipped_pct=100.0 * np.count_nonzero(gray == 0) / count,
        bright_clipped_pct=100.0 * np.count_nonzero(gray >= white) / count,
        stuck_rows=_minority((gray == gray[:, :1]).all(axis=1)),
        stuck_columns=_minority((gray == gray[:1]).all(axis=0)),
    )


def judge_quality(quality: ImageQuality, limits: QualityLimits, *, repeats: int = 0) -> QualityVerdict:
    """Whether a picture is good enough.

    Args:
        quality: its figures.
        limits: what they may be.
        repeats: how often its pixels came before, without others between; see `FrozenCamera`.
    """
    lines = quality.stuck_rows + quality.stuck_columns
    least = (
        ("blurred", "sharpness", quality.sharpness, limits.least_sharpness),
        ("blurred", "tenengrad", quality.tenengrad, limits.least_tenengrad),
        ("dark", "mean", quality.mean, limits.least_mean),
        ("flat", "contrast", quality.contrast, limits.least_contrast),
    )
    most = (
        ("bright", "mean", quality.mean, limits.most_mean),
        ("dark_clipped", "dark_clipped_pct", quality.dark_clipped_pct, limits.most_dark_clipped_pct),
        ("bright_clipped", "bright_clipped_pct", quality.bright_clipped_pct, limits.most_bright_clipped_pct),
        ("stuck_lines", "stuck_rows+stuck_columns", lines, limits.most_stuck_lines),
        ("frozen", "repeats", repeats, limits.most_repeats),
    )
    under = [
        QualityReason(fault, figure, value, limit)
        for fault, figure, value, limit in least
        if limit is not None and value < limit
    ]
    over = [
        QualityReason(fault, figure, value, limit)
        for fault, figure, value, limit in most
        if limit is not None and value > limit
    ]
    return QualityVerdict((*under, *over))


def pixel_hash(pixels: Pixels) -> str:
    """SHA-256 of size, dtype and pixels, lower-case hexadecimal: the same for the same picture in two files."""
    digest = hashlib.sha256(f"{pixels.shape} {pixels.dtype.itemsize}\n".encode())
    digest.update(np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


@dataclass(slots=True)
class FrozenCamera:
    """Notices a camera that sends one picture again and again; one for each station. No two exposures are the same.

    Attributes:
        repeats: how often the last picture came before, without others between.
    """

    repeats: int = 0
    _last: str = ""

    def saw(self, hashed: str) -> int:
        """Note the next picture's `pixel_hash`; how often it came before, without others between."""
        self.repeats = self.repeats + 1 if hashed == self._last else 0
        self._last = hashed
        return self.repeats


@dataclass(slots=True)
class _Sums:
    """Sums over the pixels looked at so far, in units of a pixel's value; squares of 16-bit values fit exactly."""

    values: float = 0.0
    value_squares: float = 0.0
    laplacian: float = 0.0
    laplacian_squares: float = 0.0
    gradient_squares: float = 0.0

    def add(self, band: NDArray[np.float64]) -> None:
        """Add the pixels of a band, which has a border of one pixel around them."""
        values = band[1:-1, 1:-1]
        laplacian = band[:-2, 1:-1] + band[2:, 1:-1] + band[1:-1, :-2] + band[1:-1, 2:] - 4 * values
        down = band[:-2] + 2 * band[1:-1] + band[2:]
        across = band[:, :-2] + 2 * band[:, 1:-1] + band[:, 2:]
        self.values += float(values.sum())
        self.value_squares += _squares(values)
        self.laplacian += float(laplacian.sum())
        self.laplacian_squares += _squares(laplacian)
        self.gradient_squares += _squares(down[:, 2:] - down[:, :-2]) + _squares(across[2:] - across[:-2])


def _band(gray: Pixels, begin: int, white: int) -> NDArray[np.float64]:
    """Rows from `begin` with a border of one pixel.

    At the picture's edges the border repeats them: that makes no gradient, and leaves a picture of one pixel a meaning.
    """
    end = min(begin + _BAND, gray.shape[0])
    rows = np.minimum(gray[max(0, begin - 1) : end + 1], white).astype(np.float64)
    missing = (int(begin == 0), int(end == gray.shape[0]))
    return np.pad(rows, (missing, (1, 1)), mode="edge")


def _squares(values: NDArray[np.float64]) -> float:
    return float(np.einsum("ij,ij->", values, values))


def _variance(total: float, squares: float, count: int) -> float:
    return max(0.0, squares / count - (total / count) ** 2)


def _minority(still: NDArray[np.bool_]) -> int:
    """How many lines are of one value; 0 where that is the rule, as in a flat picture or a thin one."""
    count = int(np.count_nonzero(still))
    return count if 2 * count < still.size else 0
