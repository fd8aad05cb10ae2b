"""Pictures made ready for a model, and the way back from what the model found to the picture's own pixels.

Coordinates are those of pixel edges: x of a picture W wide runs from 0.0 to W, so that a box x0, y0, x1, y1 of a whole
picture is 0, 0, W, H, and scaling by a factor scales coordinates by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from argosy.core.errors import InvalidRequest
from argosy.inspection.images.picture import Pixels

Boxes = NDArray[np.float64]
"""N x 4: x0, y0, x1, y1 in pixels."""
LETTERBOX_FILL = 114
"""Gray that detectors of the YOLO family are trained with around their pictures."""


def to_gray(pixels: Pixels) -> Pixels:
    """H x W of the same dtype: luma of RGB by ITU-R BT.601 (0.299, 0.587, 0.114), rounded; gray as it is."""
    if pixels.ndim == 2:
        return pixels
    red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
    luma: Pixels = ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(pixels.dtype)
    return luma


def to_rgb(pixels: Pixels) -> Pixels:
    """H x W x 3 of the same dtype: gray three times; RGB as it is."""
    if pixels.ndim == 3:
        return pixels
    return np.repeat(pixels[..., np.newaxis], 3, axis=2)


def to_eight_bits(pixels: Pixels, *, low: int, high: int) -> NDArray[np.uint8]:
    """Scale 16-bit pixels to 8 bits between stated limits; uint8 is scaled the same way.

    `low` and less become 0, `high` and more become 255, and between them 255 (v - low) / (high - low), rounded half up.

    Raises:
        InvalidRequest: the limits are not 0 <= low < high <= the largest value of the dtype.
    """
    most = int(np.iinfo(pixels.dtype).max)
    if not 0 <= low < high <= most:
        raise InvalidRequest(
            f"The limits are {low} and {high}; they must be rising and within 0 to {most}.", param="low"
        )
    values = np.arange(most + 1, dtype=np.int64).clip(low, high) - low
    span = high - low
    table = ((2 * 255 * values + span) // (2 * span)).astype(np.uint8)
    return table[pixels]


def resize(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Stretch to `width` x `height`: bilinear, with the kernel widened when shrinking, so that no pixel is skipped.

    Args:
        pixels: uint8, H x W or H x W x 3.
        width: at least 1.
        height: at least 1.

    Raises:
        InvalidRequest: the pixels are not uint8, or a side is less than 1.
    """
    if pixels.dtype != np.uint8:
        raise InvalidRequest("Only 8-bit pixels are resized. Scale them with to_eight_bits first.", param="image")
    _check_sides(width, height)
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in what the model sees.

    Attributes:
        width, height: of the picture.
        left, top: where it begins in the model's input.
        placed_width, placed_height: how large it is there.
        input_width, input_height: the model's input.
    """

    width: int
    height: int
    left: int
    top: int
    placed_width: int
    placed_height: int
    input_width: int
    input_height: int

    def boxes_to_input(self, boxes: ArrayLike) -> Boxes:
        """Boxes of the picture (N x 4) in coordinates of the model's input."""
        return np.asarray(boxes, np.float64).reshape(-1, 4) * self._scale + self._offset

    def boxes_to_picture(self, boxes: ArrayLike) -> Boxes:
        """Boxes of the model's input (N x 4) in the picture's pixels, cut off at its borders."""
        moved = (np.asarray(boxes, np.float64).reshape(-1, 4) - self._offset) / self._scale
        return moved.clip(0.0, [self.width, self.height, self.width, self.height])

    def map_to_picture(self, values: ArrayLike) -> NDArray[np.float32]:
        """A map of the whole input (its height x width) on the picture (H x W): padding cut off, stretched bilinearly.

        Where the picture was not scaled the values are those of the map.

        Raises:
            InvalidRequest: the map has another size than the input.
        """
        given = np.asarray(values, np.float32)
        if given.shape != (self.input_height, self.input_width):
            raise InvalidRequest(
                f"The map is {given.shape} and the input {(self.input_height, self.input_width)}.", param="values"
            )
        cut = given[self.top : self.top + self.placed_height, self.left : self.left + self.placed_width]
        if cut.shape == (self.height, self.width):
            return cut.copy()
        return np.asarray(Image.fromarray(cut).resize((self.width, self.height), Image.Resampling.BILINEAR))

    @property
    def _scale(self) -> Boxes:
        return np.array([self.placed_width / self.width, self.placed_height / self.height] * 2)

    @property
    def _offset(self) -> Boxes:
        return np.array([self.left, self.top] * 2, np.float64)


def stretch(pixels: NDArray[np.uint8], width: int, height: int) -> tuple[NDArray[np.uint8], Placement]:
    """A picture that fills the model's input, its sides scaled apart; and where it lies.

    Raises:
        InvalidRequest: see `resize`.
    """
    placed = resize(pixels, width, height)
    return placed, Placement(pixels.shape[1], pixels.shape[0], 0, 0, width, height, width, height)


def letterbox(
    pixels: NDArray[np.uint8], width: int, height: int, *, fill: int = LETTERBOX_FILL
) -> tuple[NDArray[np.uint8], Placement]:
    """A picture as large as fits into the model's input, in its middle, with `fill` around; and where it lies.

    Sides are rounded to whole pixels, and the mapping back knows both, so that no box is off by the rounding.

    Raises:
        InvalidRequest: see `resize`; or `fill` is not 0 to 255.
    """
    _check_sides(width, height)
    if not 0 <= fill <= 255:
        raise InvalidRequest(f"The fill is {fill}; it must be 0 to 255.", param="fill")
    tall, wide = pixels.shape[:2]
    scale = min(width / wide, height / tall)
    placed_width, placed_height = (max(1, min(round(wide * scale), width)), max(1, min(round(tall * scale), height)))
    left, top = (width - placed_width) // 2, (height - placed_height) // 2
    framed = np.full((height, width, *pixels.shape[2:]), fill, np.uint8)
    framed[top : top + placed_height, left : left + placed_width] = resize(pixels, placed_width, placed_height)
    return framed, Placement(wide, tall, left, top, placed_width, placed_height, width, height)


def _check_sides(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InvalidRequest(f"The size is {width} x {height}; both must be at least 1.", param="size")
