"""Triton's model repository extension: what could be served, and the loading and unloading of one model.

For operators only. Nothing of a model may come with the request: Triton's `config` and `file:` parameters would be
code and files from a client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from argosy.api.http.bodies import BodyReader, FieldFact, T
from argosy.api.http.exchange import Exchange
from argosy.api.http.origin import refuse_orders_from_elsewhere
from argosy.api.kserve.messages import IndexBody, LoadBody, UnloadBody
from argosy.api.kserve.replies import to_json
from argosy.core.errors import InvalidRequest, ModelLoadFailed, ModelNotFound, PermissionDenied, UnsupportedParameter
from argosy.server.control.repository import ModelRepository

_DONE = b"{}"
_LOAD_REFUSED = {
    "parameters": "A model is loaded as it lies in the model store.",
    "parameters.config": "A model's configuration is never a client's.",
    "parameters.file:*": "A model's files, which may be code, are never a client's.",
}
_UNLOAD_REFUSED = {
    "parameters": "A model is unloaded by its name, and nothing else goes with it.",
    "parameters.unload_dependents": "Unload each model by its name.",
}


class RepositoryRoutes:
    """Passes orders of operators on.

    Args:
        repository: None where this server cannot take such orders.
    """

    def __init__(self, repository: ModelRepository | None) -> None:
        self._repository = repository
        self._index = BodyReader(IndexBody)
        self._load = BodyReader(LoadBody, refused=_LOAD_REFUSED)
        self._unload = BodyReader(UnloadBody, refused=_UNLOAD_REFUSED)

    def fields(self, kind: type[msgspec.Struct]) -> list[FieldFact]:
        """What becomes of each request field of the body of that kind."""
        readers: tuple[BodyReader[Any], ...] = (self._index, self._load, self._unload)
        (reader,) = (reader for reader in readers if reader.kind is kind)
        return reader.fields()

    async def index(self, exchange: Exchange) -> None:
        """Every model known, or every model that is ready."""
        repository = self._open(exchange)
        wanted = await _read(exchange, self._index)
        entries = await repository.index(ready_only=bool(wanted.ready))
        await exchange.reply(
            to_json(
                [
                    {"name": entry.name, "version": entry.version, "state": entry.state, "reason": entry.reason}
                    for entry in entries
                ]
            )
        )

    async def load(self, exchange: Exchange) -> None:
        """Serve a model, or its newest form; returns when it answers."""
        repository = self._open(exchange)
        sent = await _read(exchange, self._load)
        _refuse(sent.parameters or {})
        name = exchange.path_params["model"]
        try:
            await repository.load(name)
        except (ModelLoadFailed, ModelNotFound) as error:
            # Triton's words, which clients look for.
            raise type(error)(f"failed to load '{name}': {error.message}", param="model") from None
        await exchange.reply(_DONE)

    async def unload(self, exchange: Exchange) -> None:
        """Serve a model no longer; returns when it is gone."""
        repository = self._open(exchange)
        given = dict((await _read(exchange, self._unload)).parameters or {})
        dependents = given.pop("unload_dependents", False)
        if type(dependents) is not bool:
            at = "parameters.unload_dependents"
            raise InvalidRequest(f"'{at}' must be true or false.", param=at)
        if dependents:
            at = "parameters.unload_dependents"
            raise UnsupportedParameter(f"'{at}' is not supported. Unload each model by its name.", param=at)
        _refuse(given)
        await repository.unload(exchange.path_params["model"])
        await exchange.reply(_DONE)

    def _open(self, exchange: Exchange) -> ModelRepository:
        """The repository, for those who may use it.

        Raises:
            PermissionDenied: the caller is no operator, or a browser that another site's page made to ask.
            UnsupportedParameter: there is nothing that would take the order.
        """
        if not exchange.operator:
            raise PermissionDenied("Only an operator may look into the model repository, load and unload models.")
        refuse_orders_from_elsewhere(exchange)
        if self._repository is None:
            raise UnsupportedParameter("This server serves the models it was started with and takes no such orders.")
        return self._repository


async def _read(exchange: Exchange, reader: BodyReader[T]) -> T:
    """The body, which clients leave empty when they want nothing in particular."""
    value, unknown = reader.read(await exchange.payload() or _DONE)
    if unknown:
        exchange.warn(unknown)
    return value


def _refuse(given: Mapping[str, Any]) -> None:
    for name in given:
        at = f"parameters.{name}"[:128]
        raise UnsupportedParameter(
            f"'{at}' is not supported: a model is loaded as it lies in the model store. Leave it out.", param=at
        )
