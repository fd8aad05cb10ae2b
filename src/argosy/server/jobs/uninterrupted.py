"""Work that a cancellation waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def uninterrupted(work: Coroutine[Any, Any, Result]) -> Result:
    """Do the work to its end; a cancellation that comes meanwhile goes on afterwards.

    Args:
        work: ends by itself within a bounded time.
    """
    task = asyncio.ensure_future(work)
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
        except Exception:  # noqa: BLE001, S110 - raised below
            pass
    if cancelled:
        # Its own error has nobody left to hear it.
        _ = task.cancelled() or task.exception()
        raise asyncio.CancelledError
    return task.result()
