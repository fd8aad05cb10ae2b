from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import numpy as np
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argosy.core.deadline import Deadline
from argosy.core.errors import (
    DeadlineExceeded,
    Draining,
    InvalidRequest,
    Overloaded,
    PayloadTooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from argosy.inspection.images import decoder_child, messages
from argosy.inspection.images.decoder_child import DecoderChild, DecoderGone, DecoderLimits
from argosy.inspection.images.decoding import DecoderPool
from argosy.inspection.images.headers.header import ImageLimits
from argosy.inspection.images.headers.read import read_header
from tests.unit.inspection.images.files import chunk, deep_png, encoded, gradient, ihdr, npy, png, tiff

ON_ONE_LOOP = pytest.mark.asyncio(loop_scope="module")
GRAY = gradient()
PICTURE = encoded(GRAY)
DAMAGED = png(ihdr(8, 8), chunk(b"IDAT", zlib.compress(bytes(9))), chunk(b"IEND"))
DOCUMENTED = (InvalidRequest, UnsupportedMediaType, PayloadTooLarge)
QUICK = DecoderLimits(seconds=0.3)
ONLY_GRACE = DecoderLimits(seconds=3600, grace=0.05)
"""A process that does not answer is ended because nobody waits, and for no other reason."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pool() -> AsyncIterator[DecoderPool]:
    async with DecoderPool(children=2) as pool:
        yield pool


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.005)


async def fails(kind: type[Exception], awaited: Awaitable[object], told: str | None = None) -> None:
    with pytest.raises(kind, match=told):
        await awaited


def is_alive(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@ON_ONE_LOOP
async def test_pixels_and_facts_come_back(pool: DecoderPool) -> None:
    """A picture's pixels are exact and what is told of it is true."""
    data = deep_png(gradient(dtype=np.uint16, channels=4), 6)
    picture = await pool.decode(data)
    assert picture.pixels.dtype == np.uint16
    assert np.array_equal(picture.pixels, gradient(dtype=np.uint16, channels=4)[..., :3])
    facts = picture.facts
    assert (facts.format, facts.size, facts.width, facts.height, facts.bit_depth) == ("png", len(data), 32, 24, 16)
    assert facts.sha256 == hashlib.sha256(data).hexdigest()
    assert (facts.orientation, facts.conversions) == (1, ("transparency dropped",))


@pytest.mark.parametrize("name", ["PNG", "JPEG", "TIFF", "BMP"])
@ON_ONE_LOOP
async def test_each_format_is_decoded_in_confinement(pool: DecoderPool, name: str) -> None:
    """A process that can open nothing more decodes every format."""
    picture = await pool.decode(encoded(GRAY, name))
    assert picture.facts.format == name.lower()
    assert np.abs(picture.pixels.astype(int) - GRAY).max() <= (64 if name == "JPEG" else 0)
    assert np.array_equal((await pool.decode(npy(GRAY))).pixels, GRAY)


@ON_ONE_LOOP
async def test_a_picture_on_its_side_is_upright(pool: DecoderPool) -> None:
    """Sides are those after the orientation was applied."""
    data = tiff(GRAY, photometric=1, bits=8, fields=[(274, 3, 6)])
    picture = await pool.decode(data)
    assert np.array_equal(picture.pixels, np.rot90(GRAY, -1))
    assert (picture.facts.width, picture.facts.height, picture.facts.orientation) == (24, 32, 6)


@ON_ONE_LOOP
async def test_one_pixel_is_decoded(pool: DecoderPool) -> None:
    """The smallest picture is one."""
    assert (await pool.decode(npy(np.array([[7]], np.uint8)))).pixels.tolist() == [[7]]


@ON_ONE_LOOP
async def test_a_large_picture_comes_back_whole(pool: DecoderPool) -> None:
    """More than any buffer between the processes holds."""
    pixels = gradient(1024, 1024, channels=3)
    assert np.array_equal((await pool.decode(npy(pixels))).pixels, pixels)


@ON_ONE_LOOP
async def test_errors_are_of_the_picture_and_say_nothing_of_the_library(pool: DecoderPool) -> None:
    """What cannot be decoded is refused in words of Argosy, and the process lives on."""
    pids = pool.pids
    with pytest.raises(InvalidRequest) as caught:
        await pool.decode(DAMAGED)
    assert caught.value.param == "image"
    assert "damaged, or a rare variant" in caught.value.message
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert pool.pids == pids


@ON_ONE_LOOP
async def test_headers_are_judged_before_a_process_is_asked() -> None:
    """A picture that is refused by its header needs no process at all."""
    pool = DecoderPool(children=0, image_limits=ImageLimits(size=1000))
    await fails(PayloadTooLarge, pool.decode(bytes(1001)))
    await fails(UnsupportedMediaType, pool.decode(b"GIF89a"), "a GIF")
    await fails(InvalidRequest, pool.decode(png(ihdr(65_535, 65_535))), "65535 x 65535")


@ON_ONE_LOOP
async def test_bad_ones_among_twenty_are_alone(pool: DecoderPool) -> None:
    """Of 20 pictures at once 3 are bad: 3 errors, and 17 pictures with the right pixels."""
    pictures = [gradient(16, 16 + index) for index in range(20)]
    files = [encoded(pixels) for pixels in pictures]
    bad = {3: DAMAGED, 9: files[9][:-30], 17: b"GIF89a"}
    outcomes = await asyncio.gather(
        *(pool.decode(bad.get(index, file)) for index, file in enumerate(files)), return_exceptions=True
    )
    for index, outcome in enumerate(outcomes):
        if index in bad:
            assert isinstance(outcome, DOCUMENTED)
        else:
            assert not isinstance(outcome, BaseException)
            assert np.array_equal(outcome.pixels, pictures[index])


@ON_ONE_LOOP
async def test_a_process_that_is_killed_costs_one_picture() -> None:
    """The picture in it is refused, a new process takes the place, and the next picture works."""
    async with DecoderPool(children=1) as pool:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        held = asyncio.create_task(pool.decode(PICTURE))
        waiting = asyncio.create_task(pool.decode(PICTURE))
        await until(lambda: pool.waiting == 1)
        os.kill(pid, signal.SIGKILL)
        await fails(InvalidRequest, held, "ended the process")
        assert np.array_equal((await waiting).pixels, GRAY)
        assert pid not in pool.pids
        assert not is_alive(pid)


@ON_ONE_LOOP
async def test_a_process_that_died_idle_costs_no_picture() -> None:
    """A process that died between two pictures is replaced before the next one."""
    async with DecoderPool(children=1) as pool:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not pool.pids)
        assert np.array_equal((await pool.decode(PICTURE)).pixels, GRAY)
        assert pool.pids != (pid,)


