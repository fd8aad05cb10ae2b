"""Served models by the names clients use."""

from __future__ import annotations

import dataclasses
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
        entry: where it is on disk, or None when it has no place there.
        max_batch_size: most rows in one call, as its config says; 0 when that is not known, or it takes single rows.
    """

    name: str
    root: str
    spec: ModelSpec
    created: int
    entry: ModelEntry | None = None
    max_batch_size: int = 0

    @property
    def task(self) -> Task:
        """What the model does."""
        return self.spec.task

    @property
    def parent(self) -> str | None:
        """The model this one is an adapter of, or None."""
        return self.spec.parent

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


@dataclass(frozen=True, slots=True)
class _Names:
    """Every public name at one moment.

    Attributes:
        models: by public name, in the order they are listed.
        meanings: what a name means to a task; holds further names that are not listed.
    """

    models: Mapping[str, ServedModel]
    meanings: Mapping[str, Mapping[Task, Named]]


class Catalog:
    """The served models of one server. They may be replaced while requests are in flight.

    Guarantees: whoever looks sees the models from before or from after a replacement, never a mixture; a
    `ServedModel` once handed out stays valid.

    Args:
        entries: the model store entries to serve, their names distinct.
        aliases: further public names, each for the name of an entry.
        created: seconds since 1970; now when None.

    Raises:
        InvalidSetting: two models share a name, or an alias is taken or points nowhere.
    """

    def __init__(
        self, entries: Iterable[ModelEntry] = (), aliases: Mapping[str, str] | None = None, created: int | None = None
    ) -> None:
        since = int(time.time()) if created is None else created
        self._aliases = dict(aliases or {})
        models = _listing([ServedModel(entry.name, entry.name, entry.spec, since, entry) for entry in entries])
        for alias, name in self._aliases.items():
            # A catalogue that begins empty hears later what it serves.
            if models and name not in models:
                raise InvalidSetting(f"The alias {alias!r} points to {name!r}, which is not served.")
        self._names = _name(models, self._aliases)

    def replace(self, entries: Iterable[ModelEntry], batches: Mapping[str, int] | None = None) -> None:
        """Serve these from now on. A model that stays keeps its `created`; an alias is there while its model is.

        Args:
            entries: as for the constructor.
            batches: most rows in one call, by the entry's name.

        Raises:
            InvalidSetting: two models share a name, or one takes an alias; nothing has changed then.
        """
        now = int(time.time())
        old = self._names.models
        models = []
        for entry in entries:
            known = old.get(entry.name)
            stays = known is not None and known.root == entry.name
            created = known.created if known and stays else now
            rows = (batches or {}).get(entry.name, 0)
            models.append(ServedModel(entry.name, entry.name, entry.spec, created, entry, rows))
        self._names = _name(_listing(models), self._aliases)

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """Every public name: language models first, adapters after what they adapt, aliases last."""
        return tuple(self._names.models.values())

    def get(self, name: str) -> ServedModel:
        """The model of that public name.

        Raises:
            ModelNotFound: there is none; the message lists what is served.
        """
        models = self._names.models
        try:
            return models[name]
        except KeyError:
            raise _unknown(name, models) from None

    def resolve(self, name: str, task: Task) -> Named:
        """What `name` means to a route for `task`; embedding names may end in `-query` or `-passage`.

        Raises:
            ModelNotFound: nothing has that name.
            InvalidRequest: the model does something else; the message names the route that serves it.
        """
        try:
            return self._names.meanings[name][task]
        except KeyError:
            pass
        model = self.get(name)
        raise InvalidRequest(
            f"Model '{_shown(name)}' does not do this ({task}). It is served at {_ROUTES[model.task]}.", param="model"
        )


def _listing(models: Iterable[ServedModel]) -> dict[str, ServedModel]:
    """Models by name; clients without a choice take the first, so no adapter may stand there."""
    listing: dict[str, ServedModel] = {}
    for model in sorted(models, key=lambda model: (_CHAT_FIRST[model.task], model.parent is not None, model.name)):
        _add(listing, model)
    return listing


def _name(models: dict[str, ServedModel], aliases: Mapping[str, str]) -> _Names:
    for alias, name in aliases.items():
        if name in models:
            model = models[name]
            _add(models, dataclasses.replace(model, name=alias))
    meanings = {name: {model.task: Named(model)} for name, model in models.items()}
    for model in models.values():
        if model.task is not Task.EMBED:
            continue
        for input_type in _INPUT_TYPES:
            name = f"{model.name}-{input_type}"
            if name not in models:
                meanings[name] = {Task.EMBED: Named(model, input_type)}
    return _Names(models, meanings)


def _unknown(name: str, models: Mapping[str, ServedModel]) -> ModelNotFound:
    names = list(models)
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
