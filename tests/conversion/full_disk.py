"""Converts on a disk that is full at one step after the other. See `test_convert_and_serve.py`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from argosy.app.conversion import build_conversion
from argosy.conversion.events import Event, Phase
from argosy.conversion.pipeline import Converted
from argosy.conversion.plan import ConversionRequest
from tests.suites.small_disk import Ballast, expect_full, visible

PAGE = 4 << 10
MOMENTS: Iterable[tuple[str, Phase, int]] = (
    # What is left is nothing, so that the step cannot begin, or enough to begin and too little for its files.
    ("load", Phase.STARTED, 0),
    ("load", Phase.STARTED, 16 * PAGE),
    ("export", Phase.STARTED, 0),
    ("export", Phase.STARTED, 16 * PAGE),
    ("optimise", Phase.STARTED, 16 * PAGE),
    ("build-fp32", Phase.STARTED, 16 * PAGE),
    ("validate-fp32", Phase.STARTED, 3 * PAGE),
    ("report", Phase.FINISHED, 0),
    ("package", Phase.STARTED, 0),
    ("package", Phase.STARTED, 16 * PAGE),
)


def convert(disk: Path, source: Path, interpreter: Path, moment: tuple[str, Phase, int] | None = None) -> Converted:
    """The conversion of `argosy convert --resume`; the disk is full as soon as the moment has come."""
    ballast = Ballast(disk)

    def observe(event: Event) -> None:
        if moment is not None and (_place(event), event.phase) == moment[:2]:
            ballast.fill(leave=moment[2])

    request = ConversionRequest(
        source, "unet", disk / "store", disk / "work", precision="fp32", samples=8, resume=True, threads=2
    )
    try:
        return asyncio.run(build_conversion(request, interpreter, observe).run())
    finally:
        ballast.drop()


def _place(event: Event) -> str:
    """What comes after the last proof is the report."""
    return "report" if (event.step, event.phase) == ("validate-fp32", Phase.FINISHED) else event.step


def main(disk: Path, source: Path, interpreter: Path) -> None:
    for moment in MOMENTS:
        expect_full(partial(convert, disk, source, interpreter, moment), str(disk), "--resume")
        assert visible(disk / "store") == []
    assert convert(disk, source, interpreter).entry == disk / "store" / "unet"
    assert visible(disk / "store") == ["unet"]
    sys.stdout.write(json.dumps([step for step, *_ in MOMENTS]))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
