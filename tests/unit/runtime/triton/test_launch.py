from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from argosy.runtime.triton import launch

LAUNCHER = [sys.executable, "-I", "-S", str(launch.__file__)]
PARENT = """
import os, subprocess, sys, time
child = subprocess.Popen([*sys.argv[1:], str(os.getpid()), sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def test_program_is_run_in_place() -> None:
    """The launcher becomes the program: same process, its arguments, its exit status."""
    program = ["/bin/sh", "-c", "echo $$; exit 7"]
    with subprocess.Popen([*LAUNCHER, str(os.getpid()), *program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        assert process.wait() == 7


def test_program_is_not_run_for_another_parent() -> None:
    """When the parent died in between, the program is never started."""
    result = subprocess.run([*LAUNCHER, "1", "/bin/echo", "started"], capture_output=True, check=False)
    assert result.returncode == 1
    assert result.stdout == b""


def test_program_dies_with_its_parent() -> None:
    """SIGKILL of the parent ends the program."""
    with subprocess.Popen([sys.executable, "-c", PARENT, *LAUNCHER], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        end = time.monotonic() + 20
        while Path(child.exe()).name.startswith("python") and "-I" in child.cmdline() and time.monotonic() < end:
            time.sleep(0.01)
        parent.kill()
    gone, alive = psutil.wait_procs([child], timeout=20)
    assert alive == []
    assert gone
