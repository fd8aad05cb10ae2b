from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from argosy.inspection.images.headers.header import ImageLimits
from argosy.inspection.images.headers.read import read_header
from argosy.inspection.images.png_data import IncompleteData
from argosy.inspection.images.samples import Disagreement, Samples, decode
from tests.unit.inspection.images.files import chunk, deep_png, encoded, gradient, ihdr, npy, png, tiff

GRAY, RGB = gradient(), gradient(channels=3)
DEEP = gradient(dtype=np.uint16)
DEEP_RGB = gradient(dtype=np.uint16, channels=3)


def decoded(data: bytes) -> Samples:
    return decode(data, read_header(data, ImageLimits()))


def same(samples: Samples, expected: Any) -> bool:
    pixels = samples.pixels
    return pixels.dtype == expected.dtype and np.array_equal(pixels, expected) and pixels.flags.c_contiguous


@pytest.mark.parametrize(
    "data",
    [
        encoded(GRAY),
        encoded(GRAY, "TIFF"),
        encoded(GRAY, "TIFF", compression="tiff_lzw"),
        encoded(GRAY, "TIFF", compression="tiff_adobe_deflate"),
        encoded(GRAY, "TIFF", compression="packbits"),
        tiff(GRAY, photometric=1, bits=8, order=">"),
        npy(GRAY),
        npy(np.asfortranarray(GRAY)),
    ],
)
def test_gray_is_exact(data: bytes) -> None:
    """8-bit gray comes out as it went in, and nothing was converted."""
    samples = decoded(data)
    assert same(samples, GRAY)
    assert samples.conversions == ()


@pytest.mark.parametrize("name", ["PNG", "TIFF", "BMP"])
def test_colour_is_exact(name: str) -> None:
    """8-bit RGB comes out as it went in."""
    samples = decoded(encoded(RGB, name))
    assert same(samples, RGB)
    assert samples.conversions == ()


@pytest.mark.parametrize(
    "data",
    [
        encoded(DEEP),
        deep_png(DEEP[..., None], 0),
        encoded(DEEP, "TIFF"),
        encoded(DEEP, "TIFF", compression="tiff_lzw"),
        encoded(DEEP, "TIFF", compression="tiff_adobe_deflate"),
        tiff(DEEP, photometric=1),
        tiff(DEEP, photometric=1, order=">"),
        npy(DEEP),
        npy(DEEP.astype(">u2")),
    ],
)
def test_sixteen_bit_gray_is_exact(data: bytes) -> None:
    """16-bit gray keeps each bit, in every format and byte order."""
    samples = decoded(data)
    assert same(samples, DEEP)
    assert samples.conversions == ()


@pytest.mark.parametrize(
    "data",
    [
        deep_png(DEEP_RGB, 2),
        deep_png(DEEP_RGB, 2, interlaced=True),
        tiff(DEEP_RGB, photometric=2, samples=3),
        tiff(DEEP_RGB, photometric=2, samples=3, order=">"),
        npy(DEEP_RGB),
    ],
)
def test_sixteen_bit_colour_is_exact(data: bytes) -> None:
    """16-bit colour keeps each bit, although Pillow has no such images."""
    samples = decoded(data)
    assert same(samples, DEEP_RGB)
    assert samples.conversions == ()


def test_sixteen_bit_colour_in_a_compressed_tiff_is_exact() -> None:
    """libtiff gives samples in the machine's byte order, whatever the file's."""
    for order in "<>":
        assert same(decoded(tiff(DEEP_RGB, photometric=2, samples=3, order=order, deflate=True)), DEEP_RGB)
        assert same(decoded(tiff(DEEP, photometric=1, order=order, deflate=True)), DEEP)


@pytest.mark.parametrize("interlaced", [False, True])
def test_sixteen_bit_transparency_is_dropped_and_told(*, interlaced: bool) -> None:
    """The colours of transparent 16-bit pixels are as stored."""
    quads = gradient(dtype=np.uint16, channels=4)
    samples = decoded(deep_png(quads, 6, interlaced=interlaced))
    assert same(samples, quads[..., :3])
    assert samples.conversions == ("transparency dropped",)
    pairs = gradient(dtype=np.uint16, channels=2)
    samples = decoded(deep_png(pairs, 4, interlaced=interlaced))
    assert same(samples, pairs[..., 0])
    assert samples.conversions == ("transparency dropped",)


