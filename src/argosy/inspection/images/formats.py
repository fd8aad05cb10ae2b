"""Which picture formats are taken, told from the first bytes alone; names and content types are claims, not facts.

Magic numbers: PNG (W3C PNG third edition, 5.2), JPEG (ITU-T T.81, B.1.1.3), TIFF 6.0 (section 2), BMP (BITMAPFILEHEADER
and the sizes of its DIB headers), NPY (numpy.lib.format).
"""

from __future__ import annotations

from enum import StrEnum

from argosy.core.errors import InvalidRequest, UnsupportedMediaType

_DIB_HEADERS = frozenset({12, 40, 52, 56, 108, 124})
_KNOWN = (
    (0, b"GIF8", "a GIF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"%PDF", "a PDF"),
    (8, b"WEBP", "a WebP"),
    (4, b"ftyp", "an HEIC or AVIF"),
    (0, b"\x00\x00\x00\x0cjP  ", "a JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000"),
    (0, b"II\x2b\x00", "a BigTIFF"),
    (0, b"MM\x00\x2b", "a BigTIFF"),
    (0, b"SIMPLE", "a FITS"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"<", "XML"),
)


class ImageFormat(StrEnum):
    """A format that is taken; the value is the name in results."""

    PNG = "png"
    JPEG = "jpeg"
    TIFF = "tiff"
    BMP = "bmp"
    NPY = "npy"


def identify(data: bytes) -> ImageFormat:
    """The format of a file by its first bytes.

    Raises:
        InvalidRequest: the file is empty.
        UnsupportedMediaType: it is in none of the formats taken.
    """
    if not data:
        raise InvalidRequest("The image is empty. Send the bytes of a PNG, JPEG, TIFF, BMP or NPY file.", param="image")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageFormat.PNG
    if data.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if data.startswith((b"II\x2a\x00", b"MM\x00\x2a")):
        return ImageFormat.TIFF
    # Two letters are no proof: the size of the second header is the rest of it.
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _DIB_HEADERS:
        return ImageFormat.BMP
    if data.startswith(b"\x93NUMPY"):
        return ImageFormat.NPY
    name = next((name for at, magic, name in _KNOWN if data[at : at + len(magic)] == magic), "something else")
    raise UnsupportedMediaType(
        f"By its first bytes the image is {name}. Send a PNG, JPEG, TIFF, BMP or NPY file.", param="image"
    )
