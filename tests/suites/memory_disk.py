"""Folders on a disk in memory, for tests that flush files a hundred times and never cut the power."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_MEMORY = Path("/dev/shm")


@contextmanager
def memory_folder() -> Iterator[Path]:
    """An empty folder, removed afterwards; where there is no such disk, an ordinary one."""
    with TemporaryDirectory(prefix="argosy-test-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None) as folder:
        yield Path(folder)