def test_interlaced_pictures_of_any_size_are_exact() -> None:
    """Passes that have no pixels in small pictures, and those that have few, are all accounted for."""
    for height in range(1, 10):
        for width in range(1, 10):
            pixels = gradient(height, width, np.uint16, 3)
            assert same(decoded(deep_png(pixels, 2, interlaced=True)), pixels)


def test_twelve_bits_stay_as_they_are() -> None:
    """Two samples in three bytes become two of 16 bits with the same values, from 0 to 4,095."""
    samples = gradient(8, 8, np.uint16) >> 4
    one, other = samples[:, ::2], samples[:, 1::2]
    packed = np.stack([one >> 4, (one & 15) << 4 | other >> 8, other & 255], axis=-1).astype(np.uint8)
    data = tiff(packed.reshape(8, 12), photometric=1, bits=12, fields=[(256, 4, 8)])
    assert same(decoded(data), samples)
    assert read_header(data, ImageLimits()).bit_depth == 12


def test_transparency_is_dropped_and_told() -> None:
    """Stored colours stay, however transparent they are."""
    quads = gradient(channels=4)
    for name in ("PNG", "TIFF"):
        samples = decoded(encoded(quads, name))
        assert same(samples, quads[..., :3])
        assert samples.conversions == ("transparency dropped",)
    pairs = gradient(channels=2)
    assert same(decoded(encoded(Image.fromarray(pairs, "LA"))), pairs[..., 0])


def test_a_transparent_colour_changes_nothing() -> None:
    """A colour that is declared transparent keeps its value."""
    samples = decoded(encoded(GRAY, transparency=int(GRAY[0, 0])))
    assert same(samples, GRAY)
    assert samples.conversions == ("transparency dropped",)


@pytest.mark.parametrize("name", ["PNG", "TIFF", "BMP"])
def test_a_palette_is_looked_up(name: str) -> None:
    """Indices become the colours they stand for."""
    image = Image.fromarray(RGB).quantize(16)
    samples = decoded(encoded(image, name))
    assert same(samples, np.asarray(image.convert("RGB")))
    assert samples.conversions == ("palette looked up",)


