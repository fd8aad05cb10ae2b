"""What vLLM runs first in each of its processes (its entry point group `vllm.general_plugins`)."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """End this process with the one that started it, however that ends; does nothing in a process of its own.

    vLLM's EngineCore waits for ever for a parent that was killed.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent.pid:
        os._exit(1)
