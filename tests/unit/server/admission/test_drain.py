from __future__ import annotations

import asyncio

from argosy.core.errors import ArgosyError, Draining, ModelNotFound
from argosy.server.admission.drain import Drain


class Request:
    """Something in flight that leaves when it is interrupted."""

    def __init__(self, drain: Drain) -> None:
        self.drain = drain
        self.error: ArgosyError | None = None
        self.handle = drain.enter(self.interrupt)

    def interrupt(self, error: ArgosyError) -> None:
        self.error = error
        self.drain.leave(self.handle)


async def test_an_idle_server_is_done_at_once() -> None:
    """Nothing to wait for."""
    drain = Drain()
    assert await drain.finish(3600) == 0
    assert drain.draining


async def test_it_waits_for_the_last_request() -> None:
    """And ends with it, uninterrupted."""
    drain = Drain()
    request = Request(drain)
    finishing = asyncio.create_task(drain.finish(3600))
    await asyncio.sleep(0.01)
    assert not finishing.done()
    drain.leave(request.handle)
    assert await finishing == 0
    assert request.error is None


async def test_what_is_left_is_ended() -> None:
    """After the time given, with the error that clients retry on."""
    drain = Drain()
    requests = [Request(drain) for _ in range(3)]
    assert await drain.finish(0.01) == 3
    assert all(isinstance(request.error, Draining) for request in requests)
    assert drain.in_flight == 0


async def test_hurry_ends_the_wait() -> None:
    """A second signal."""
    drain = Drain()
    request = Request(drain)
    finishing = asyncio.create_task(drain.finish(3600))
    await asyncio.sleep(0.01)
    drain.hurry()
    assert await finishing == 1
    assert isinstance(request.error, Draining)


async def test_begin_is_idempotent() -> None:
    """And does not wait."""
    drain = Drain()
    Request(drain)
    drain.begin()
    drain.begin()
    assert (drain.draining, drain.in_flight) == (True, 1)


class ForModel:
    """What a request is about; not known at first."""

    model = ""


async def test_it_knows_which_models_are_at_work_and_ends_their_requests_only() -> None:
    """The model of a request may become known after it has entered."""
    drain = Drain()
    subject, errors = ForModel(), list[ArgosyError]()
    handle = drain.enter(errors.append, subject)
    other = Request(drain)
    assert not drain.busy("parrot")
    subject.model = "parrot"
    assert drain.busy("parrot")
    gone = ModelNotFound("gone")
    drain.end("parrot", gone)
    assert errors == [gone]
    assert other.error is None
    drain.leave(handle)
    assert not drain.busy("parrot")
