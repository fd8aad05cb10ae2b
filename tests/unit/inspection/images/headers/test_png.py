from __future__ import annotations

import struct

import pytest
from PIL import Image

from argosy.core.errors import InvalidRequest
from argosy.inspection.images.headers.header import Colour, ImageLimits
from argosy.inspection.images.headers.png import read_png
from tests.unit.inspection.images.files import chunk, encoded, gradient, ihdr, png

LIMITS = ImageLimits()
FRAME = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 4, 4, 0, 0, 1, 10, 0, 0))
END = chunk(b"IDAT", b"x") + chunk(b"IEND")


def animation(frames: int) -> bytes:
    return chunk(b"acTL", struct.pack(">II", frames, 0))


def test_a_bomb_is_refused_from_its_header() -> None:
    """65,535 x 65,535 pixels are refused without a byte of image data being there."""
    with pytest.raises(InvalidRequest, match="65535 x 65535 pixels and 25000000"):
        read_png(png(ihdr(65_535, 65_535)), LIMITS)


def test_many_frames_are_counted_from_the_header() -> None:
    """An animation of 10,000 frames is refused with their number."""
    with pytest.raises(InvalidRequest, match="holds 10000 pictures"):
        read_png(png(ihdr(4, 4), animation(10_000), FRAME, END), LIMITS)


def test_a_real_animation_is_refused() -> None:
    """What a writer makes of three different pictures has three frames."""
    frames = [gradient(8, 8, channels=3) // divisor for divisor in (1, 2, 3)]
    pictures = [Image.fromarray(frame) for frame in frames]
    with pytest.raises(InvalidRequest, match="holds 3 pictures"):
        read_png(encoded(pictures[0], save_all=True, append_images=pictures[1:]), LIMITS)


def test_an_animation_of_one_frame_is_one_picture() -> None:
    """One frame that is the image data itself is one picture."""
    assert read_png(png(ihdr(4, 4), animation(1), FRAME, END), LIMITS).width == 4


def test_a_picture_beside_the_animation_counts() -> None:
    """Image data without a frame control before it is a picture of its own."""
    with pytest.raises(InvalidRequest, match="holds 2 pictures"):
        read_png(png(ihdr(4, 4), animation(1), END), LIMITS)


@pytest.mark.parametrize(("depth", "colour"), [(3, 0), (4, 2), (16, 3), (8, 5), (8, 7)])
def test_kinds_that_do_not_exist_are_refused(depth: int, colour: int) -> None:
    """Only the table of the specification counts."""
    with pytest.raises(InvalidRequest, match="no colour type"):
        read_png(png(ihdr(4, 4, depth, colour), END), LIMITS)


@pytest.mark.parametrize(
    ("colour", "meaning", "alpha"),
    [(0, Colour.GRAY, False), (2, Colour.RGB, False), (4, Colour.GRAY, True), (6, Colour.RGB, True)],
)
def test_sixteen_bits_are_read(colour: int, meaning: Colour, *, alpha: bool) -> None:
    """Depth, colour and transparency of 16-bit PNGs."""
    header = read_png(png(ihdr(4, 4, 16, colour), END), LIMITS)
    assert (header.bit_depth, header.colour, header.alpha) == (16, meaning, alpha)


def test_a_transparent_colour_is_transparency() -> None:
    """A tRNS chunk makes a PNG transparent too."""
    assert read_png(png(ihdr(4, 4), chunk(b"tRNS", b"\0\1"), END), LIMITS).alpha


def test_no_picture_without_a_side() -> None:
    """A side of 0 holds nothing."""
    with pytest.raises(InvalidRequest, match="0 x 4 pixels"):
        read_png(png(ihdr(0, 4), END), LIMITS)


def test_a_flood_of_chunks_is_refused() -> None:
    """Chunks without end cost no more than their limit."""
    with pytest.raises(InvalidRequest, match="20000 chunks"):
        read_png(png(ihdr(4, 4), chunk(b"tEXt") * 20_000, END), LIMITS)


def test_the_first_chunk_is_the_header() -> None:
    """Anything before IHDR is damage."""
    with pytest.raises(InvalidRequest, match="begins with an IHDR"):
        read_png(png(chunk(b"tEXt", b"a" * 13), ihdr(4, 4), END), LIMITS)
