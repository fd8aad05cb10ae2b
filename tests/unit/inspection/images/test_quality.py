from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from argosy.core.errors import InvalidRequest
from argosy.inspection.images.quality import (
    FrozenCamera,
    QualityLimits,
    QualityReason,
    judge_quality,
    measure_quality,
    pixel_hash,
)
from tests.unit.inspection.images.files import gradient

NOISE = gradient(64, 64)
NOTHING_ASKED = QualityLimits(None, None, None, None, None, None, None, None, None)


def test_figures_of_a_small_picture_are_those_by_hand() -> None:
    """One white pixel in a black 3 x 3 picture, worked out on paper."""
    pixels = np.zeros((3, 3), np.uint8)
    pixels[1, 1] = 255
    quality = measure_quality(pixels)
    # The Laplacian is -4 in the middle and 1 beside it four times: mean 0, mean of squares 20 / 9.
    assert quality.sharpness == pytest.approx(20 / 9)
    # Each Sobel kernel gives 4 x 1 (corners) and 2 x 4 (beside the middle) in squares: 12 + 12 over nine pixels.
    assert quality.tenengrad == pytest.approx(24 / 9)
    assert quality.mean == pytest.approx(1 / 9)
    assert quality.contrast == pytest.approx(np.sqrt(8) / 9)
    assert (quality.dark_clipped_pct, quality.bright_clipped_pct) == pytest.approx((800 / 9, 100 / 9))
    assert quality.clipped_pct == pytest.approx(100)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (63, 5), (64, 64), (65, 33), (130, 7), (2, 300)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_figures_are_those_of_scipy(shape: tuple[int, int], dtype: type) -> None:
    """Worked out in bands of rows they are what SciPy's filters give for the whole, at each border too."""
    pixels = gradient(*shape, dtype)
    scaled = pixels / np.iinfo(dtype).max
    quality = measure_quality(pixels)
    across, down = (ndimage.sobel(scaled, axis=axis, mode="nearest") for axis in (0, 1))
    assert quality.sharpness == pytest.approx(np.var(ndimage.laplace(scaled, mode="nearest")), rel=1e-9, abs=1e-12)
    assert quality.tenengrad == pytest.approx(np.mean(across**2 + down**2), rel=1e-9, abs=1e-12)
    assert (quality.mean, quality.contrast) == pytest.approx((scaled.mean(), scaled.std()), rel=1e-9, abs=1e-9)
    assert quality.dark_clipped_pct == pytest.approx(100 * (pixels == 0).mean())
    assert quality.bright_clipped_pct == pytest.approx(100 * (scaled == 1).mean())


@pytest.mark.parametrize("height", [1, 7])
@pytest.mark.parametrize("width", [1, 9])
def test_a_flat_picture_is_flat(height: int, width: int) -> None:
    """Of any size, down to one pixel: no edge, no contrast, and no line that would be stuck."""
    quality = measure_quality(np.full((height, width), 51, np.uint8))
    assert (quality.sharpness, quality.tenengrad, quality.stuck_rows, quality.stuck_columns) == (0, 0, 0, 0)
    assert quality.mean == pytest.approx(0.2)
    assert quality.contrast == pytest.approx(0, abs=1e-6)


def test_blur_lowers_sharpness_step_by_step() -> None:
    """Both measures fall with every step of blur."""
    blurred = [NOISE] + [ndimage.gaussian_filter(NOISE, sigma) for sigma in (0.5, 1.0, 2.0, 4.0)]
    figures = [measure_quality(pixels) for pixels in blurred]
    for one, next_one in pairwise(figures):
        assert next_one.sharpness < one.sharpness
        assert next_one.tenengrad < one.tenengrad


def test_depth_does_not_matter() -> None:
    """The same picture in 8 and in 16 bits has the same figures."""
    eight, sixteen = measure_quality(NOISE), measure_quality(NOISE.astype(np.uint16) * 257)
    assert (sixteen.sharpness, sixteen.contrast) == pytest.approx((eight.sharpness, eight.contrast), rel=1e-5)
    assert sixteen.bright_clipped_pct == eight.bright_clipped_pct


def test_white_of_a_12_bit_camera_is_where_it_says() -> None:
    """4,095 in a 16-bit picture is full scale for a camera of 12 bits."""
    pixels = np.full((4, 4), 4095, np.uint16)
    assert measure_quality(pixels, white=4095).bright_clipped_pct == 100
    assert measure_quality(pixels, white=4095).mean == pytest.approx(1)
    assert measure_quality(pixels).bright_clipped_pct == 0
    for white in (0, 256):
        with pytest.raises(InvalidRequest, match="1 to 255"):
            measure_quality(NOISE, white=white)