@ON_ONE_LOOP
async def test_a_picture_that_takes_too_long_is_given_up() -> None:
    """A process that does not answer in time is replaced, and the picture is refused."""
    async with DecoderPool(children=1, limits=QUICK) as pool:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        await fails(InvalidRequest, pool.decode(PICTURE), r"longer than 0\.3 s")
        await until(lambda: not is_alive(pid))
        await until(lambda: len(pool.pids) == 1)


@ON_ONE_LOOP
async def test_a_picture_that_needs_too_much_memory_is_refused() -> None:
    """What does not fit is refused as such; a smaller one is decoded after it."""
    big = encoded(np.zeros((3000, 3000, 3), np.uint8))
    async with DecoderPool(children=1, limits=DecoderLimits(memory=24 << 20)) as pool:
        await fails(InvalidRequest, pool.decode(big), "more memory")
        assert np.array_equal((await pool.decode(PICTURE)).pixels, GRAY)


@ON_ONE_LOOP
async def test_a_caller_that_leaves_frees_its_place() -> None:
    """The process of a cancelled caller is replaced when it does not finish soon."""
    async with DecoderPool(children=1, limits=ONLY_GRACE) as pool:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        leaving = asyncio.create_task(pool.decode(PICTURE))
        staying = asyncio.create_task(pool.decode(PICTURE, Deadline.after(30)))
        await until(lambda: pool.waiting == 1)
        leaving.cancel()
        await fails(asyncio.CancelledError, leaving)
        assert np.array_equal((await staying).pixels, GRAY)
        assert pool.pids != (pid,)


