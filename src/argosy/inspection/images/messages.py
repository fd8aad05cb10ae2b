"""What the pool and a decoder process say to each other.

MessagePack, one message a frame. A picture's bytes, and its samples, are frames of their own behind the message that
tells of them.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from argosy.inspection.images.formats import ImageFormat
from argosy.inspection.images.headers.header import Colour, Header

REPORT_SIZE = 4096
"""Bytes that a report of a decoder process has at most."""


class Confine(msgspec.Struct, tag=True, frozen=True):
    """First word to a decoder process.

    Attributes:
        memory: bytes of address space that decoding may add.
        cpu_seconds: processor time that one picture may take, whole seconds.
        pixels: pixels of a picture at most.
    """

    memory: int
    cpu_seconds: int
    pixels: int


class Decode(msgspec.Struct, tag=True, frozen=True):
    """A picture to decode; its file is the next frame. The fields are those of `Header`."""

    format: ImageFormat
    width: int
    height: int
    bit_depth: int
    colour: Colour
    alpha: bool
    white_is_zero: bool

    @classmethod
    def of(cls, header: Header) -> Decode:
        """The order to decode the file with this header."""
        return cls(
            header.format,
            header.width,
            header.height,
            header.bit_depth,
            header.colour,
            header.alpha,
            header.white_is_zero,
        )

    @property
    def header(self) -> Header:
        """The header in the order."""
        return Header(self.format, self.width, self.height, self.bit_depth, self.colour, self.alpha, self.white_is_zero)


class Confined(msgspec.Struct, tag=True, frozen=True):
    """The process is warm, and confined from now on."""


class Decoded(msgspec.Struct, tag=True, frozen=True):
    """A picture; its samples are the next frame, row by row.

    Attributes:
        height, width: after the orientation was applied.
        channels: 1 for gray, 3 for RGB.
        depth: bits of an element of the array.
        orientation: EXIF orientation found.
        conversions: see `ImageFacts`.
    """

    height: Annotated[int, msgspec.Meta(ge=1)]
    width: Annotated[int, msgspec.Meta(ge=1)]
    channels: Literal[1, 3]
    depth: Literal[8, 16]
    orientation: Annotated[int, msgspec.Meta(ge=1, le=8)]
    conversions: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=80)], ...], msgspec.Meta(max_length=8)]


class Refused(msgspec.Struct, tag=True, frozen=True):
    """A picture that could not be decoded.

    Attributes:
        reason: `damaged`; `memory` when it needs more than it may have: the process ends then.
        kind: the name of what was raised, for the log.
    """

    reason: Literal["damaged", "memory"]
    kind: Annotated[str, msgspec.Meta(max_length=80)]


Command = Confine | Decode
Report = Confined | Decoded | Refused

encode = msgspec.msgpack.Encoder().encode
decode_command = msgspec.msgpack.Decoder(Command).decode
decode_report = msgspec.msgpack.Decoder(Report).decode
