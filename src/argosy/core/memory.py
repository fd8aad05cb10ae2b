"""Amounts of memory as people write and read them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNITS = {
    "": 1,
    "b": 1,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
    "k": 1 << 10,
    "m": 1 << 20,
    "g": 1 << 30,
    "t": 1 << 40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
_AMOUNT = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)\s*(?P<unit>[a-z]*|%)")


@dataclass(frozen=True, slots=True)
class MemoryAmount:
    """So many bytes, or a share of the memory there is. False when it is nothing.

    Attributes:
        size: bytes; 0 when a share is given.
        share: above 0 and up to 1; 0 when bytes are given.
    """

    size: int = 0
    share: float = 0.0

    @classmethod
    def parse(cls, text: str) -> MemoryAmount:
        """Read `6GiB`, `6000MB`, `1073741824`, `75%` or `0`.

        `K`, `M`, `G` and `T` are powers of 1024, as in container limits; so are the units with an `i`.

        Raises:
            ValueError: it is none of these; says what was expected.
        """
        match = _AMOUNT.fullmatch(text.strip().lower())
        expected = f"expected an amount of memory such as 6GiB, 800MB or 75%, got {text!r}"
        if match is None:
            raise ValueError(expected)
        number = float(match["number"])
        if match["unit"] == "%":
            if not 0 <= number <= 100:
                raise ValueError(f"expected 0% to 100%, got {text!r}")
            return cls(share=number / 100)
        if match["unit"] not in _UNITS:
            raise ValueError(expected)
        return cls(int(number * _UNITS[match["unit"]]))

    def of(self, total: int) -> int:
        """Bytes, where the machine has `total`."""
        return int(total * self.share) if self.share else self.size

    def __bool__(self) -> bool:
        return bool(self.size or self.share)

    def __str__(self) -> str:
        if self.share:
            return f"{self.share:.4%}".rstrip("%").rstrip("0").rstrip(".") + "%"
        return in_words(self.size) if self.size else "0"


def in_words(size: int) -> str:
    """Bytes for people: `1.4 GiB`, `312 MiB`."""
    if size < 1 << 20:
        return f"{size} bytes"
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size / (1 << 20):.0f} MiB"
