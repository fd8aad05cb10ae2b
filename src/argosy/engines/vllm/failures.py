"""What a generation ends with when vLLM could not go on, in the caller's words."""

from __future__ import annotations

from argosy.core.errors import EngineCrashed, EngineError


def stopped() -> EngineError:
    """Before `start` and after `stop`."""
    return EngineError("The engine is not running.")


def healing() -> EngineError:
    """Between two EngineCores."""
    return EngineError("vLLM's EngineCore is starting again. Try again in a minute.")


def died() -> EngineError:
    """For what an EngineCore took with it."""
    return EngineError("vLLM's EngineCore ended during this answer. Try again in a minute.")


def failed() -> EngineError:
    """For an answer that vLLM gave up while it goes on with others."""
    return EngineError("vLLM gave this answer up; its log says why. Try again.")


def crashed() -> EngineCrashed:
    """When no EngineCore will come."""
    return EngineCrashed("vLLM's EngineCore keeps ending and is not started again; its log says why.")
