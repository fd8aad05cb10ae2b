"""What is read from a header, what may stand there, and how it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from argosy.core.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from argosy.inspection.images.formats import ImageFormat


class Colour(StrEnum):
    """What the samples of a pixel mean."""

    GRAY = "gray"
    RGB = "rgb"
    PALETTE = "palette"
    CMYK = "cmyk"


@dataclass(frozen=True, slots=True)
class Header:
    """A picture of one frame, as its file says.

    Attributes:
        format: of the file.
        width: pixels of a stored row, before any orientation.
        height: stored rows.
        bit_depth: bits of a sample, or of an index into the palette.
        colour: what the samples mean.
        alpha: whether transparency is stored too, as samples or as a transparent colour.
        white_is_zero: whether 0 stands for white (TIFF's photometric interpretation 0).
    """

    format: ImageFormat
    width: int
    height: int
    bit_depth: int
    colour: Colour
    alpha: bool = False
    white_is_zero: bool = False


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What a picture may be.

    Attributes:
        size: bytes of the file (the setting IMAGE_MAX_SIZE).
        pixels: width x height.
    """

    size: int = 10_485_760
    pixels: int = 25_000_000

    def check_size(self, size: int) -> None:
        """Refuse a file of `size` bytes that is over the limit.

        Raises:
            PayloadTooLarge: it is.
        """
        if size > self.size:
            raise PayloadTooLarge(
                f"The image has {size} bytes and {self.size} are allowed. Compress it or cut it into parts.",
                param="image",
            )

    def check_pixels(self, width: int, height: int) -> None:
        """Refuse a picture without pixels, or with too many.

        Raises:
            InvalidRequest: it has.
        """
        if width < 1 or height < 1:
            raise InvalidRequest(f"The image is {width} x {height} pixels: it holds no picture.", param="image")
        if width * height > self.pixels:
            raise InvalidRequest(
                f"The image is {width} x {height} pixels and {self.pixels} pixels are allowed. Cut it into parts.",
                param="image",
            )


def check_frames(frames: int, *, counted_to: int | None = None) -> None:
    """Refuse a file that holds more than one picture.

    Args:
        frames: how many it holds.
        counted_to: where counting ended; `frames` beyond it means more than that many.

    Raises:
        InvalidRequest: it does; the message says how many.
    """
    if frames == 1:
        return
    number = f"more than {counted_to}" if counted_to is not None and frames > counted_to else str(frames)
    raise InvalidRequest(f"The image file holds {number} pictures. Send one picture in each file.", param="image")


def check_rest(data: bytes, end: int) -> None:
    """Refuse what follows the end of a picture: a file that is two things at once is read differently by others.

    Zero bytes are padding and pass.

    Args:
        data: the whole file.
        end: where the picture ends.

    Raises:
        InvalidRequest: something follows.
    """
    rest = len(data) - end
    if rest and data.count(0, end) != rest:
        raise InvalidRequest(
            f"After the image's end {rest} more bytes follow. Save the image anew with nothing appended.", param="image"
        )


def truncated() -> InvalidRequest:
    """The error for a file that ends before its picture does."""
    return InvalidRequest("The image file is cut off: it ends before the picture does. Send all of it.", param="image")


def damaged(where: str) -> InvalidRequest:
    """The error for a file that breaks its own format.

    Args:
        where: the place, in words of the format.
    """
    return InvalidRequest(f"The image file is damaged: {where}. Save the image anew.", param="image")


def unsupported(what: str) -> UnsupportedMediaType:
    """The error for a variant of a format that is not taken.

    Args:
        what: a whole sentence that says what it is, without a full stop.
    """
    return UnsupportedMediaType(
        f"{what}. Save the image with 8 or 16 bits for each sample, gray or RGB, as a PNG.", param="image"
    )
