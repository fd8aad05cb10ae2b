from __future__ import annotations

import struct

import pytest
from PIL import Image

from argosy.core.errors import InvalidRequest, UnsupportedMediaType
from argosy.inspection.images.headers.bmp import read_bmp
from argosy.inspection.images.headers.header import ImageLimits
from tests.unit.inspection.images.files import encoded, gradient

LIMITS = ImageLimits()
PLAIN = encoded(gradient(channels=3), "BMP")


def changed(at: int, layout: str, value: int) -> bytes:
    data = bytearray(PLAIN)
    struct.pack_into(layout, data, at, value)
    return bytes(data)


def test_rows_from_the_top_are_read() -> None:
    """A negative height is a height."""
    assert read_bmp(changed(22, "<i", -24), LIMITS).height == 24


def test_one_bit_is_read() -> None:
    """A pixel of one bit is an index into a palette."""
    assert read_bmp(encoded(Image.new("1", (33, 5)), "BMP"), LIMITS).bit_depth == 1


@pytest.mark.parametrize(("at", "value", "told"), [(30, 1, "compression 1"), (30, 5, "compression 5")])
def test_compressed_ones_are_refused(at: int, value: int, told: str) -> None:
    """Run lengths are decoded slowly, and a PNG inside is another format."""
    with pytest.raises(UnsupportedMediaType, match=told):
        read_bmp(changed(at, "<I", value), LIMITS)


def test_sixteen_bits_for_a_pixel_are_refused() -> None:
    """Five or six bits for a colour are not what 16-bit samples are."""
    with pytest.raises(UnsupportedMediaType, match="16 bits for each pixel"):
        read_bmp(changed(28, "<H", 16), LIMITS)


def test_a_negative_width_is_refused() -> None:
    """There is no such thing."""
    with pytest.raises(InvalidRequest, match="-32 x 24"):
        read_bmp(changed(18, "<i", -32), LIMITS)


def test_pixels_inside_of_the_header_are_refused() -> None:
    """Where pixels begin lies behind the headers."""
    with pytest.raises(InvalidRequest, match="cut off"):
        read_bmp(changed(10, "<I", 20), LIMITS)
