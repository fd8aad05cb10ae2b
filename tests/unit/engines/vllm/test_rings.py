"""Shared memory goes with the last process that has it mapped."""

from __future__ import annotations

import os
from multiprocessing import resource_tracker, shared_memory
from pathlib import Path

from argosy.engines.vllm.rings import remove_names


def test_the_names_of_mapped_rings_vanish_and_the_memory_stays() -> None:
    """Whoever has one goes on using it; other regions keep their names."""
    ring = shared_memory.SharedMemory(create=True, size=4096)
    try:
        assert ring.buf is not None
        path = Path("/dev/shm", ring.name)
        assert path.exists()
        remove_names([os.getpid()])
        assert not path.exists()
        ring.buf[0] = 7
        assert ring.buf[0] == 7
    finally:
        ring.close()
        resource_tracker.unregister(f"/{ring.name}", "shared_memory")


def test_processes_that_are_gone_are_ignored() -> None:
    """They have nothing mapped."""
    remove_names([2**22 + 1])
