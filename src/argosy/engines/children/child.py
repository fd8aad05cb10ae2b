"""Child processes: started with a line to them, and dead as soon as their parent is."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping

from argosy.engines.children.channel import Channel

_PR_SET_PDEATHSIG = 1


def start(
    module: str, *, python: str = sys.executable, environment: Mapping[str, str] | None = None
) -> tuple[subprocess.Popen[bytes], Channel]:
    """Run `python -m module SOCKET PARENT`; the child ends with the thread that calls this.

    Args:
        module: what to run.
        python: the child's interpreter, which must have Argosy too.
        environment: variables over those of this process.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [python, "-P", "-m", module, str(theirs.fileno()), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            # Inside Triton's stub the locale is ASCII; the child reads UTF-8 files.
            env={**os.environ, "PYTHONUTF8": "1", **(environment or {})},
        )
    return process, Channel(ours)


def adopt() -> Channel:
    """The child's side: its end of the line.

    It dies at once when the parent does; what a terminal's or a supervisor's signal means is for the parent to say.
    """
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    return Channel(socket.socket(fileno=descriptor))
