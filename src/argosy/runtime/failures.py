"""The fixed errors of the data plane, worded once for every runtime."""

from __future__ import annotations

from argosy.core.errors import (
    DeadlineExceeded,
    EngineCrashed,
    InvalidRequest,
    ModelNotFound,
    ModelNotReady,
    NotFound,
    Overloaded,
    Unavailable,
)

RETRY_AFTER = 2.0
"""Seconds after which a restarted runtime usually answers again."""


def crashed(model: str) -> EngineCrashed:
    """A process died or stalled while it had the request."""
    return EngineCrashed(
        f"The process serving {model!r} stopped while it had this request. It is being restarted; send it again.",
        retry_after=RETRY_AFTER,
    )


def deadline_exceeded() -> DeadlineExceeded:
    """The request's time is over."""
    return DeadlineExceeded("The request's deadline passed. Raise x-request-timeout-ms or send less at once.")


def not_found(model: str) -> ModelNotFound:
    """Nobody wanted a model of that name."""
    return ModelNotFound(f"The model {model!r} does not exist.", param="model")


def no_version(model: str) -> NotFound:
    """The model is there, the version is not."""
    return NotFound(f"The model {model!r} has no such version.", param="version")


def not_ready(model: str) -> ModelNotReady:
    """The model is known and takes no requests."""
    return ModelNotReady(f"The model {model!r} is not ready yet.", retry_after=RETRY_AFTER)


def not_up() -> Unavailable:
    """There is no runtime that could answer."""
    return Unavailable("The serving runtime does not answer now. Try again shortly.", retry_after=RETRY_AFTER)


def queue_full(model: str) -> Overloaded:
    """No more requests may wait for the model."""
    return Overloaded(f"The queue of {model!r} is full. Try again shortly.", retry_after=1.0)


def queue_timeout(model: str) -> Overloaded:
    """The request waited too long for its turn."""
    return Overloaded(f"The request waited too long in the queue of {model!r}.", retry_after=1.0)


def streams_only(model: str) -> InvalidRequest:
    """The model gives any number of answers and was asked for one."""
    return InvalidRequest(
        f"The model {model!r} answers in a stream only. Call it by generate_stream over REST or ModelStreamInfer over "
        "gRPC.",
        param="model",
    )
