"""Decoding pictures from strangers: in processes of their own, a few at a time, each within its limits.

A decoder is a large program in C that reads hostile bytes. What it breaks here is a process that holds one picture.
That process is replaced, the picture is refused, and no other picture is touched.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from argosy.core.deadline import NEVER, Deadline
from argosy.core.errors import DeadlineExceeded, Draining, InvalidRequest, Overloaded, Unavailable
from argosy.inspection.images.decoder_child import DecoderChild, DecoderGone, DecoderLimits
from argosy.inspection.images.headers.header import Header, ImageLimits
from argosy.inspection.images.headers.read import read_header
from argosy.inspection.images.messages import Decoded, Refused
from argosy.inspection.images.picture import ImageFacts, Picture, Pixels

_LOG = logging.getLogger(__name__)


class DecoderPool:
    """A few decoder processes. An asynchronous context manager: they live inside it, on one event loop.

    Address space in the processes is bounded by `children * limits.memory` beyond what idle ones have.

    Args:
        children: pictures decoded at once.
        image_limits: what a picture may be.
        limits: what decoding one may cost.
        most_waiting: callers that may wait for a process; more are turned away.
    """

    def __init__(
        self,
        *,
        children: int = 2,
        image_limits: ImageLimits | None = None,
        limits: DecoderLimits | None = None,
        most_waiting: int = 64,
    ) -> None:
        self._image_limits = image_limits or ImageLimits()
        self._limits = limits or DecoderLimits()
        self._most_waiting = most_waiting
        self._slots = [_Slot() for _ in range(children)]
        self._idle: asyncio.Queue[_Slot | None] = asyncio.Queue()
        self._works: set[asyncio.Task[_Answer]] = set()
        self._renewals: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        """Start the processes and wait until they are ready.

        Raises:
            Unavailable: one does not start.
        """
        try:
            _check(await asyncio.gather(*map(self._start, self._slots), return_exceptions=True))
        except BaseException:
            await self.close()
            raise
        for slot in self._slots:
            self._idle.put_nowait(slot)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that live."""
        return tuple(slot.child.pid for slot in self._slots if slot.child is not None and slot.child.alive)

    @property
    def waiting(self) -> int:
        """Callers that wait for a process."""
        return self._waiting

    async def decode(self, data: bytes, deadline: Deadline = NEVER) -> Picture:
        """Decode one file.

        When the caller is cancelled, or its deadline passes, its place is free again after `limits.grace` seconds
        and the time that a new process takes to start, at most.

        Args:
            data: the whole file.
            deadline: when the caller stops waiting.

        Raises:
            PayloadTooLarge: the file has too many bytes.
            UnsupportedMediaType: it is in no format that is taken, or in a variant that is not.
            InvalidRequest: it is empty, cut off or damaged, holds more than one picture, has too many pixels, is
                followed by something else, or needs more memory or time than a picture may.
            DeadlineExceeded: `deadline` passed.
            Overloaded: too many wait already.
            Draining: the pool closes.
            Unavailable: no decoder process can be started.
        """
        deadline.check()
        header = read_header(data, self._image_limits)
        slot = await self._take(deadline)
        work = asyncio.create_task(self._work(slot, data, header))
        self._works.add(work)
        work.add_done_callback(self._worked)
        try:
            async with _until(deadline):
                answer = await asyncio.shield(work)
        except TimeoutError:
            raise _too_late() from None
        finally:
            if not work.done():
                asyncio.get_running_loop().call_later(self._limits.grace, work.cancel)
        if isinstance(answer, Refused):
            raise _refusal(answer)
        report, pixels = answer
        digest = await asyncio.to_thread(_sha256, data)
        return Picture(pixels, _facts(data, digest, header, report))

    async def close(self) -> None:
        """Turn callers away and end the processes; idempotent. Whoever still waits gets `Draining`."""
        self._closed = True
        self._idle.put_nowait(None)
        for slot in self._slots:
            if slot.child is not None:
                slot.child.kill()
        for renewal in self._renewals:
            renewal.cancel()
        await asyncio.gather(*self._works, *self._renewals, return_exceptions=True)
        for slot in self._slots:
            await slot.end()

    async def _take(self, deadline: Deadline) -> _Slot:
        if self._closed:
            raise _draining()
        if self._idle.empty() and self._waiting >= self._most_waiting:
            raise Overloaded("Too many images wait to be decoded. Try again soon.", retry_after=1.0)
        self._waiting += 1
        try:
            async with _until(deadline):
                slot = await self._idle.get()
        except TimeoutError:
            raise _too_late() from None
        finally:
            self._waiting -= 1
        if slot is None or self._closed:
            # Each who waits wakes the next one.
            self._idle.put_nowait(None)
            raise _draining()
        return slot

    async def _work(self, slot: _Slot, data: bytes, header: Header) -> _Answer:
        """Decode in a slot and give the slot back, whatever happens."""
        fit = False
        try:
            child = await self._ready(slot)
            try:
                async with asyncio.timeout(self._limits.seconds):
                    answer = await child.decode(data, header)
            except DecoderGone:
                if self._closed:
                    raise _draining() from None
                _LOG.warning("A decoder process ended on a picture: %s", header)
                raise InvalidRequest(
                    "The image ended the process that decoded it: it is damaged, or takes too long. Save it anew.",
                    param="image",
                ) from None
            except TimeoutError:
                _LOG.warning("A picture took too long to decode: %s", header)
                raise InvalidRequest(
                    f"The image took longer than {self._limits.seconds:g} s to decode. Save it anew, uncompressed.",
                    param="image",
                ) from None
            if isinstance(answer, Refused):
                _LOG.info("A picture was refused (%s, %r): %s", answer.reason, answer.kind, header)
                fit = answer.reason != "memory"
            else:
                fit = True
            fit = fit and child.decoded < self._limits.pictures
            return answer
        finally:
            self._free(slot, fit=fit)

    def _free(self, slot: _Slot, *, fit: bool) -> None:
        if self._closed:
            return
        if fit:
            self._idle.put_nowait(slot)
            return
        renewal = asyncio.create_task(self._renew(slot))
        self._renewals.add(renewal)
        renewal.add_done_callback(self._renewals.discard)

    async def _renew(self, slot: _Slot) -> None:
        """Put a new process into a slot and offer the slot again, empty if none starts."""
        await slot.end()
        try:
            await self._start(slot)
        except Unavailable as error:
            _LOG.warning("%s", error.message)
        self._idle.put_nowait(slot)

    async def _ready(self, slot: _Slot) -> DecoderChild:
        """The process of a slot; another one where it died while nobody asked it anything."""
        if slot.child is not None and slot.child.alive:
            return slot.child
        await slot.end()
        return await self._start(slot)

    async def _start(self, slot: _Slot) -> DecoderChild:
        try:
            slot.child = await DecoderChild.start(self._limits, self._image_limits.pixels)
        except (DecoderGone, OSError):
            raise Unavailable("A process that decodes images did not start. Try again soon.", retry_after=5.0) from None
        return slot.child

    def _worked(self, work: asyncio.Task[_Answer]) -> None:
        self._works.discard(work)
        # Its caller may have left: what it raised is then nobody's.
        if not work.cancelled():
            work.exception()


