"""Publishes, and runs a step, on a disk that is full. See `test_full_disk.py`."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

from argosy.conversion.events import Event, Phase
from argosy.conversion.journal import Journal
from argosy.conversion.plan import package_step
from argosy.conversion.process.run import Limits
from argosy.conversion.publish import Bundle, publish
from argosy.conversion.stepping import StepRunner
from argosy.conversion.toolchain import Toolchain
from tests.suites.small_disk import Ballast, expect_full, visible

SIZE = 1 << 20
PAGE = 4 << 10


def publish_on(disk: Path, weights: Path) -> None:
    """An entry is put in place of another, with room for 0, 10, 50 and 99 % of its weights."""
    store, ballast = disk / "store", Ballast(disk)
    publish(store, Bundle("m", "old", "old", {}))
    bundle = Bundle("m", "new", "new", {"weights.bin": weights})
    for share in (0, 10, 50, 99):
        ballast.fill(leave=SIZE * share // 100)
        expect_full(lambda: publish(store, bundle, replace=True), str(store), "--output")
        assert visible(store) == ["m"]
        assert (store / "m" / "argosy.yaml").read_text() == "old"
        assert [path.name for path in (store / ".staging").iterdir()] == ["lock"], "the disk is not given back"
        ballast.drop()
    publish(store, bundle, replace=True)
    check_whole(store, weights)


def step_on(disk: Path, weights: Path) -> None:
    """A real step, its work folder and the store on one disk; with room for some of its own files, then for others."""
    ballast, store = Ballast(disk), disk / "store"
    for pages in (0, 1, 2, 3, 5, 100):
        full = partial(ballast.fill, leave=pages * PAGE)
        expect_full(lambda at_start=full: asyncio.run(do_step(disk, weights, at_start)), str(disk), "--resume")
        assert visible(store) in ([], ["m"])
        if visible(store):
            check_whole(store, weights)
        ballast.drop()
    asyncio.run(do_step(disk, weights, lambda: None))
    check_whole(store, weights)


async def do_step(disk: Path, weights: Path, at_start: Any) -> None:
    def observe(event: Event) -> None:
        if event.phase is Phase.STARTED:
            at_start()

    entry = {"name": "m", "spec": "new", "config": "new", "texts": {}, "files": {"weights.bin": str(weights)}}
    toolchain = Toolchain(Path(sys.executable), {"serving": {"python": "3"}})
    runner = StepRunner(Journal(disk / "work"), toolchain, Limits(1 << 30, 60), observe, total=1)
    await runner.run(package_step(disk / "store", entry, {}, replace=False))


def cut_on(disk: Path, weights: Path) -> None:
    """A library wrote as much of a file as fitted, removed its temporary file, and told nobody."""
    journal, ballast = Journal(disk / "work"), Ballast(disk)
    opened = journal.open("build", {}, {})
    temporary = opened.output / "network.tmp"
    temporary.write_bytes(b"x" * 4 * PAGE)
    ballast.fill(leave=SIZE // 2)
    with contextlib.suppress(OSError):
        shutil.copyfile(weights, opened.output / "network.bin")
    temporary.unlink()
    expect_full(lambda: journal.close("build", {"answer": {}}), str(disk / "work"), "--resume")
    ballast.drop()
    assert journal.finished("build", {}) is None


def check_whole(store: Path, weights: Path) -> None:
    assert (store / "m" / "1" / "weights.bin").read_bytes() == weights.read_bytes()
    assert {(store / "m" / name).read_text() for name in ("argosy.yaml", "config.pbtxt")} == {"new"}


def main(disk: Path, weights: Path, mode: str) -> None:
    match mode:
        case "publish":
            publish_on(disk, weights)
        case "step":
            step_on(disk, weights)
        case "cut":
            cut_on(disk, weights)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
