from __future__ import annotations

from itertools import count

from argosy.runtime.triton.streams import StreamPool


class Call:
    """As much of a gRPC call as the pool looks at."""

    def __init__(self) -> None:
        self.ended = False
        self.cancelled = False

    def done(self) -> bool:
        return self.ended

    def cancel(self) -> None:
        self.cancelled = True


async def new_call() -> Call:
    return Call()


async def test_a_stream_given_back_is_taken_again() -> None:
    """Opening happens once for requests that follow one another."""
    opened = count()

    async def open_call() -> Call:
        next(opened)
        return Call()

    pool = StreamPool(open_call)
    first = await pool.take("m")
    pool.give_back("m", first)
    assert await pool.take("m") is first
    assert next(opened) == 1


async def test_requests_at_the_same_time_have_streams_of_their_own() -> None:
    """A stream carries one request at a time."""
    pool = StreamPool(new_call)
    assert await pool.take("m") is not await pool.take("m")


async def test_a_stream_that_ended_while_idle_is_not_handed_out() -> None:
    """The server may close an idle stream; the next request gets a new one."""
    pool = StreamPool(new_call)
    first = await pool.take("m")
    pool.give_back("m", first)
    first.ended = True
    assert await pool.take("m") is not first


async def test_after_close_nothing_is_kept() -> None:
    """A stream that comes back late is reset, not kept."""
    pool = StreamPool(new_call)
    late = await pool.take("m")
    pool.close()
    pool.give_back("m", late)
    assert late.cancelled
    assert await pool.take("m") is not late


async def test_idle_streams_can_be_had_to_be_ended() -> None:
    """Those that ended by themselves are left out, and the pool goes on with new ones."""
    pool = StreamPool(new_call)
    kept, ended = await pool.take("m"), await pool.take("m")
    pool.give_back("m", kept)
    pool.give_back("m", ended)
    ended.ended = True
    assert pool.take_idle() == [kept]
    assert pool.take_idle() == []
    assert await pool.take("m") is not kept


async def test_a_stream_is_kept_for_its_model() -> None:
    """Another model's request gets another stream, and all are had when the idle ones are asked for."""
    pool = StreamPool(new_call)
    first = await pool.take("m")
    pool.give_back("m", first)
    other = await pool.take("other")
    assert other is not first
    pool.give_back("other", other)
    assert pool.take_idle() == [first, other]
