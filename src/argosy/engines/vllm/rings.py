"""The shared memory through which vLLM's processes speak to one another, made to vanish with them.

EngineCore and its workers exchange messages through rings of shared memory, 160 MiB of addresses each, whose names
their makers remove at the end. Whoever is killed removes nothing, and Triton's processes are killed as one group. Once
every process has attached, nobody needs the names any more; without them the memory goes with the last process.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_PROC = Path("/proc")
_NAME = re.compile(r" (/dev/shm/psm_\w+)$", re.MULTILINE)


def remove_names(processes: Iterable[int]) -> None:
    """Remove the names of the rings that these processes and their descendants have mapped.

    Args:
        processes: pids; those that are gone are ignored.
    """
    for pid in _family(processes):
        with contextlib.suppress(OSError):
            for name in set(_NAME.findall((_PROC / str(pid) / "maps").read_text(encoding="utf-8"))):
                Path(name).unlink(missing_ok=True)


def _family(processes: Iterable[int]) -> Iterator[int]:
    for pid in processes:
        yield pid
        with contextlib.suppress(OSError):
            for thread in (_PROC / str(pid) / "task").iterdir():
                yield from _family(map(int, (thread / "children").read_text(encoding="ascii").split()))
