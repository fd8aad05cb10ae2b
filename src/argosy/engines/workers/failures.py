"""What a generation ends with when the worker could not go on, in the caller's words."""

from __future__ import annotations

from argosy.core.errors import ArgosyError, EngineCrashed, EngineError, Overloaded

_REASONS = {
    "cache_full": "The KV cache is full. Send less at once, or raise the parameter 'kv_cache_gib'.",
    "refused": "The engine does not take this request.",
    "fault": "The engine failed during this answer and has recovered. Try again.",
}


def failure(reason: str) -> ArgosyError | None:
    """The error for a worker's reason to end a generation; None when the reason is no failure."""
    if reason == "cache_full":
        return Overloaded(_REASONS[reason], retry_after=1.0)
    return EngineError(_REASONS[reason]) if reason in _REASONS else None


def stopped() -> EngineError:
    """Before `start` and after `stop`."""
    return EngineError("The engine is not running.")


def healing() -> EngineError:
    """Between two workers."""
    return EngineError("The engine's worker is starting again. Try again in a few seconds.")


def died() -> EngineError:
    """For what a worker took with it."""
    return EngineError("The engine's worker ended during this answer. Try again.")


def crashed() -> EngineCrashed:
    """When no worker will come."""
    return EngineCrashed("The engine's worker keeps ending and is not started again; its log says why.")
