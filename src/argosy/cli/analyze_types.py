"""How `argosy analyze` reads sizes and lists."""

from __future__ import annotations

import re
from typing import Any

import click

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kmgt]?)(?P<binary>i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_MOST_IN_FLIGHT = 4096


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            self.fail(f"expected a size such as 800MiB or 2GiB, got {value!r}.", param, ctx)
        base = 1024 if match["binary"] else 1000
        size = int(float(match["number"]) * base ** _POWERS[match["unit"].lower()])
        if size < 1:
            self.fail("expected more than nothing.", param, ctx)
        return size


class _Levels(click.ParamType[tuple[int, ...]]):
    name = "levels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).split(",") if part.strip()]
        if not parts or not all(part.isdecimal() and 1 <= int(part) <= _MOST_IN_FLIGHT for part in parts):
            self.fail(
                f"expected whole numbers from 1 to {_MOST_IN_FLIGHT} with commas between, got {value!r}.", param, ctx
            )
        return tuple(sorted({int(part) for part in parts}))


class _Words(click.ParamType[tuple[str, ...]]):
    name = "words"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:  # noqa: ARG002
        if isinstance(value, tuple):
            return value
        return tuple(dict.fromkeys(part.strip() for part in str(value).split(",") if part.strip()))


SIZE = _Size()
LEVELS = _Levels()
WORDS = _Words()