def test_a_transparent_palette_is_looked_up() -> None:
    """Transparent entries of a palette keep their colours too."""
    image = Image.fromarray(RGB).quantize(16)
    samples = decoded(encoded(image, transparency=bytes(range(0, 256, 16))))
    assert same(samples, np.asarray(image.convert("RGB")))
    assert samples.conversions == ("palette looked up", "transparency dropped")


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_few_bits_are_spread(bits: int) -> None:
    """The largest value of a few bits becomes white, and the conversion is told."""
    most = 2**bits - 1
    values = np.arange(8 // bits, dtype=np.uint8) % (most + 1)
    packed = 0
    for value in values:
        packed = packed << bits | int(value)
    data = png(ihdr(8 // bits, 1, bits), chunk(b"IDAT", zlib.compress(bytes([0, packed]))), chunk(b"IEND"))
    samples = decoded(data)
    assert same(samples, (values * (255 // most)).astype(np.uint8)[None])
    assert samples.conversions == (f"{bits}-bit gray spread over 8 bits",)


def test_white_is_zero_is_turned_around() -> None:
    """Where 0 stands for white, values are inverted, at 8 and at 16 bits."""
    assert same(decoded(tiff(GRAY, photometric=0, bits=8)), 255 - GRAY)
    samples = decoded(tiff(DEEP, photometric=0))
    assert same(samples, 65535 - DEEP)
    assert samples.conversions == ("white-is-zero inverted",)


@pytest.mark.parametrize(("name", "tolerance"), [("TIFF", 0), ("JPEG", 6)])
def test_cmyk_becomes_rgb(name: str, tolerance: int) -> None:
    """Inks become light, and the conversion is told."""
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    samples = decoded(encoded(image, name, **({"quality": 95} if name == "JPEG" else {})))
    assert samples.pixels.shape == (16, 16, 3)
    assert np.abs(samples.pixels.astype(int) - [255, 0, 0]).max() <= tolerance
    assert samples.conversions == ("CMYK to RGB without a colour profile",)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["PNG", "JPEG", "TIFF", "TIFF lzw", "PNG deep", "TIFF deep"])
def test_orientation_is_applied(name: str, orientation: int) -> None:
    """All eight orientations give what a viewer shows, and are told."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    kind, _, variant = name.partition(" ")
    image = Image.fromarray(DEEP if variant == "deep" else RGB)
    options: dict[str, Any] = {"compression": "tiff_lzw"} if variant == "lzw" else {}
    data = encoded(image, kind, exif=exif, **options)
    plain = encoded(image, kind, **options)
    upright = Image.fromarray(decoded(plain).pixels)
    upright.getexif()[0x0112] = orientation
    samples = decoded(data)
    assert same(samples, np.asarray(ImageOps.exif_transpose(upright)))
    assert samples.orientation == orientation
    assert samples.conversions == (() if orientation == 1 else (f"EXIF orientation {orientation} applied",))


@pytest.mark.parametrize("orientation", [6, 3])
def test_orientation_of_deep_colour_is_applied(orientation: int) -> None:
    """Both passes over 16-bit colour are turned alike."""
    data = tiff(DEEP_RGB, photometric=2, samples=3, fields=[(274, 3, orientation)])
    expected = {6: np.rot90(DEEP_RGB, -1), 3: np.rot90(DEEP_RGB, 2)}[orientation]
    assert same(decoded(data), np.ascontiguousarray(expected))


def test_reserved_orientations_mean_none() -> None:
    """A value that EXIF does not define turns nothing."""
    exif = Image.Exif()
    exif[0x0112] = 9
    samples = decoded(encoded(RGB, exif=exif))
    assert same(samples, RGB)
    assert samples.orientation == 1


def test_a_decoder_that_sees_another_size_is_stopped() -> None:
    """What was checked is what is decoded, or nothing is."""
    data, other = encoded(RGB, "TIFF"), encoded(gradient(25, 32, channels=3), "TIFF")
    with pytest.raises(Disagreement):
        decode(data, read_header(other, ImageLimits()))
    with pytest.raises(Disagreement):
        decode(npy(GRAY), read_header(npy(DEEP), ImageLimits()))


def test_data_that_does_not_inflate_is_an_error() -> None:
    """Image data that is not deflated is no picture, although all chunks are in order."""
    data = png(ihdr(8, 8), chunk(b"IDAT", b"not deflated at all"), chunk(b"IEND"))
    with pytest.raises(zlib.error):
        decoded(data)


@pytest.mark.parametrize("rows", [0, 4, 7, 9, 100_000])
def test_too_little_or_too_much_data_is_an_error(rows: int) -> None:
    """Other rows than promised are no picture: a decoder would fill in black, or leave off."""
    data = png(ihdr(8, 8), chunk(b"IDAT", zlib.compress(bytes(9 * rows))), chunk(b"IEND"))
    with pytest.raises(IncompleteData):
        decoded(data)


def test_a_flipped_bit_is_an_error() -> None:
    """zlib's checksum covers all samples; one that changed on the way is noticed."""
    stored = bytearray(zlib.compress(bytes(9 * 8), 0))
    whole = png(ihdr(8, 8), chunk(b"IDAT", bytes(stored)), chunk(b"IEND"))
    assert same(decoded(whole), np.zeros((8, 8), np.uint8))
    stored[20] ^= 1
    with pytest.raises(zlib.error):
        decoded(png(ihdr(8, 8), chunk(b"IDAT", bytes(stored)), chunk(b"IEND")))


def test_data_in_many_chunks_is_one_picture() -> None:
    """Image data may be cut anywhere."""
    deflated = zlib.compress(bytes(9 * 8))
    parts = [chunk(b"IDAT", deflated[at : at + 1]) for at in range(len(deflated))]
    assert same(decoded(png(ihdr(8, 8), *parts, chunk(b"IEND"))), np.zeros((8, 8), np.uint8))


@pytest.mark.parametrize("deflate", [False, True])
def test_a_tiff_with_too_few_rows_is_an_error(*, deflate: bool) -> None:
    """Rows that a TIFF promises and does not have are noticed."""
    data = tiff(GRAY, photometric=1, bits=8, deflate=deflate, fields=[(257, 4, 4000), (278, 4, 4000)])
    with pytest.raises(OSError, match=r"."):
        decoded(data)