@ON_ONE_LOOP
async def test_a_caller_that_leaves_does_not_end_a_process_that_answers() -> None:
    """What finishes by itself needs no new process."""
    async with DecoderPool(children=1, limits=DecoderLimits(grace=60)) as pool:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        leaving = asyncio.create_task(pool.decode(PICTURE))
        staying = asyncio.create_task(pool.decode(PICTURE))
        await until(lambda: pool.waiting == 1)
        leaving.cancel()
        await fails(asyncio.CancelledError, leaving)
        os.kill(pid, signal.SIGCONT)
        assert np.array_equal((await staying).pixels, GRAY)
        assert pool.pids == (pid,)


@ON_ONE_LOOP
async def test_a_waiting_caller_that_leaves_takes_nothing_with_it() -> None:
    """Who leaves the queue does not hold up those behind."""
    async with DecoderPool(children=1) as pool:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        callers = [asyncio.create_task(pool.decode(PICTURE)) for _ in range(3)]
        await until(lambda: pool.waiting == 2)
        callers[1].cancel()
        await fails(asyncio.CancelledError, callers[1])
        os.kill(pid, signal.SIGCONT)
        for caller in (callers[0], callers[2]):
            assert np.array_equal((await caller).pixels, GRAY)
        assert pool.pids == (pid,)


@ON_ONE_LOOP
async def test_a_deadline_is_kept_at_work_and_in_the_queue() -> None:
    """Who waits for a process, and whose picture is in one, are both told in time."""
    async with DecoderPool(children=1, limits=ONLY_GRACE) as pool:
        os.kill(pool.pids[0], signal.SIGSTOP)
        at_work = asyncio.create_task(pool.decode(PICTURE, Deadline.after(0.2)))
        queued = asyncio.create_task(pool.decode(PICTURE, Deadline.after(0.1)))
        await fails(DeadlineExceeded, queued)
        await fails(DeadlineExceeded, at_work)
        await fails(DeadlineExceeded, pool.decode(PICTURE, Deadline.after(-1)))
        assert np.array_equal((await pool.decode(PICTURE, Deadline.after(30))).pixels, GRAY)


@ON_ONE_LOOP
async def test_too_many_callers_are_turned_away() -> None:
    """The queue has an end; those in it are served."""
    async with DecoderPool(children=1, most_waiting=2) as pool:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        callers = [asyncio.create_task(pool.decode(PICTURE)) for _ in range(3)]
        await until(lambda: pool.waiting == 2)
        await fails(Overloaded, pool.decode(PICTURE))
        os.kill(pid, signal.SIGCONT)
        assert all([np.array_equal((await caller).pixels, GRAY) for caller in callers])


@ON_ONE_LOOP
async def test_a_pool_that_closes_tells_everybody() -> None:
    """Callers at work, in the queue and afterwards are told that the server goes, and no process is left."""
    pool = DecoderPool(children=1)
    async with pool:
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        callers = [asyncio.create_task(pool.decode(PICTURE)) for _ in range(3)]
        await until(lambda: pool.waiting == 2)
    for caller in callers:
        await fails(Draining, caller)
    await fails(Draining, pool.decode(PICTURE))
    assert not is_alive(pid)
    await pool.close()


@ON_ONE_LOOP
async def test_a_process_is_replaced_after_its_share_of_pictures() -> None:
    """Whatever decoders keep of pictures goes with the process."""
    async with DecoderPool(children=1, limits=DecoderLimits(pictures=2)) as pool:
        seen = []
        for _ in range(4):
            seen.append(pool.pids)
            await pool.decode(PICTURE)
            await until(lambda: len(pool.pids) == 1)
        assert seen[0] == seen[1]
        assert seen[2] == seen[3] != seen[0]


