"""COCO run-length encoding of binary masks.

Source: the COCO mask format as the reference implementation `pycocotools` defines it. Pixels are read column by
column; counts alternate between runs of background and of mask, background first, so the first may be 0.

The compressed form writes a count as groups of five bits, lowest first, each in one ASCII character: 48 is added, 32
says that more groups follow, and the highest bit of the last group is the sign. From the fourth count on the
difference to the count before the last is written instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argosy.core.errors import InvalidRequest

_OFFSET = 48
_GROUP_BITS = 5
_LONGEST_COUNT = 7
"""Characters. Seven groups hold 35 bits, and a count is one of 32."""
_MOST_PIXELS = (1 << 31) - 1


@dataclass(frozen=True, slots=True)
class Rle:
    """A mask by its run lengths.

    Attributes:
        height: rows of the mask.
        width: columns of the mask.
        counts: lengths of the runs in column-major order, background first; they add up to height x width.
    """

    height: int
    width: int
    counts: tuple[int, ...]

    @property
    def area(self) -> int:
        """Pixels that are set."""
        return sum(self.counts[1::2])

    @property
    def text(self) -> str:
        """The compressed form of the counts, ASCII."""
        return _compress(np.array(self.counts, dtype=np.int64))

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """The smallest box around the set pixels: x0, y0, x1, y1, upper ends exclusive; zeros when there are none."""
        starts, ends = self.runs()
        if starts.size == 0:
            return (0, 0, 0, 0)
        first, last = starts // self.height, (ends - 1) // self.height
        x0, x1 = int(first[0]), int(last[-1]) + 1
        if (first != last).any():
            # A run that enters another column leaves one at the bottom and enters the next at the top.
            return (x0, 0, x1, self.height)
        return (x0, int((starts % self.height).min()), x1, int(((ends - 1) % self.height).max()) + 1)

    def decode(self) -> NDArray[np.bool_]:
        """The mask, bool [height, width]."""
        values = np.zeros(len(self.counts), dtype=np.bool_)
        values[1::2] = True
        return np.repeat(values, self.counts).reshape(self.width, self.height).T

    def to_coco(self) -> dict[str, object]:
        """The mapping that COCO's tools read: `size` [height, width] and `counts` compressed."""
        return {"size": [self.height, self.width], "counts": self.text}

    def runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Starts and exclusive ends of the runs of set pixels, without the empty ones."""
        edges = np.cumsum(np.array(self.counts, dtype=np.int64))
        starts, ends = edges[0:-1:2], edges[1::2]
        full = ends > starts
        return starts[full], ends[full]


def encode(mask: NDArray[np.bool_]) -> Rle:
    """The run lengths of a mask, bool [height, width]."""
    return encode_part(mask, 0, 0, mask.shape[0], mask.shape[1])


def encode_part(part: NDArray[np.bool_], top: int, left: int, height: int, width: int) -> Rle:
    """The run lengths of a mask of which only a part can be set. Takes time for the part, not for the mask.

    Args:
        part: bool [rows, columns]; all outside of it is background.
        top: row of the mask where the part begins.
        left: column of the mask where the part begins.
        height: rows of the mask; top + rows at most.
        width: columns of the mask; left + columns at most.
    """
    columns, rows = np.nonzero(part.T)
    at = (columns + left) * height + rows + top
    if at.size == 0:
        return Rle(height, width, (height * width,) if height * width else ())
    breaks = np.flatnonzero(np.diff(at) != 1)
    edges = np.empty(2 * breaks.size + 2, dtype=np.int64)
    edges[0], edges[-1] = at[0], at[-1] + 1
    edges[1:-1:2], edges[2:-1:2] = at[breaks] + 1, at[breaks + 1]
    counts = np.diff(edges, prepend=0).tolist()
    rest = height * width - int(edges[-1])
    return Rle(height, width, (*counts, rest) if rest else tuple(counts))


def parse(height: int, width: int, counts: str | list[int] | tuple[int, ...]) -> Rle:
    """A mask from outside, its counts compressed or not.

    Raises:
        InvalidRequest: the size or the counts are impossible; `param` is `size` or `counts`.
    """
    if height < 0 or width < 0 or height * width > _MOST_PIXELS:
        raise InvalidRequest(
            f"The size of the mask is {height} x {width}; use positive numbers, {_MOST_PIXELS} pixels at most.",
            param="size",
        )
    runs = _decompress(counts) if isinstance(counts, str) else [int(count) for count in counts]
    if any(run < 0 for run in runs):
        raise InvalidRequest("The run lengths of a mask must not be negative.", param="counts")
    if sum(runs) != height * width:
        raise InvalidRequest(
            f"The run lengths of the mask add up to {sum(runs)}; {height} x {width} pixels need {height * width}.",
            param="counts",
        )
    return Rle(height, width, tuple(runs))


def iou(one: Rle, other: Rle) -> float:
    """Intersection over union of two masks of the same size, 0 to 1; 0 when both are empty.

    Raises:
        InvalidRequest: the masks differ in size.
    """
    if (one.height, one.width) != (other.height, other.width):
        raise InvalidRequest(
            f"Masks of {one.height} x {one.width} and {other.height} x {other.width} pixels cannot be compared; "
            "bring both to one size.",
            param="size",
        )
    starts, ends = one.runs()
    both = float((_set_before(other, ends) - _set_before(other, starts)).sum())
    either = one.area + other.area - both
    return both / either if either else 0.0


def _set_before(mask: Rle, at: NDArray[np.int64]) -> NDArray[np.float64]:
    """Pixels set before each column-major position: linear within a run, so interpolation is exact below 2^53."""
    starts, ends = mask.runs()
    if starts.size == 0:
        return np.zeros(at.size)
    edges = np.column_stack((starts, ends)).ravel()
    seen = np.cumsum(ends - starts)
    known = np.column_stack((seen - (ends - starts), seen)).ravel()
    return np.interp(at, edges, known)


def _compress(counts: NDArray[np.int64]) -> str:
    values = counts.copy()
    values[3:] -= counts[1:-2]
    characters = np.zeros((values.size, _LONGEST_COUNT), dtype=np.uint8)
    alive = np.ones(values.size, dtype=np.bool_)
    for place in range(_LONGEST_COUNT):
        group = values & 31
        values >>= _GROUP_BITS
        more = np.where(group & 16, values != -1, values != 0)
        characters[alive, place] = (group + _OFFSET + 32 * more)[alive]
        alive &= more
        if not alive.any():
            break
    return str(characters[characters != 0].tobytes(), "ascii")


def _decompress(text: str) -> list[int]:
    codes = np.frombuffer(text.encode("utf-8", "surrogatepass"), dtype=np.uint8).astype(np.int64) - _OFFSET
    if codes.size == 0:
        return []
    if codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise InvalidRequest("The counts of the mask are not COCO's compressed form.", param="counts")
    lasts = np.flatnonzero((codes & 32) == 0)
    firsts = np.concatenate(([0], lasts[:-1] + 1))
    if (lasts - firsts).max() >= _LONGEST_COUNT:
        raise InvalidRequest("The counts of the mask hold a number of more than 32 bits.", param="counts")
    places = np.arange(codes.size) - np.repeat(firsts, lasts - firsts + 1)
    values = np.add.reduceat((codes & 31) << (_GROUP_BITS * places), firsts)
    negative = (codes[lasts] & 16) != 0
    values[negative] -= 1 << (_GROUP_BITS * (lasts - firsts + 1))[negative]
    # From the fourth on, each is a difference to the last but one: two chains, of odd and of even places.
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    runs: list[int] = values.tolist()
    return runs
