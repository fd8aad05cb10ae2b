from __future__ import annotations

import asyncio
import os
from pathlib import Path

from argosy.runtime.triton.server_log import ServerLog


async def written(log: ServerLog, data: bytes) -> None:
    """Write as the server would, in a thread, because a full pipe blocks."""
    pipe = log.open()

    def write() -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(pipe, view) :]
        os.close(pipe)

    await asyncio.to_thread(write)
    log.close()


async def test_output_is_kept(tmp_path: Path) -> None:
    """Everything is in the file, and the tail has the last lines without Triton's tables."""
    log = ServerLog(tmp_path / "log")
    await written(log, b"one\n+----+\n| a |\n\ntwo\nthree\nunfinished")
    assert (tmp_path / "log").read_bytes() == b"one\n+----+\n| a |\n\ntwo\nthree\nunfinished"
    assert log.tail() == "one\ntwo\nthree"
    assert log.tail(1) == "three"


async def test_output_never_blocks_the_server(tmp_path: Path) -> None:
    """More than any pipe holds is taken while the event loop runs."""
    log = ServerLog(tmp_path / "log")
    await asyncio.wait_for(written(log, b"x" * 99 + b"\n" * 50_000), 30)
    assert (tmp_path / "log").stat().st_size == 99 + 50_000


async def test_file_and_memory_are_bounded(tmp_path: Path) -> None:
    """The file is rotated, one older file is kept, long lines and old lines are dropped from memory."""
    log = ServerLog(tmp_path / "log", largest=10_000, lines=5)
    await written(log, b"".join(b"%d %s\n" % (row, b"y" * 5000) for row in range(400)))
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"log", "log.1"}
    assert max(sizes.values()) <= 10_000 + (1 << 16)
    tail = log.tail(100).splitlines()
    assert len(tail) == 5
    assert tail[-1].startswith("399 ")
    assert max(map(len, tail)) == 2000


async def test_the_log_before_is_kept(tmp_path: Path) -> None:
    """Opening again, for the next generation, keeps the last file."""
    log = ServerLog(tmp_path / "log")
    await written(log, b"first\n")
    await written(log, b"second\n")
    assert (tmp_path / "log.1").read_text() == "first\n"
    assert (tmp_path / "log").read_text() == "second\n"
    log.close()
