"""What vLLM's processes inherit, and when they end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from argosy.engines.vllm.plugin import die_with_parent
from argosy.engines.vllm.surroundings import surrounding

_PARENT = """
import multiprocessing, time
from argosy.engines.vllm.plugin import die_with_parent

def child(ready):
    die_with_parent()
    ready.send(1)
    time.sleep(120)

if __name__ == "__main__":
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
    process.start()
    ours.recv()
    print(process.pid, flush=True)
    time.sleep(120)
"""


def test_variables_are_there_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Afterwards every variable is what it was, those that the library set itself too."""
    monkeypatch.setenv("ARGOSY_TEST_KEPT", "before")
    before = dict(os.environ)
    with surrounding({"ARGOSY_TEST_KEPT": "inside", "ARGOSY_TEST_NEW": "1"}):
        assert (os.environ["ARGOSY_TEST_KEPT"], os.environ["ARGOSY_TEST_NEW"]) == ("inside", "1")
        os.environ["ARGOSY_TEST_LIBRARY"] = "2"
    assert dict(os.environ) == before


def test_a_process_of_its_own_is_left_alone() -> None:
    """Whoever runs vLLM without us, in our environment, notices nothing."""
    assert multiprocessing.parent_process() is None
    die_with_parent()


def test_a_child_ends_with_a_parent_that_was_killed() -> None:
    """Without anybody's help."""
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    give_up = time.monotonic() + 30
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < give_up, "it lives on"
        time.sleep(0.01)
