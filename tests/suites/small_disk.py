"""A disk of a few MiB that really fills up: a tmpfs in a mount namespace of its own, seen by one program only."""

from __future__ import annotations

import contextlib
import functools
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from argosy.core.errors import StorageFull

_ROOT = Path(__file__).parents[2]
_PAGE = 1 << 12


@functools.cache
def unsharing() -> tuple[str, ...] | None:
    """A command prefix that may mount; None where nobody may."""
    for options in (["-m"], ["-r", "-m"]):
        command = ("unshare", *options, "sh", "-c")
        try:
            tried = subprocess.run([*command, _mount(1), "/mnt", "true"], capture_output=True, check=False, timeout=20)
        except OSError:
            return None
        if tried.returncode == 0:
            return command
    return None


def run_on_small_disk(disk: Path, mebibytes: int, program: str, *arguments: str, timeout: float = 100) -> str:
    """What a module of the tests prints that finds an empty disk at `disk`, its first argument; it must end with 0."""
    prefix = unsharing()
    if prefix is None:
        pytest.skip("a small disk can be mounted by root or in a user namespace only")
    disk.mkdir(parents=True)
    command = [*prefix, _mount(mebibytes), str(disk), sys.executable, "-m", program, str(disk), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout, cwd=_ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def _mount(mebibytes: int) -> str:
    return f'mount -t tmpfs -o size={mebibytes}m none "$0" && exec "$@"'


class Ballast:
    """A file that takes what is left of a disk.

    Args:
        disk: where the tmpfs is mounted.
    """

    def __init__(self, disk: Path) -> None:
        self._disk = disk
        self._file = disk / "ballast"

    def fill(self, *, leave: int = 0) -> None:
        """Leave `leave` bytes, in whole pages; at 0, go on until nothing is taken any more."""
        pages = max(0, shutil.disk_usage(self._disk).free - leave) // _PAGE if leave else sys.maxsize
        with contextlib.suppress(OSError), self._file.open("wb", buffering=0) as file:
            for _ in range(pages):
                file.write(b"x" * _PAGE)

    def drop(self) -> None:
        """Make room again."""
        self._file.unlink(missing_ok=True)


def expect_full(work: Callable[[], object], *words: str) -> None:
    """Do `work`, which must end with `StorageFull`, and its message must have the words."""
    try:
        work()
    except StorageFull as error:
        message = error.message
    else:
        raise AssertionError("the disk was full, and nobody noticed")
    sys.stderr.write(f"{message}\n")
    assert [word for word in words if word not in message] == [], message


def visible(store: Path) -> Sequence[str]:
    """Names in a model store that are not hidden."""
    return sorted(path.name for path in store.iterdir() if path.name[0] != ".") if store.is_dir() else []
