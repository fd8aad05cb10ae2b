"""Become `tritonserver`, and die with the process that asked for it.

Run as a program with an isolated interpreter (`python -I -S launch.py <parent pid> <program> <arguments…>`):
the "parent death signal" of prctl(2) belongs to the calling process and survives only its own exec, so it cannot
be set from outside, and code between fork and exec is not safe in a process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Arm the parent death signal and replace this process."""
    parent = int(arguments[0])
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # The parent may have died before the signal was armed.
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(arguments[1], arguments[1:])  # noqa: S606 - the program is the installation's tritonserver


if __name__ == "__main__":
    main(sys.argv[1:])
