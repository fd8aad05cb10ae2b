"""The renderer's process, from the server's side: started on demand, replaced when it dies."""

from __future__ import annotations

import asyncio
import logging
import sys

from argosy.server.text import frames

_LOG = logging.getLogger(__name__)
_START_SECONDS = 20.0
_STOP_SECONDS = 2.0


class RendererDied(Exception):
    """The process ended, or had to be ended, before it answered."""


class RendererProcess:
    """One child process that answers one question at a time.

    The child gets an empty environment (no key can leak into a template) and no open files but its pipes. It ends
    with this process, because its standard input does.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> RendererProcess:
        """Start one.

        Raises:
            OSError: the machine cannot start a process now.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "argosy.server.text.renderer",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={"LC_ALL": "C.UTF-8"},
        )
        renderer = cls(process)
        try:
            await renderer.ask(frames.Load("", ""), _START_SECONDS)
        except BaseException:
            await renderer.stop()
            raise
        return renderer

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def ask(self, question: frames.Question, seconds: float) -> frames.Answer:
        """The answer to `question`; must not be called again before it has returned or raised.

        Raises:
            RendererDied: no answer within `seconds`, or the process ended; it is of no use any more then.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RendererDied
        try:
            async with asyncio.timeout(seconds):
                stdin.write(frames.pack(question))
                await stdin.drain()
                (length,) = frames.LENGTH.unpack(await stdout.readexactly(frames.LENGTH.size))
                if length > frames.LARGEST:
                    raise RendererDied
                return frames.decode_answer(await stdout.readexactly(length))
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as error:
            raise RendererDied from error

    async def stop(self) -> None:
        """Kill it and wait until it is gone; idempotent."""
        if self._process.returncode is None:
            try:
                self._process.kill()
            except ProcessLookupError:
                _LOG.debug("The template renderer had ended already.")
        if self._process.stdin is not None:
            self._process.stdin.close()
        async with asyncio.timeout(_STOP_SECONDS):
            await self._process.wait()
