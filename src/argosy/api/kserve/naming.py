"""Which model a path names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from argosy.api.http.exchange import Exchange
from argosy.core.errors import NotFound
from argosy.server.catalog.catalog import Catalog, ServedModel
from argosy.server.dataplane.infer import check_version


class ModelPaths:
    """Reads the model and the version out of paths."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def find(self, exchange: Exchange) -> tuple[ServedModel, str]:
        """The model of the path and the version asked for, empty for the newest.

        Raises:
            ModelNotFound: nothing has that name.
            InvalidRequest: the version is not a whole number from 1 on.
        """
        model = self._catalog.get(exchange.path_params["model"])
        version: str = exchange.path_params.get("version", "")
        check_version(version)
        return model, version


@contextmanager
def naming_version(model: ServedModel, version: str) -> Iterator[None]:
    """Let the error for a version that does not exist say which one it was."""
    try:
        yield
    except NotFound as error:
        if not version or error.param != "version":
            raise
        raise NotFound(f"The model '{model.name}' has no version {version}.", param="version") from None
