from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from argosy.core.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from argosy.inspection.images.formats import ImageFormat
from argosy.inspection.images.headers.header import Colour, Header, ImageLimits
from argosy.inspection.images.headers.read import read_header
from tests.unit.inspection.images.files import encoded, gradient, npy, tiff

LIMITS = ImageLimits()
GRAY, RGB = gradient(), gradient(channels=3)
WHOLE = {
    "png": encoded(GRAY),
    "apng": encoded(GRAY, save_all=True, append_images=[]),
    "png rgb": encoded(RGB),
    "jpeg": encoded(GRAY, "JPEG"),
    "jpeg progressive": encoded(RGB, "JPEG", progressive=True),
    "jpeg restarts": encoded(RGB, "JPEG", restart_marker_blocks=2),
    "tiff": encoded(GRAY, "TIFF"),
    "tiff lzw": encoded(RGB, "TIFF", compression="tiff_lzw"),
    "bmp": encoded(GRAY, "BMP"),
    "bmp rgb": encoded(RGB, "BMP"),
    "npy": npy(GRAY),
    "npy rgb": npy(RGB),
}


@pytest.mark.parametrize("name", WHOLE)
def test_size_and_colour_are_read(name: str) -> None:
    """Width, height, depth and colour of what common writers make."""
    header = read_header(WHOLE[name], LIMITS)
    assert (header.width, header.height, header.bit_depth) == (32, 24, 8)
    assert header.format == name.split(maxsplit=1)[0].replace("apng", "png")
    several = "rgb" in name or "lzw" in name or "progressive" in name or "restarts" in name
    # Pillow writes gray BMPs with a palette of grays.
    assert header.colour is (Colour.RGB if several else Colour.PALETTE if name == "bmp" else Colour.GRAY)
    assert not header.alpha


@pytest.mark.parametrize("name", [name for name in WHOLE if not name.startswith("tiff")])
def test_a_file_cut_off_anywhere_is_refused(name: str) -> None:
    """Whatever is missing at the end is noticed before anything is decoded."""
    data = WHOLE[name]
    for length in {*range(1, min(len(data), 200)), *range(200, len(data), 37), len(data) - 1}:
        with pytest.raises((InvalidRequest, UnsupportedMediaType)):
            read_header(data[:length], LIMITS)


def test_a_tiff_without_its_directory_is_refused() -> None:
    """The directory of a TIFF stands where its header says, or the file is cut off."""
    data = tiff(GRAY, photometric=1, bits=8)
    with pytest.raises(InvalidRequest, match="cut off"):
        read_header(data[:-20], LIMITS)


@pytest.mark.parametrize("name", [name for name in WHOLE if not name.startswith("tiff")])
def test_something_appended_is_refused(name: str) -> None:
    """A file that is a picture and something else at once is refused, whichever reader would be right."""
    for appended in (b"PK\x03\x04", b"<script>alert(1)</script>", b"\0\0\x01"):
        with pytest.raises(InvalidRequest, match="more bytes follow"):
            read_header(WHOLE[name] + appended, LIMITS)


@pytest.mark.parametrize("name", [name for name in WHOLE if not name.startswith("tiff")])
def test_padding_passes(name: str) -> None:
    """Zero bytes after the end are what some writers pad with."""
    assert read_header(WHOLE[name] + bytes(3), LIMITS) == read_header(WHOLE[name], LIMITS)


def test_a_file_over_the_limit_is_refused() -> None:
    """One byte too many is too many, and the last one allowed is allowed."""
    size = len(WHOLE["png"])
    assert read_header(WHOLE["png"], ImageLimits(size=size)).width == 32
    with pytest.raises(PayloadTooLarge, match=str(size)):
        read_header(WHOLE["png"], ImageLimits(size=size - 1))


@pytest.mark.parametrize("name", WHOLE)
def test_too_many_pixels_are_refused(name: str) -> None:
    """The product of the sides is limited, in each format."""
    assert read_header(WHOLE[name], ImageLimits(pixels=32 * 24)).height == 24
    with pytest.raises(InvalidRequest, match="32 x 24 pixels and 767"):
        read_header(WHOLE[name], ImageLimits(pixels=32 * 24 - 1))


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "TIFF", "BMP"])
def test_one_pixel_is_a_picture(image_format: str) -> None:
    """The smallest picture is one."""
    header = read_header(encoded(Image.new("RGB", (1, 1)), image_format), LIMITS)
    assert header == Header(ImageFormat(image_format.lower()), 1, 1, 8, Colour.RGB)


def test_the_name_does_not_count() -> None:
    """A TIFF that is called .png is a TIFF."""
    assert read_header(encoded(GRAY, "TIFF"), LIMITS).format is ImageFormat.TIFF


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(WHOLE)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    st.floats(0, 1),
)
def test_damage_raises_nothing_else(name: str, changes: list[tuple[float, int]], kept: float) -> None:
    """Whatever is changed or cut off, the answer is a header or one of the documented errors."""
    data = bytearray(WHOLE[name])
    for where, value in changes:
        data[int(where * len(data))] = value
    try:
        header = read_header(bytes(data[: int(kept * len(data))]) if kept < 0.5 else bytes(data), LIMITS)
    except (InvalidRequest, UnsupportedMediaType):
        return
    assert 0 < header.width * header.height <= LIMITS.pixels


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"\x93NUMPY\x01\0"]),
    st.binary(max_size=300),
)
def test_random_bytes_raise_nothing_else(magic: bytes, rest: bytes) -> None:
    """Bytes that only begin like a picture give one of the documented errors, or are one."""
    try:
        header = read_header(magic + rest, LIMITS)
    except (InvalidRequest, UnsupportedMediaType):
        return
    assert header.width >= 1


def test_the_largest_sides_do_not_overflow() -> None:
    """Sides of 32 bits are multiplied as they are."""
    huge = npy(np.zeros((1, 1), np.uint8)).replace(b"(1, 1), }        ", b"(65536, 65536), }")
    with pytest.raises(InvalidRequest, match="65536 x 65536"):
        read_header(huge, LIMITS)
