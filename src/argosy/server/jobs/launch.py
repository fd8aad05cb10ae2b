"""Become a command that dies with the process that asked for it, and before it when memory runs out.

Run as a program with an isolated interpreter (`python -I -S launch.py <parent pid> <program> <arguments…>`): the
"parent death signal" of prctl(2) belongs to the calling process, and code between fork and exec is not safe in a
process with threads.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_BEFORE_SERVERS = "500"
"""oom_score_adj(5) is 0 for what serves and 1000 for a step of a conversion."""


def main(arguments: list[str]) -> None:
    """Arm the parent death signal and replace this process."""
    parent = int(arguments[0])
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the signal was armed.
    if os.getppid() != parent:
        sys.exit(1)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123
        file.write(_BEFORE_SERVERS)
    os.execv(arguments[1], arguments[1:])  # noqa: S606 - the program is this interpreter


if __name__ == "__main__":
    main(sys.argv[1:])
