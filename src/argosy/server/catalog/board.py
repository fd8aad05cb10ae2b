"""How the runtime and its models stand, as last heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from argosy.core.errors import ModelNotReady
from argosy.core.status import ModelState, ModelStatus, RuntimeState, RuntimeStatus

_WORDS = {
    ModelState.LOADING: "is loading",
    ModelState.FENCED: "is being repaired",
    ModelState.FAILED: "failed to load",
    ModelState.READY: "is ready",
}
_RUNTIME = {
    RuntimeState.STARTING: "the serving runtime is starting",
    RuntimeState.FENCED: "the serving runtime is being repaired",
    RuntimeState.BACKOFF: "the serving runtime waits before its next start",
    RuntimeState.FAILED: "the serving runtime keeps failing and was given up; read the server's log",
    RuntimeState.STOPPED: "the serving runtime is stopped",
}
_LOADING_STATES = frozenset({RuntimeState.STARTING, RuntimeState.READY})
"""A model takes requests while others still load."""


class StatusBoard:
    """Holds the newest `RuntimeStatus`; whoever hears one calls `update`.

    Args:
        on_update: told of every new status, after it is in force.
    """

    def __init__(self, on_update: Callable[[RuntimeStatus], None] | None = None) -> None:
        self._on_update = on_update
        self._status = RuntimeStatus(RuntimeState.STARTING)
        self._ready: frozenset[str] = frozenset()
        self._required: frozenset[str] | None = None

    @property
    def status(self) -> RuntimeStatus:
        """The newest snapshot."""
        return self._status

    @property
    def ready(self) -> bool:
        """Whether the runtime is up and every model that readiness depends on answers."""
        return self._status.state is RuntimeState.READY and not self._missing()

    def update(self, status: RuntimeStatus) -> None:
        """Take over a newer snapshot."""
        self._status = status
        models = status.models.items() if status.state in _LOADING_STATES else ()
        self._ready = frozenset(name for name, model in models if model.state is ModelState.READY)
        if self._on_update is not None:
            self._on_update(status)

    def require(self, models: Iterable[str]) -> None:
        """Name the models that readiness depends on; until then it is all of them.

        A model that is loaded while the server runs, an adapter above all, must not take the server out of service.
        """
        self._required = frozenset(models)

    def check(self, model: str) -> None:
        """Refuse a model that cannot take a request now.

        Raises:
            ModelNotReady: with the reason in words and when to try again.
        """
        if model not in self._ready:
            raise self._not_ready(model)

    def explain(self) -> str:
        """One sentence on what keeps the server from being ready."""
        causes = []
        if self._status.state is not RuntimeState.READY:
            causes.append(_with_reason(_RUNTIME[self._status.state], self._status.reason))
        causes += [
            _with_reason(f"model '{model.name}' {_WORDS[model.state]}", model.reason) for model in self._missing()
        ]
        return f"Not ready: {'; '.join(causes) or 'no model has reported yet'}."

    def _missing(self) -> list[ModelStatus]:
        """The models that keep the server from being ready."""
        return [
            model
            for name, model in self._status.models.items()
            if model.state is not ModelState.READY and (self._required is None or name in self._required)
        ]

    def _not_ready(self, name: str) -> ModelNotReady:
        model = self._status.models.get(name)
        if self._status.state not in _LOADING_STATES:
            why = _with_reason(_RUNTIME[self._status.state], self._status.reason)
            text = f"Model '{name}' cannot answer now: {why}. Try again shortly."
        elif model is None:
            text = f"Model '{name}' is not loaded yet. Try again shortly."
        else:
            text = f"Model '{name}' {_with_reason(_WORDS[model.state], model.reason)}. Try again shortly."
        return ModelNotReady(text, param="model", retry_after=max(1.0, self._status.retry_after))


def _with_reason(text: str, reason: str) -> str:
    return f"{text} ({reason.rstrip('.')})" if reason else text
