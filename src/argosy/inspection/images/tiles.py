"""Large pictures in equal tiles, and the tiles' maps and boxes put together again.

Tiles are as in SAHI (Akyon et al., "Slicing aided hyper inference", ICIP 2022): all of one size, with at least the
overlap asked for, and those at the far borders pushed inward, so that none hangs over. Maps are blended, not cut: each
tile counts most in its middle and next to nothing at its edge, and in each pixel the weights sum to one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from argosy.core.errors import InvalidRequest
from argosy.inspection.images.picture import AnyPixels
from argosy.inspection.images.prepare import Boxes


@dataclass(frozen=True, slots=True)
class Tiling:
    """How a picture is cut. Use `plan_tiles`.

    Attributes:
        width, height: of the picture.
        tile_width, tile_height: of each tile.
        lefts: x where the tiles of a row begin, rising.
        tops: y where the rows of tiles begin, rising.
    """

    width: int
    height: int
    tile_width: int
    tile_height: int
    lefts: tuple[int, ...]
    tops: tuple[int, ...]

    @property
    def origins(self) -> tuple[tuple[int, int], ...]:
        """Left and top of each tile, row by row: the order of all arrays of tiles."""
        return tuple((left, top) for top in self.tops for left in self.lefts)

    def cut(self, pixels: AnyPixels, *, fill: int = 0) -> AnyPixels:
        """The tiles of a picture: N x tile height x tile width (x channels), its dtype.

        Args:
            pixels: H x W (x channels).
            fill: what stands right of and below a picture that is smaller than a tile.

        Raises:
            InvalidRequest: the picture has another size than planned.
        """
        if pixels.shape[:2] != (self.height, self.width):
            raise InvalidRequest(
                f"The picture is {pixels.shape[1]} x {pixels.shape[0]}, planned was {self.width} x {self.height}.",
                param="image",
            )
        origins = self.origins
        tiles = np.full((len(origins), self.tile_height, self.tile_width, *pixels.shape[2:]), fill, pixels.dtype)
        for tile, (left, top) in zip(tiles, origins, strict=True):
            part = pixels[top : top + self.tile_height, left : left + self.tile_width]
            tile[: part.shape[0], : part.shape[1]] = part
        return tiles

    def blend(self, maps: ArrayLike) -> NDArray[np.float32]:
        """The maps of all tiles as one map of the picture: H x W (x channels).

        Args:
            maps: N x tile height x tile width (x channels), in the order of `cut`.

        Raises:
            InvalidRequest: the maps are not as many, or not as large, as the tiles.
        """
        given = np.asarray(maps)
        origins = self.origins
        if given.shape[:3] != (len(origins), self.tile_height, self.tile_width):
            raise InvalidRequest(
                f"The maps are {given.shape}; {len(origins)} tiles of {self.tile_height} x {self.tile_width} were cut.",
                param="maps",
            )
        across = _weights(self.lefts, self.tile_width, self.width)
        down = _weights(self.tops, self.tile_height, self.height)
        weights = [(down[row], across[column]) for row in range(len(self.tops)) for column in range(len(self.lefts))]
        blended = np.zeros((self.height, self.width, *given.shape[3:]), np.float64)
        for tile, (left, top), (vertical, horizontal) in zip(given, origins, weights, strict=True):
            weight = np.outer(vertical, horizontal)
            part = tile[: weight.shape[0], : weight.shape[1]]
            blended[top : top + weight.shape[0], left : left + weight.shape[1]] += part * weight.reshape(
                *weight.shape, *(1,) * (part.ndim - 2)
            )
        return blended.astype(np.float32)

    def boxes_to_picture(self, tile: int, boxes: ArrayLike) -> Boxes:
        """Boxes that were found in a tile (N x 4) in the picture's pixels, cut off at its borders.

        Args:
            tile: index of the tile, in the order of `cut`.
            boxes: x0, y0, x1, y1 in the tile's pixels.
        """
        left, top = self.origins[tile]
        moved = np.asarray(boxes, np.float64).reshape(-1, 4) + np.array([left, top, left, top], np.float64)
        return moved.clip(0.0, [self.width, self.height, self.width, self.height])

    def boxes_to_tile(self, tile: int, boxes: ArrayLike) -> Boxes:
        """Boxes of the picture (N x 4) in a tile's pixels; not cut off."""
        left, top = self.origins[tile]
        return np.asarray(boxes, np.float64).reshape(-1, 4) - np.array([left, top, left, top], np.float64)


def plan_tiles(width: int, height: int, *, tile_width: int, tile_height: int, overlap: float = 0.2) -> Tiling:
    """Equal tiles that cover a picture.

    Args:
        width: of the picture.
        height: of the picture.
        tile_width: of each tile; a picture that is narrower gets one tile across, filled up.
        tile_height: likewise.
        overlap: share of a tile's side that neighbours have in common at least, 0 to less than 1.

    Raises:
        InvalidRequest: a side is less than 1, or the overlap is not 0 to less than 1.
    """
    if min(width, height, tile_width, tile_height) < 1:
        raise InvalidRequest("A picture and a tile are at least 1 pixel wide and high.", param="tile")
    if not 0.0 <= overlap < 1.0:
        raise InvalidRequest(f"The overlap is {overlap:g}; it must be at least 0 and less than 1.", param="overlap")
    return Tiling(
        width,
        height,
        tile_width,
        tile_height,
        _begins(width, tile_width, overlap),
        _begins(height, tile_height, overlap),
    )


def _begins(side: int, tile: int, overlap: float) -> tuple[int, ...]:
    if tile >= side:
        return (0,)
    step = max(1, tile - math.ceil(tile * overlap))
    return (*range(0, side - tile, step), side - tile)


def _weights(begins: Sequence[int], tile: int, side: int) -> list[NDArray[np.float64]]:
    """How much each tile along one side counts in each of its pixels within the picture.

    A triangle, positive throughout; divided by the sum over all tiles, so that the weights of a pixel sum to one. The
    first and the last tile count fully up to the picture's border, where nothing else is.
    """
    length = min(tile, side)
    steps = np.arange(length, dtype=np.float64)
    triangle = np.minimum(steps + 0.5, length - steps - 0.5)
    total = np.zeros(side, np.float64)
    for begin in begins:
        total[begin : begin + length] += triangle
    return [triangle / total[begin : begin + length] for begin in begins]
