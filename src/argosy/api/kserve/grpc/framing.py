"""Messages with tensors inside, taken apart and put together without a look at the tensors.

Source: protobuf's encoding. A message is a run of fields, each a tag and a value; the order of different fields
does not matter, so the tensors may be cut out before the rest is parsed, and put behind what was written.
"""

from __future__ import annotations

from collections.abc import Iterable

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def split(data: bytes, field: int, most: int) -> tuple[bytes, list[memoryview]]:
    """A message without one of its repeated bytes fields, and that field's values as views of it.

    Args:
        data: a serialised message.
        field: number of the field.
        most: fields the message may have; a message of many small fields takes a hundred times its size once parsed.

    Raises:
        ValueError: not a message, or one with more fields.
    """
    view = memoryview(data)
    rest: list[memoryview] = []
    values: list[memoryview] = []
    at, end, kept, count = 0, len(data), 0, 0
    while at < end:
        count += 1
        if count > most:
            raise ValueError("the message has too many fields")
        tag, start = _varint(data, at)
        kind = tag & 7
        if kind == _LENGTH:
            size, start = _varint(data, start)
            after = start + size
        elif kind == _VARINT:
            _, after = _varint(data, start)
        elif kind in {_FIXED64, _FIXED32}:
            after = start + (8 if kind == _FIXED64 else 4)
        else:
            raise ValueError("the message has a field of an unknown kind")
        if after > end:
            raise ValueError("the message is cut short")
        if kind == _LENGTH and tag >> 3 == field:
            values.append(view[start:after])
            rest.append(view[kept:at])
            kept = after
        at = after
    if not values:
        return data, values
    return b"".join((*rest, view[kept:])), values


def join(head: bytes, field: int, values: Iterable[bytes | memoryview]) -> bytes:
    """A message with one more repeated bytes field."""
    tag = _encoded(field << 3 | _LENGTH)
    parts: list[bytes | memoryview] = [head]
    for value in values:
        parts += (tag, _encoded(len(value)), value)
    return b"".join(parts)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends."""
    try:
        value = data[at]
        if value < 0x80:
            return value, at + 1
        value &= 0x7F
        for place in range(1, _LONGEST_VARINT):
            byte = data[at + place]
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                return value, at + place + 1
    except IndexError:
        pass
    raise ValueError("the message is cut short")


def _encoded(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
