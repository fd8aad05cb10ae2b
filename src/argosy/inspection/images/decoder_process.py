"""The process that decodes strangers' pictures, one after another, and has nothing else to lose.

    python -P -m argosy.inspection.images.decoder_process SOCKET PARENT

Before the first stranger's byte it decodes one small picture of each format, so that every module it needs is loaded;
then it gives up opening files and sockets, writing files and making processes, takes on its limits of memory, and says
that it is ready. Each picture gets its own limit of processor time. It ends when its parent does.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import math
import os
import resource
import sys
import warnings
from collections import deque
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from argosy.engines.children import child
from argosy.engines.children.channel import Channel
from argosy.inspection.images import messages
from argosy.inspection.images.headers.header import ImageLimits
from argosy.inspection.images.headers.read import read_header
from argosy.inspection.images.messages import Confine, Confined, Decode, Decoded, Refused
from argosy.inspection.images.samples import decode

_PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    """Answer the pool's orders until it goes; does not return."""
    channel = child.adopt()
    frames = _Frames(channel)
    confine = messages.decode_command(frames.next())
    if not isinstance(confine, Confine):
        raise TypeError(f"The first command must be Confine, not {type(confine).__name__}.")
    warnings.simplefilter("error")
    Image.MAX_IMAGE_PIXELS = confine.pixels
    _warm_up()
    _confine(confine.memory)
    # The pool knows why a process has ended that did not answer.
    with contextlib.suppress(EOFError, OSError, MemoryError):
        channel.send(messages.encode(Confined()))
        _serve(channel, frames, confine.cpu_seconds)
    os._exit(0)


def _serve(channel: Channel, frames: _Frames, cpu_seconds: int) -> None:
    while True:
        order = messages.decode_command(frames.next())
        data = frames.next()
        if not isinstance(order, Decode):
            raise TypeError(f"A command must be Decode, not {type(order).__name__}.")
        _limit_processor(cpu_seconds)
        _answer(channel, order, data)


def _answer(channel: Channel, order: Decode, data: bytes) -> None:
    try:
        samples = decode(data, order.header)
        content = samples.pixels.tobytes()
    except MemoryError as error:
        channel.send(messages.encode(Refused("memory", type(error).__name__)))
        raise
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises is about the picture
        channel.send(messages.encode(Refused("damaged", type(error).__name__[:80])))
        return
    height, width, *channels = samples.pixels.shape
    report = Decoded(
        height,
        width,
        3 if channels else 1,
        16 if samples.pixels.itemsize == 2 else 8,
        samples.orientation,
        samples.conversions,
    )
    channel.send(messages.encode(report))
    channel.send(content)


def _warm_up() -> None:
    """Decode a picture of each kind: what a decoder imports late cannot be imported once files cannot be opened."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    for mode, name, options in (
        ("L", "PNG", {"exif": exif}),
        ("RGBA", "PNG", {}),
        ("P", "PNG", {}),
        ("I;16", "PNG", {}),
        ("RGB", "JPEG", {"exif": exif}),
        ("CMYK", "JPEG", {}),
        ("RGB", "TIFF", {"exif": exif}),
        ("L", "TIFF", {"compression": "tiff_lzw"}),
        ("RGB", "BMP", {}),
    ):
        file = io.BytesIO()
        Image.new(mode, (2, 1)).save(file, name, **options)
        _decode_own(file.getvalue())
    file = io.BytesIO()
    np.save(file, np.zeros((1, 2), np.uint16))
    _decode_own(file.getvalue())


def _decode_own(data: bytes) -> None:
    decode(data, read_header(data, ImageLimits()))


def _confine(memory: int) -> None:
    most = _mapped() + memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(limit, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    # What a decoder's library prints is a stranger's text.
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stderr.fileno())
    os.close(nothing)
    # Those that are open stay so; none can be added.
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def _mapped() -> int:
    """Bytes of address space in use."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


def _limit_processor(seconds: int) -> None:
    """Let the next picture have `seconds`; the kernel counts from the process's start, and kills."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


class _Frames:
    """The frames that arrive, one by one."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: deque[bytes] = deque()

    def next(self) -> bytes:
        """The next frame.

        Raises:
            EOFError: the parent is gone.
        """
        while not self._waiting:
            self._waiting.extend(self._channel.receive())
        return self._waiting.popleft()


if __name__ == "__main__":
    main()
