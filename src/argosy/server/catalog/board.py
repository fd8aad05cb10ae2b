"""How the runtime and its models stand, as last heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

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
        self._asleep: Mapping[str, str] = {}

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

    def sleep(self, models: Mapping[str, str]) -> None:
        """Name the models that are not in memory and load when they are asked for, each with what it waits for."""
        self._asleep = models

    def check_reachable(self, model: str) -> None:
        """Refuse a model that a request would not reach, not even after a wait for its load.

        Raises:
            ModelNotReady: as `check`.
        """
        if model not in self._asleep or self._status.state not in _LOADING_STATES:
            self.check(model)

    def check(self, model: str) -> None:
        """Refuse a model that cannot take a request now.

        Raises:
            ModelNotReady: with the reason in words and when to try again.
        """
        if model not in self._ready:
            raise self.refusal(model)

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
        asleep = self._asleep.keys() & (self._required or ())
        return [
            *(ModelStatus(name, ModelState.LOADING, self._asleep[name]) for name in sorted(asleep)),
            *(
                model
                for name, model in self._status.models.items()
                if model.state is not ModelState.READY
                and (self._required is None or name in self._required)
                and name not in asleep
            ),
        ]

    def refusal(self, name: str) -> ModelNotReady:
        """What a request for a model that is not ready is told."""
        model = self._status.models.get(name)
        if self._status.state not in _LOADING_STATES:
            why = _with_reason(_RUNTIME[self._status.state], self._status.reason)
            text = f"Model '{name}' cannot answer now: {why}. Try again shortly."
        elif name in self._asleep:
            text = f"Model '{name}' takes no request at once: {self._asleep[name].rstrip('.')}."
        elif model is None:
            text = f"Model '{name}' is not loaded yet. Try again shortly."
        else:
            text = f"Model '{name}' {_with_reason(_WORDS[model.state], model.reason)}. Try again shortly."
        return ModelNotReady(text, param="model", retry_after=max(1.0, self._status.retry_after))


def _with_reason(text: str, reason: str) -> str:
    return f"{text} ({reason.rstrip('.')})" if reason else text