@dataclass(slots=True)
class _Slot:
    """A place for one process.

    Attributes:
        child: the process; None while it is replaced, and after it could not be.
    """

    child: DecoderChild | None = None

    async def end(self) -> None:
        child, self.child = self.child, None
        if child is not None:
            await child.end()


_Answer = tuple[Decoded, Pixels] | Refused


def _check(outcomes: Iterable[object]) -> None:
    """Raise the first of the outcomes that is an error; all have come to their end by then."""
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


def _until(deadline: Deadline) -> asyncio.Timeout:
    return asyncio.timeout(None if math.isinf(deadline.at) else deadline.remaining)


def _too_late() -> DeadlineExceeded:
    return DeadlineExceeded("The request's deadline passed before its image was decoded. Allow it more time.")


def _draining() -> Draining:
    return Draining("This server is going away and decodes no more images. Send it again.", retry_after=1.0)


def _refusal(refused: Refused) -> InvalidRequest:
    if refused.reason == "memory":
        return InvalidRequest(
            "The image needs more memory to decode than one image may take. Make it smaller, or cut it into parts.",
            param="image",
        )
    return InvalidRequest(
        "The image cannot be decoded: it is damaged, or a rare variant of its format. Save it anew as a plain PNG.",
        param="image",
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _facts(data: bytes, sha256: str, header: Header, report: Decoded) -> ImageFacts:
    return ImageFacts(
        header.format,
        len(data),
        sha256,
        report.width,
        report.height,
        header.bit_depth,
        report.orientation,
        report.conversions,
    )
