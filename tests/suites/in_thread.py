"""A server in a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager


@contextlib.contextmanager
def served(server: AbstractAsyncContextManager[str]) -> Iterator[str]:
    """What `server` yields, its address, while it runs in a thread with an event loop."""
    started, done = threading.Event(), threading.Event()
    address: list[str] = []

    async def serve() -> None:
        async with server as found:
            address.append(found)
            started.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="server")
    thread.start()
    try:
        assert started.wait(60), "the server did not start"
        yield address[0]
    finally:
        done.set()
        thread.join(60)