def test_stuck_lines_are_counted() -> None:
    """Rows and columns of one value among others that vary."""
    pixels = NOISE.copy()
    pixels[[5, 40]] = 77
    pixels[:, 9] = 0
    pixels[[5, 40], 9] = 77
    quality = measure_quality(pixels)
    assert (quality.stuck_rows, quality.stuck_columns) == (2, 0)
    pixels[:, 9] = 0
    quality = measure_quality(pixels)
    assert (quality.stuck_rows, quality.stuck_columns) == (0, 1)


def test_colour_is_looked_at_as_luma() -> None:
    """Gray stored as RGB has the figures of the gray."""
    assert measure_quality(np.repeat(NOISE[..., None], 3, axis=2)) == measure_quality(NOISE)


GOOD = measure_quality((NOISE // 2 + 60).astype(np.uint8))


@pytest.mark.parametrize(
    ("change", "limits", "reason"),
    [
        ({"sharpness": 0.1}, {"least_sharpness": 0.2}, QualityReason("blurred", "sharpness", 0.1, 0.2)),
        ({"tenengrad": 1.0}, {"least_tenengrad": 2.0}, QualityReason("blurred", "tenengrad", 1.0, 2.0)),
        ({"mean": 0.03}, {"least_mean": 0.04}, QualityReason("dark", "mean", 0.03, 0.04)),
        ({"mean": 0.97}, {"most_mean": 0.96}, QualityReason("bright", "mean", 0.97, 0.96)),
        ({"contrast": 0.001}, {"least_contrast": 0.01}, QualityReason("flat", "contrast", 0.001, 0.01)),
        (
            {"dark_clipped_pct": 6.0},
            {"most_dark_clipped_pct": 5.0},
            QualityReason("dark_clipped", "dark_clipped_pct", 6.0, 5.0),
        ),
        (
            {"bright_clipped_pct": 6.0},
            {"most_bright_clipped_pct": 5.0},
            QualityReason("bright_clipped", "bright_clipped_pct", 6.0, 5.0),
        ),
        (
            {"stuck_rows": 1, "stuck_columns": 2},
            {"most_stuck_lines": 2},
            QualityReason("stuck_lines", "stuck_rows+stuck_columns", 3, 2),
        ),
    ],
)
def test_each_figure_has_its_reason(change: dict[str, float], limits: dict[str, float], reason: QualityReason) -> None:
    """A figure beyond its limit gives one reason, with both numbers; without a limit it gives none."""
    quality = replace(GOOD, **change)
    verdict = judge_quality(quality, replace(NOTHING_ASKED, **limits))
    assert verdict.reasons == (reason,)
    assert not verdict.ok
    assert judge_quality(quality, NOTHING_ASKED).ok
    at_the_limit = replace(GOOD, **dict(zip(change, [*limits.values(), 0], strict=False)))
    assert judge_quality(at_the_limit, replace(NOTHING_ASKED, **limits)).ok


def test_a_plain_picture_is_good_enough() -> None:
    """The limits as they come let an ordinary picture pass, and a black one not."""
    assert judge_quality(GOOD, QualityLimits()).ok
    black = judge_quality(measure_quality(np.zeros((8, 8), np.uint8)), QualityLimits())
    assert [reason.fault for reason in black.reasons] == ["dark", "flat", "dark_clipped"]


def test_a_frozen_camera_is_noticed() -> None:
    """The same pixels twice in a row are one repeat; others between begin anew."""
    camera = FrozenCamera()
    hashes = [pixel_hash(pixels) for pixels in (NOISE, NOISE, NOISE, GRAY, NOISE)]
    repeats = [camera.saw(hashed) for hashed in hashes]
    assert repeats == [0, 1, 2, 0, 0]
    verdict = judge_quality(GOOD, QualityLimits(), repeats=1)
    assert verdict.reasons == (QualityReason("frozen", "repeats", 1, 0),)


GRAY = NOISE[:, ::-1]


def test_the_hash_is_of_pixels_and_their_meaning() -> None:
    """Not of how they lie in memory, but of shape, depth and values."""
    assert pixel_hash(np.asfortranarray(NOISE)) == pixel_hash(NOISE)
    assert pixel_hash(NOISE.astype(">u2")) == pixel_hash(NOISE.astype(np.uint16))
    others = [NOISE.reshape(32, 128), NOISE.astype(np.uint16), GRAY]
    assert len({pixel_hash(pixels) for pixels in [NOISE, *others]}) == 4


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16]), st.tuples(st.integers(1, 6), st.integers(1, 6)), fill=st.just(0)
    )
)
def test_figures_are_within_their_bounds(pixels: np.ndarray) -> None:
    """Of any picture the figures are finite and where they say."""
    quality = measure_quality(pixels)
    assert 0 <= quality.mean <= 1
    assert 0 <= quality.contrast <= 0.5 + 1e-6
    assert 0 <= quality.sharpness <= 64
    assert 0 <= quality.clipped_pct <= 100
    assert quality.stuck_rows < pixels.shape[0] or pixels.shape[0] == 1
