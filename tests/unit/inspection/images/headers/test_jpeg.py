from __future__ import annotations

import pytest
from PIL import Image

from argosy.core.errors import InvalidRequest, UnsupportedMediaType
from argosy.inspection.images.headers.header import Colour, ImageLimits
from argosy.inspection.images.headers.jpeg import read_jpeg
from tests.unit.inspection.images.files import encoded, gradient

LIMITS = ImageLimits()
PLAIN = encoded(gradient(), "JPEG")
SIZES = PLAIN.index(b"\xff\xc0")
"""Where the frame header of `PLAIN` begins."""


def changed(at: int, content: bytes) -> bytes:
    return PLAIN[:at] + content + PLAIN[at + len(content) :]


def test_four_components_are_cmyk() -> None:
    """A JPEG of four components is CMYK."""
    assert read_jpeg(encoded(Image.new("CMYK", (8, 8)), "JPEG"), LIMITS).colour is Colour.CMYK


def test_a_thumbnail_inside_is_no_frame() -> None:
    """A whole JPEG within a segment is data of that segment."""
    segment = b"\xff\xe1" + (len(PLAIN) + 2).to_bytes(2, "big") + PLAIN
    assert read_jpeg(PLAIN[:2] + segment + PLAIN[2:], LIMITS).width == 32


def test_pictures_one_after_another_are_counted() -> None:
    """A multi-picture file holds as many as follow one another."""
    with pytest.raises(InvalidRequest, match="holds 3 pictures"):
        read_jpeg(PLAIN * 3, LIMITS)


def test_counting_pictures_ends() -> None:
    """A file of very many pictures is refused without all of them being looked at."""
    with pytest.raises(InvalidRequest, match="holds more than 100 pictures"):
        read_jpeg(PLAIN * 102 + b"not a picture", LIMITS)


def test_a_real_multi_picture_file_is_refused() -> None:
    """What a writer of such files makes is refused."""
    other = Image.fromarray(gradient(16, 16))
    data = encoded(Image.fromarray(gradient()), "MPO", save_all=True, append_images=[other])
    with pytest.raises(InvalidRequest, match="holds 2 pictures"):
        read_jpeg(data, LIMITS)


def test_twelve_bits_are_refused() -> None:
    """Only 8 bits for each sample are taken."""
    with pytest.raises(UnsupportedMediaType, match="12 bits"):
        read_jpeg(changed(SIZES + 4, b"\x0c"), LIMITS)


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCF])
def test_other_processes_are_refused(marker: int) -> None:
    """Lossless, hierarchical and arithmetic coding are not taken."""
    with pytest.raises(UnsupportedMediaType, match="lossless"):
        read_jpeg(changed(SIZES + 1, bytes([marker])), LIMITS)


def test_a_height_that_comes_later_is_refused() -> None:
    """A height of 0 would be told after the data; nothing is decoded on such a promise."""
    with pytest.raises(InvalidRequest, match="32 x 0"):
        read_jpeg(changed(SIZES + 5, b"\0\0"), LIMITS)


def test_a_second_frame_header_is_refused() -> None:
    """A decoder that took the second one would make another picture than was checked."""
    with pytest.raises(InvalidRequest, match="one frame header"):
        read_jpeg(PLAIN[:SIZES] + PLAIN[SIZES : SIZES + 13] + PLAIN[SIZES:], LIMITS)


def test_a_flood_of_scans_is_refused() -> None:
    """Each scan costs a pass over the picture."""
    begin, end = PLAIN.index(b"\xff\xda"), PLAIN.rindex(b"\xff\xd9")
    with pytest.raises(InvalidRequest, match="more than 100 scans"):
        read_jpeg(PLAIN[:begin] + PLAIN[begin:end] * 101 + PLAIN[end:], LIMITS)


def test_a_picture_without_data_is_refused() -> None:
    """An end right behind the tables is no picture."""
    with pytest.raises(InvalidRequest, match="a scan before its end"):
        read_jpeg(b"\xff\xd8\xff\xd9", LIMITS)


def test_padding_before_a_marker_passes() -> None:
    """Any number of fill bytes may stand before a marker."""
    assert read_jpeg(PLAIN[:SIZES] + b"\xff" * 1000 + PLAIN[SIZES:], LIMITS).width == 32


def test_a_flood_of_segments_is_refused() -> None:
    """Segments without end cost no more than their limit."""
    with pytest.raises(InvalidRequest, match="more than 1000 segments"):
        read_jpeg(PLAIN[:2] + b"\xff\xfe\0\2" * 1000 + PLAIN[2:], LIMITS)
