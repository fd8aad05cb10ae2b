"""What the server and the process that renders templates say to each other.

A message is a 4-byte little-endian length and that many bytes of MessagePack.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec

LENGTH = struct.Struct("<I")
LARGEST = 64 << 20


class Load(msgspec.Struct, frozen=True, tag="load"):
    """Compile `source` and keep it as `name`."""

    name: str
    source: str


class Render(msgspec.Struct, frozen=True, tag="render"):
    """Render template `name` within `seconds`."""

    name: str
    seconds: float
    variables: dict[str, Any]


class Rendered(msgspec.Struct, frozen=True, tag="rendered"):
    """The text; empty in answer to `Load`."""

    text: str = ""


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The template refuses the conversation in its own words."""

    message: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The template is broken, or broke on this conversation."""

    message: str


Question = Load | Render
Answer = Rendered | Refused | Failed

encode = msgspec.msgpack.Encoder().encode
decode_question: Callable[[bytes], Question] = msgspec.msgpack.Decoder(Question).decode
decode_answer: Callable[[bytes], Answer] = msgspec.msgpack.Decoder(Answer).decode


def pack(message: Question | Answer) -> bytes:
    """The message with its length in front."""
    body = encode(message)
    return LENGTH.pack(len(body)) + body


def read(stream: BinaryIO) -> bytes | None:
    """The next message's bytes, or None at the end of the stream."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    body = stream.read(length)
    return body if len(body) == length else None
