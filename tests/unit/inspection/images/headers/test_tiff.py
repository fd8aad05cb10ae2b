from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from argosy.core.errors import InvalidRequest, UnsupportedMediaType
from argosy.inspection.images.headers.header import Colour, ImageLimits
from argosy.inspection.images.headers.tiff import read_tiff
from tests.unit.inspection.images.files import encoded, gradient, tiff

LIMITS = ImageLimits()
DEEP = gradient(dtype=np.uint16)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_are_read(order: str) -> None:
    """Fields are read in the file's own order."""
    header = read_tiff(tiff(DEEP, photometric=1, order=order), LIMITS)
    assert (header.width, header.height, header.bit_depth, header.colour) == (32, 24, 16, Colour.GRAY)


def test_pages_are_counted() -> None:
    """A file of 12 pages is refused with their number."""
    pages = [Image.fromarray(gradient()) for _ in range(12)]
    with pytest.raises(InvalidRequest, match="holds 12 pictures"):
        read_tiff(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]), LIMITS)


def test_counting_pages_ends() -> None:
    """A chain of very many directories is refused without being followed to its end."""
    chain = b"".join(struct.pack("<HI", 0, 8 + 6 * (index + 1)) for index in range(20_001))
    with pytest.raises(InvalidRequest, match="holds more than 20000 pictures"):
        read_tiff(b"II*\0" + struct.pack("<I", 8) + chain, LIMITS)


def test_a_chain_that_bites_its_tail_is_refused() -> None:
    """Directories that lead back to themselves would never end."""
    data = tiff(DEEP, photometric=1)
    with pytest.raises(InvalidRequest, match="has no end"):
        read_tiff(data[:-4] + data[4:8], LIMITS)


def test_white_is_zero_is_told() -> None:
    """Photometric interpretation 0 turns gray around."""
    assert read_tiff(tiff(DEEP, photometric=0), LIMITS).white_is_zero


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ((259, 3, 7), "method 7"),
        ((259, 3, 34712), "method 34712"),
        ((262, 3, 32803), "photometric interpretation 32803"),
        ((339, 3, 2), "signed or floating"),
        ((339, 3, 3), "signed or floating"),
        ((258, 3, 32), "32 bits"),
        ((277, 3, 2), "2 gray samples"),
        ((266, 3, 2), "reversed bits"),
        ((284, 3, 2), "in planes"),
    ],
)
def test_variants_that_are_not_taken_are_refused(field: tuple[int, int, int], told: str) -> None:
    """A variant is refused by what it is, before a decoder sees it."""
    with pytest.raises(UnsupportedMediaType, match=told):
        read_tiff(tiff(DEEP, photometric=1, fields=[field]), LIMITS)


def test_premultiplied_transparency_is_refused() -> None:
    """Colours that were multiplied by their transparency cannot be had back exactly."""
    pixels = gradient(channels=4)
    fields = [(338, 3, 1)]
    with pytest.raises(UnsupportedMediaType, match="multiplied"):
        read_tiff(tiff(pixels, photometric=2, bits=8, samples=4, fields=fields), LIMITS)


@pytest.mark.parametrize("tag", [256, 259, 277])
def test_a_field_of_another_type_is_refused(tag: int) -> None:
    """A field that a more lenient reader would read otherwise is no field."""
    with pytest.raises(InvalidRequest, match=f"field {tag} "):
        read_tiff(tiff(DEEP, photometric=1, fields=[(tag, 9, 1)]), LIMITS)


def test_a_field_that_stands_twice_is_refused() -> None:
    """The first of two widths is checked by one reader, the second used by another."""
    data = bytearray(tiff(DEEP, photometric=1))
    (directory,) = struct.unpack_from("<I", data, 4)
    struct.pack_into("<H", data, directory + 2 + 12, 256)
    with pytest.raises(InvalidRequest, match="field 256 is twice"):
        read_tiff(bytes(data), LIMITS)


def test_values_outside_of_the_file_are_refused() -> None:
    """A field whose values would stand behind the end of the file is cut off."""
    data = bytearray(encoded(gradient(channels=3), "TIFF"))
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    entries = [directory + 2 + 12 * index for index in range(count)]
    bits = next(at for at in entries if struct.unpack_from("<H", data, at) == (258,))
    struct.pack_into("<I", data, bits + 8, len(data) - 2)
    with pytest.raises(InvalidRequest, match="cut off"):
        read_tiff(bytes(data), LIMITS)
