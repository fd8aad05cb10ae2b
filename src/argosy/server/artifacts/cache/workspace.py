"""A folder for work that may fail: held while the work goes on, swept by the next one when its process died."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from argosy.server.artifacts.cache.layout import Layout

_TRIES = 10


@contextmanager
def workspace(layout: Layout, purpose: str) -> Iterator[Path]:
    """A new folder on the cache's own disk, removed at the end.

    Raises:
        OSError: it cannot be made.
    """
    layout.incoming.mkdir(parents=True, exist_ok=True)
    with held(layout.incoming, purpose) as folder:
        yield folder


@contextmanager
def held(parent: Path, purpose: str, mark: str = "") -> Iterator[Path]:
    """A new folder in `parent`, removed at the end unless it was renamed; those of dead processes are swept first.

    Args:
        parent: on the disk that the work is for.
        purpose: for people who look.
        mark: what the names of all such folders in `parent` begin with, and those of nothing else.

    Raises:
        OSError: it cannot be made.
    """
    sweep(parent, mark)
    folder, handle = _make(parent, f"{mark}{purpose}")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _make(parent: Path, purpose: str) -> tuple[Path, int]:
    for _ in range(_TRIES):
        folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=parent))
        with suppress(FileNotFoundError):
            handle = _hold(folder)
            # A sweeper may have come between the two calls above.
            if handle is not None and folder.is_dir():
                return folder, handle
            if handle is not None:
                os.close(handle)
    raise FileExistsError(f"No folder could be held in {parent}")


def _hold(folder: Path) -> int | None:
    """A handle that keeps sweepers away, None when somebody else has the folder."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def sweep(parent: Path, mark: str = "") -> None:
    """Remove the folders whose processes died; one that is held is left alone."""
    if not parent.is_dir():
        return
    for folder in parent.iterdir():
        if not folder.name.startswith(mark):
            continue
        with suppress(OSError):
            handle = _hold(folder)
            if handle is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(handle)
