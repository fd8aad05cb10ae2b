"""C1 and C3: what a step may do to the machine, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

import argosy
from argosy.conversion.process import warden
from argosy.conversion.process.run import Command, Limits, Usage, run_command
from argosy.core.errors import ConversionFailed

GENEROUS = Limits(memory=256 << 20, seconds=60)


def script(folder: Path, code: str) -> Command:
    path = folder / "step.py"
    path.write_text(textwrap.dedent(code))
    return Command([sys.executable, "-I", "-S", str(path)], folder, folder / "log.txt", {"MARK": str(folder)})


def of_tree(folder: Path) -> list[psutil.Process]:
    """Living processes that were started with this folder's mark."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("MARK") == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


async def test_a_command_that_ends_well_tells_what_it_took(tmp_path: Path) -> None:
    """Its output is in the log."""
    usage = await run_command(script(tmp_path, "print('made it')"), GENEROUS)
    assert isinstance(usage, Usage)
    assert (tmp_path / "log.txt").read_text() == "made it\n"


async def test_a_command_gets_its_own_variables_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of the caller's never reaches a converter."""
    monkeypatch.setenv("ARGOSY_API_KEYS", "secret")
    await run_command(script(tmp_path, "import os; print(sorted(os.environ))"), GENEROUS)
    assert "ARGOSY" not in (tmp_path / "log.txt").read_text()


async def test_a_command_has_no_network_where_the_kernel_allows_it(tmp_path: Path) -> None:
    """No device but a loopback that is down; the record says which of the two ways was in force."""
    code = "import socket; print([name for _, name in socket.if_nameindex()])"
    usage = await run_command(script(tmp_path, code), GENEROUS)
    if usage.network == "none":
        assert (tmp_path / "log.txt").read_text() == "['lo']\n"
    else:
        assert usage.network == "variables"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(3)", "exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("held = []\nwhile True: held.append(bytearray(b'x') * (8 << 20))", "GiB of memory"),
        ("while True: pass", "longer than 1 s"),
        (
            """
            import os, time
            for _ in range(40):
                if os.fork() == 0:
                    time.sleep(60)
                    os._exit(0)
            time.sleep(60)
            """,
            "more than 20 processes",
        ),
    ],
    ids=["exit", "segfault", "out of memory", "endless", "many processes"],
)
async def test_c1_a_bad_step_fails_at_its_limit_and_leaves_nothing(tmp_path: Path, code: str, said: str) -> None:
    """The reason names the limit; not one of its processes lives on."""
    limits = Limits(memory=200 << 20, seconds=1 if "longer" in said else 60, processes=20)
    with pytest.raises(ConversionFailed, match=said):
        await run_command(script(tmp_path, code), limits)
    assert of_tree(tmp_path) == []


async def test_c1_one_huge_allocation_fails_by_itself(tmp_path: Path) -> None:
    """It never gets the memory, however short the moment."""
    code = """
        try:
            bytearray(20 << 30)
        except MemoryError:
            print("refused")
    """
    await run_command(script(tmp_path, code), GENEROUS)
    assert (tmp_path / "log.txt").read_text() == "refused\n"


async def test_a_process_that_hides_in_a_session_of_its_own_is_ended_too(tmp_path: Path) -> None:
    """The step ends well, what it left behind does not."""
    code = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(600)
            os._exit(0)
        time.sleep(0.3)
    """
    await run_command(script(tmp_path, code), GENEROUS)
    assert of_tree(tmp_path) == []


async def test_c3_cancelling_ends_the_whole_tree(tmp_path: Path) -> None:
    """Children that ignore TERM and INT included."""
    code = """
        import os, pathlib, signal, time
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.fork(); os.fork()
        pathlib.Path("ready").touch()
        time.sleep(600)
    """
    running = asyncio.ensure_future(run_command(script(tmp_path, code), GENEROUS))
    while len(of_tree(tmp_path)) < 4:
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert of_tree(tmp_path) == []


async def test_c3_nothing_outlives_an_owner_that_was_killed(tmp_path: Path) -> None:
    """A server that is killed in the middle of a conversion leaves no converter behind."""
    owner = tmp_path / "owner.py"
    owner.write_text(
        textwrap.dedent(f"""
            import asyncio, pathlib
            from argosy.conversion.process.run import Command, Limits, run_command
            folder = pathlib.Path({str(tmp_path)!r})
            command = Command(["sleep", "600"], folder, folder / "log.txt", {{"MARK": str(folder)}})
            asyncio.run(run_command(command, Limits(seconds=600)))
        """)
    )
    process = subprocess.Popen([sys.executable, str(owner)])  # noqa: ASYNC220 - it is killed, not awaited
    try:
        while not of_tree(tmp_path):
            assert process.poll() is None
            await asyncio.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 30
    while of_tree(tmp_path):
        assert time.monotonic() < deadline, "the step outlived its owner"
        await asyncio.sleep(0.02)


async def test_a_command_that_does_not_exist_is_told_of(tmp_path: Path) -> None:
    """And not waited for."""
    with pytest.raises(ConversionFailed, match="could not be started: FileNotFoundError"):
        await run_command(Command([str(tmp_path / "nothing")], tmp_path, tmp_path / "log.txt"), GENEROUS)


def test_the_warden_needs_the_standard_library_only() -> None:
    """It is started without site-packages, so that it is there in milliseconds."""
    code = f"import sys; sys.path.append({str(Path(argosy.__file__).parents[1])!r}); import {warden.__name__}"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
