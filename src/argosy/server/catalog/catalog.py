"""Served models by the names clients use."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from argosy.core.errors import InvalidRequest, InvalidSetting, ModelNotFound
from argosy.core.models import ModelSpec, Task
from argosy.store.entries import ModelEntry

_INPUT_TYPES = ("query", "passage")
_CHAT_FIRST = {Task.GENERATE: 0, Task.EMBED: 1, Task.RANK: 2, Task.CLASSIFY: 3, Task.TENSOR: 4}
_LONGEST_LIST = 20
_ROUTES = {
    Task.GENERATE: "/v1/chat/completions or /v1/completions",
    Task.EMBED: "/v1/embeddings",
    Task.RANK: "/v1/ranking",
    Task.CLASSIFY: "/v1/classify",
    Task.TENSOR: "/v2/models/{name}/infer",
}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One public name and the model behind it.

    Attributes:
        name: what clients say.
        root: the model's own name; differs from `name` for an alias. It is also the runtime's name for it.
        created: seconds since 1970 at which this server began to serve it.
    """

    name: str
    root: str
    spec: ModelSpec
    created: int

    @property
    def task(self) -> Task:
        """What the model does."""
        return self.spec.task

    @property
    def max_tokens(self) -> int:
        """Longest input (encoders) or context (language models), tokens; 0 when the model reads no text."""
        if self.spec.generate is not None:
            return self.spec.generate.context_length
        return self.spec.text.max_tokens if self.spec.text is not None else 0


@dataclass(frozen=True, slots=True)
class Named:
    """What a client's model name means.

    Attributes:
        input_type: `query` or `passage` when the name ended in `-query` or `-passage`, else None.
    """

    model: ServedModel
    input_type: str | None = None


class Catalog:
    """The served models of one server.

    Args:
        entries: the model store entries to serve, their names distinct.
        aliases: further public names, each for the name of an entry.
        created: seconds since 1970; now when None.

    Raises:
        InvalidSetting: two models share a name, or an alias is taken or points nowhere.
    """

    def __init__(
        self, entries: Iterable[ModelEntry], aliases: Mapping[str, str] | None = None, created: int | None = None
    ) -> None:
        since = int(time.time()) if created is None else created
        models: dict[str, ServedModel] = {}
        for entry in sorted(entries, key=lambda entry: (_CHAT_FIRST[entry.spec.task], entry.name)):
            _add(models, ServedModel(entry.name, entry.name, entry.spec, since))
        for alias, name in (aliases or {}).items():
            if name not in models:
                raise InvalidSetting(f"The alias {alias!r} points to {name!r}, which is not served.")
            _add(models, ServedModel(alias, models[name].root, models[name].spec, since))
        self._names = {name: {task: Named(model)} for name, model in models.items() for task in (model.task,)}
        self._models = models
        self._add_suffixes()

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """Every public name, language models first, aliases last."""
        return tuple(self._models.values())

    def get(self, name: str) -> ServedModel:
        """The model of that public name.

        Raises:
            ModelNotFound: there is none; the message lists what is served.
        """
        try:
            return self._models[name]
        except KeyError:
            raise self._unknown(name) from None

    def resolve(self, name: str, task: Task) -> Named:
        """What `name` means to a route for `task`; embedding names may end in `-query` or `-passage`.

        Raises:
            ModelNotFound: nothing has that name.
            InvalidRequest: the model does something else; the message names the route that serves it.
        """
        try:
            return self._names[name][task]
        except KeyError:
            pass
        model = self.get(name)
        raise InvalidRequest(
            f"Model '{_shown(name)}' does not do this ({task}). It is served at {_ROUTES[model.task]}.", param="model"
        )

    def _add_suffixes(self) -> None:
        for model in self._models.values():
            if model.task is not Task.EMBED:
                continue
            for input_type in _INPUT_TYPES:
                name = f"{model.name}-{input_type}"
                if name not in self._models:
                    self._names[name] = {Task.EMBED: Named(model, input_type)}

    def _unknown(self, name: str) -> ModelNotFound:
        names = list(self._models)
        served = ", ".join(names[:_LONGEST_LIST]) + (", …" if len(names) > _LONGEST_LIST else "")
        return ModelNotFound(
            f"The model '{_shown(name)}' does not exist here. Served: {served or 'nothing'}.", param="model"
        )


def _add(models: dict[str, ServedModel], model: ServedModel) -> None:
    if model.name in models:
        raise InvalidSetting(f"Two served models are named {model.name!r}; rename one.")
    models[model.name] = model


def _shown(name: str) -> str:
    return name if len(name) <= 64 else f"{name[:64]}…"