@ON_ONE_LOOP
async def test_a_pool_whose_processes_do_not_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without processes there is no pool."""
    monkeypatch.setattr(decoder_child, "_MODULE", "argosy.no_such_module")
    await fails(Unavailable, DecoderPool(children=2).__aenter__(), "did not start")


@ON_ONE_LOOP
async def test_a_process_has_nothing_to_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can open no file, write none, make no process and no core, and knows no secret of the server's."""
    monkeypatch.setenv("ARGOSY_TEST_SECRET", "hidden")
    async with DecoderPool(children=1, limits=DecoderLimits(memory=100 << 20)) as pool:
        await pool.decode(PICTURE)
        process = Path("/proc", str(pool.pids[0]))
        limits = {line[:26].strip(): line[26:].split()[:2] for line in (process / "limits").read_text().splitlines()}
        for name in ("Max open files", "Max file size", "Max processes", "Max core file size"):
            assert limits[name] == ["0", "0"]
        mapped = int((process / "statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        assert int(limits["Max address space"][1]) <= mapped + (100 << 20)
        assert int(limits["Max cpu time"][0]) <= 20
        assert b"ARGOSY_TEST_SECRET" not in (process / "environ").read_bytes()
        assert "NoNewPrivs:\t1" in (process / "status").read_text()


@ON_ONE_LOOP
async def test_processor_time_is_limited_for_each_picture() -> None:
    """A process that computes beyond its picture's share is ended by the kernel."""
    endless = (
        "from argosy.inspection.images.decoder_process import _limit_processor\n_limit_processor(0)\nwhile 1: pass"
    )
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", endless], check=False, timeout=60)
    assert ended.returncode == -signal.SIGXCPU


@ON_ONE_LOOP
async def test_an_answer_that_is_not_as_agreed_ends_the_process() -> None:
    """A process that says what it may not is taken for broken into: a length, a shape or a message that cannot be."""

    def frame(content: bytes) -> bytes:
        return struct.pack("<I", len(content)) + content

    other_shape = messages.encode(messages.Decoded(12, 64, 1, 8, 1, ()))
    right_shape = messages.encode(messages.Decoded(24, 32, 1, 8, 1, ()))
    too_long = messages.encode({**msgspec.msgpack.decode(right_shape), "unknown": "x" * messages.REPORT_SIZE})
    for answer in (
        frame(too_long) + frame(bytes(24 * 32)),
        frame(b"\xc1 no MessagePack"),
        frame(messages.encode(messages.Confined())),
        frame(other_shape) + frame(bytes(12 * 64)),
        frame(right_shape) + frame(bytes(24 * 32 + 1)),
        frame(right_shape) + frame(bytes(24 * 32))[:-1],
    ):
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        process = await asyncio.create_subprocess_exec("sleep", "60")
        child = DecoderChild(process, ours)
        try:
            with pytest.raises(DecoderGone):
                await child.decode(PICTURE, read_header(PICTURE, ImageLimits()))
        finally:
            await child.end()
            theirs.close()
        assert process.returncode == -signal.SIGKILL


def test_damage_and_noise_raise_only_what_is_documented() -> None:
    """Damaged files and random bytes give pictures or documented errors, and the processes live."""
    whole = [
        PICTURE,
        encoded(GRAY, "JPEG"),
        encoded(gradient(channels=3), "JPEG", progressive=True),
        encoded(GRAY, "TIFF"),
        encoded(GRAY, "TIFF", compression="tiff_lzw"),
        encoded(GRAY, "BMP"),
        npy(GRAY),
        deep_png(gradient(8, 8, np.uint16, 3), 2, interlaced=True),
    ]
    with asyncio.Runner() as runner:
        pool = DecoderPool(children=1)
        runner.run(pool.__aenter__())
        pids = pool.pids

        @settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(
            st.sampled_from(whole) | st.binary(max_size=200),
            st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
        )
        def damaged(data: bytes, changes: list[tuple[float, int]]) -> None:
            changed = bytearray(data)
            for where, value in changes:
                if changed:
                    changed[int(where * len(changed))] = value
            try:
                picture = runner.run(pool.decode(bytes(changed)))
            except DOCUMENTED:
                return
            assert picture.pixels.dtype in (np.uint8, np.uint16)
            assert picture.pixels.shape[:2] == (picture.facts.height, picture.facts.width)

        try:
            damaged()
            assert pool.pids == pids
        finally:
            runner.run(pool.close())
