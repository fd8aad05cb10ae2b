"""The catalog as a server of one model would have it."""

from __future__ import annotations

from argosy.core.errors import ModelNotFound
from argosy.core.models import Task
from argosy.server.catalog.catalog import Catalog, ServedModel

_INPUT_TYPES = ("", "-query", "-passage")


class SingleModel:
    """One model of a catalog, with its further names and its adapters, and nothing else.

    Attributes:
        name: the public name it was asked for by; what a request that names no model means.
        served: the model of that name.
    """

    __slots__ = ("_catalog", "name", "served")

    def __init__(self, catalog: Catalog, name: str) -> None:
        """Look the model up.

        Raises:
            ModelNotFound: there is none; the message does not list what is, because probes need no key.
        """
        self._catalog = catalog
        self.name = name
        try:
            self.served = catalog.get(name)
        except ModelNotFound:
            raise ModelNotFound(
                f"The model '{_shown(name)}' does not exist here. /v1/models lists those that do.", param="model"
            ) from None

    @property
    def models(self) -> tuple[ServedModel, ...]:
        """The public names that belong to the model, in the catalog's order."""
        return tuple(model for model in self._catalog.models if self._has(model))

    def get(self, name: str) -> ServedModel:
        """The model of that public name.

        Raises:
            ModelNotFound: it is not the one model, nor an adapter of it.
        """
        for model in self.models:
            if model.name == name:
                return model
        raise self._another(name)

    def check(self, name: str) -> None:
        """Refuse a name that means another model; an embedding model's may end in `-query` or `-passage`.

        Raises:
            ModelNotFound: it does.
        """
        if name == self.name:
            return
        for model in self.models:
            endings = _INPUT_TYPES if model.task is Task.EMBED else _INPUT_TYPES[:1]
            if name in {model.name + ending for ending in endings}:
                return
        raise self._another(name)

    def _has(self, model: ServedModel) -> bool:
        return self.served.root in {model.root, model.parent}

    def _another(self, name: str) -> ModelNotFound:
        return ModelNotFound(
            f"The model '{_shown(name)}' does not exist here; this address serves '{self.name}'. Leave 'model' out, or "
            "use the address without /m/.",
            param="model",
        )


def _shown(name: str) -> str:
    return name if len(name) <= 64 else f"{name[:64]}…"
