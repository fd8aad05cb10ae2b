"""Tie the life of a stub to its Triton: no stub outlives the server that started it."""

from __future__ import annotations

import os
import select
import threading
from pathlib import Path

_PARENT_PID_ARGUMENT = 5
"""Where the python backend of Triton 2.51 puts its own pid among the stub's arguments."""


def die_with_parent() -> None:
    """End this process at once when Triton's process ends, however it ends.

    The stub's own watch asks every 300 ms whether the pid exists, which a zombie or a reused pid satisfies.
    """
    parent = parent_pid(Path("/proc/self/cmdline").read_bytes(), os.getppid())
    try:
        descriptor = os.pidfd_open(parent)
    except ProcessLookupError:
        os._exit(1)
    threading.Thread(target=_exit_after, args=(descriptor,), name="argosy-parent-watch", daemon=True).start()


def parent_pid(command_line: bytes, fallback: int) -> int:
    """Triton's pid from the stub's own command line.

    `os.getppid` alone would name the reaper of orphans when Triton died before this line ran.
    """
    arguments = command_line.split(b"\0")
    if len(arguments) > _PARENT_PID_ARGUMENT and b"stub" in arguments[0] and arguments[_PARENT_PID_ARGUMENT].isdigit():
        return int(arguments[_PARENT_PID_ARGUMENT])
    return fallback


def _exit_after(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll()
    os._exit(1)
