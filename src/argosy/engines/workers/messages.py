"""What every engine and its worker say to each other. MessagePack, one message a frame."""

from __future__ import annotations

import msgspec


class Cancel(msgspec.Struct, tag=True, frozen=True):
    """End a generation early; one that is over is ignored."""

    handle: int


class LoadFailed(msgspec.Struct, tag=True, frozen=True):
    """The model cannot be loaded."""

    reason: str


class Finish(msgspec.Struct, frozen=True, array_like=True):
    """A generation is over and its slot and cache are free.

    Attributes:
        reason: "stop", "length", "cancelled", or one of the failures "cache_full", "refused" and "fault".
    """

    handle: int
    reason: str


class Step(msgspec.Struct, tag=True, frozen=True):
    """What one forward pass brought.

    Attributes:
        tokens: new tokens by handle.
        finished: generations that ended; their last tokens are in `tokens`.
        kv_cache_usage: 0 to 1.
        logprobs: of the new tokens, by handle, where they are wanted.
    """

    tokens: dict[int, list[int]]
    finished: list[Finish]
    running: int
    kv_cache_usage: float
    logprobs: dict[int, list[float]] = {}


encode = msgspec.msgpack.Encoder().encode
