from __future__ import annotations

import pytest
from PIL import Image

from argosy.core.errors import InvalidRequest, UnsupportedMediaType
from argosy.inspection.images.formats import ImageFormat, identify
from tests.unit.inspection.images.files import encoded, gradient, npy


@pytest.mark.parametrize("image_format", [ImageFormat.PNG, ImageFormat.JPEG, ImageFormat.TIFF, ImageFormat.BMP])
def test_what_pillow_writes_is_identified(image_format: ImageFormat) -> None:
    """A file of each format is known by its first bytes."""
    assert identify(encoded(gradient(), image_format.upper())) is image_format


def test_what_numpy_writes_is_identified() -> None:
    """An array file is known by its first bytes."""
    assert identify(npy(gradient())) is ImageFormat.NPY


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (encoded(Image.new("L", (4, 4)), "GIF"), "a GIF"),
        (encoded(Image.new("L", (4, 4)), "WEBP"), "a WebP"),
        (encoded(Image.new("L", (4, 4)), "EPS"), "PostScript"),
        (encoded(Image.new("L", (4, 4)), "PDF"), "a PDF"),
        (b"II\x2b\x00\x08\x00\x00\x00", "a BigTIFF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "XML"),
        (b"BMW, not a picture at all: two letters prove nothing", "something else"),
        (b"\x89PN", "something else"),
    ],
)
def test_other_formats_are_refused_by_name(data: bytes, named: str) -> None:
    """What is not taken is refused, and the message says what it is."""
    with pytest.raises(UnsupportedMediaType) as caught:
        identify(data)
    assert f"is {named}." in caught.value.message
    assert caught.value.param == "image"


def test_nothing_is_no_image() -> None:
    """An empty file is the caller's mistake, not a format."""
    with pytest.raises(InvalidRequest, match="empty"):
        identify(b"")
