"""Real picture files for the tests, and hand-made ones that no writer makes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"


def gradient(height: int = 24, width: int = 32, dtype: Any = np.uint8, channels: int = 0) -> Any:
    """Pixels that differ everywhere, in each channel otherwise, over the dtype's whole range."""
    rng = np.random.default_rng(7)
    shape = (height, width, channels) if channels else (height, width)
    return rng.integers(0, int(np.iinfo(dtype).max) + 1, shape).astype(dtype)


def encoded(pixels: Any, name: str = "PNG", **options: Any) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def npy(array: Any, *, allow_pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks: bytes) -> bytes:
    return PNG_MAGIC + b"".join(chunks)


def ihdr(width: int, height: int, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


def deep_png(pixels: Any, colour: int, *, interlaced: bool = False) -> bytes:
    """A 16-bit PNG of H x W x channels, which Pillow cannot write; each row has another of the five filters."""
    height, width, channels = pixels.shape
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    parts = [pixels[y::h, x::w] for x, y, w, h in passes] if interlaced else [pixels]
    raw = b"".join(_filtered(part.astype(">u2"), 2 * channels) for part in parts if part.size)
    return png(ihdr(width, height, 16, colour, int(interlaced)), chunk(b"IDAT", zlib.compress(raw)), chunk(b"IEND"))


def _filtered(rows: Any, step: int) -> bytes:
    out = bytearray()
    above = bytes(rows[0].nbytes)
    for index, row in enumerate(rows):
        line = row.tobytes()
        kind = index % 5
        out.append(kind)
        for at, value in enumerate(line):
            left = line[at - step] if at >= step else 0
            corner = above[at - step] if at >= step else 0
            guess = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))[kind]
            out.append((value - guess) & 0xFF)
        above = line
    return bytes(out)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def tiff(
    pixels: Any,
    *,
    photometric: int,
    bits: int = 16,
    order: str = "<",
    samples: int = 1,
    fields: Any = (),
    deflate: bool = False,
) -> bytes:
    """A TIFF of one strip, in either byte order.

    Args:
        fields: further fields or others in their place, (tag, type, value), of one value each.
    """
    height, width = pixels.shape[:2]
    content = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    content = zlib.compress(content) if deflate else content
    table = {
        256: (4, width),
        257: (4, height),
        258: (3, bits),
        259: (3, 8 if deflate else 1),
        262: (3, photometric),
        273: (4, 8),
        277: (3, samples),
        278: (4, height),
        279: (4, len(content)),
    }
    table |= {tag: (kind, value) for tag, kind, value in fields}
    entries = b"".join(
        struct.pack(f"{order}HHI", tag, kind, 1)
        + (struct.pack(f"{order}HH", value, 0) if kind == 3 else struct.pack(f"{order}I", value))
        for tag, (kind, value) in sorted(table.items())
    )
    content += b"\0" * (len(content) % 2)
    directory = struct.pack(f"{order}H", len(table)) + entries + struct.pack(f"{order}I", 0)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(f"{order}I", 8 + len(content)) + content + directory
