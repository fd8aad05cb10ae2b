"""Triton's model repository extension over gRPC, for operators only.

Nothing of a model may come with the request: Triton's `config` and `file:` parameters would be code and files from
a client.
"""

from __future__ import annotations

from collections.abc import Iterable

from tritonclient.grpc import service_pb2 as pb

from argosy.api.kserve.grpc.exchange import Exchange
from argosy.api.kserve.grpc.messages import parse
from argosy.core.errors import ModelLoadFailed, ModelNotFound, PermissionDenied, UnsupportedParameter
from argosy.server.control.repository import ModelRepository

_DEPENDENTS = "unload_dependents"


class RepositoryMethods:
    """Passes orders of operators on.

    Args:
        repository: None where this server cannot take such orders.
    """

    def __init__(self, repository: ModelRepository | None) -> None:
        self._repository = repository

    async def index(self, exchange: Exchange, data: bytes) -> bytes:
        """Every model known, or every model that is ready."""
        repository = self._open(exchange)
        asked = parse(pb.RepositoryIndexRequest, data)
        _check_name(asked.repository_name)
        answer = pb.RepositoryIndexResponse()
        for entry in await repository.index(ready_only=asked.ready):
            answer.models.add(name=entry.name, version=entry.version, state=entry.state.value, reason=entry.reason)
        found: bytes = answer.SerializeToString()
        return found

    async def load(self, exchange: Exchange, data: bytes) -> bytes:
        """Serve a model, or its newest form; returns when it answers."""
        repository = self._open(exchange)
        asked = parse(pb.RepositoryModelLoadRequest, data)
        _check_name(asked.repository_name)
        _refuse(asked.parameters)
        name = asked.model_name
        try:
            await repository.load(name)
        except (ModelLoadFailed, ModelNotFound) as error:
            # Triton's words, which clients look for.
            raise type(error)(f"failed to load '{name}': {error.message}", param="model") from None
        return b""

    async def unload(self, exchange: Exchange, data: bytes) -> bytes:
        """Serve a model no longer; returns when it is gone."""
        repository = self._open(exchange)
        asked = parse(pb.RepositoryModelUnloadRequest, data)
        _check_name(asked.repository_name)
        if asked.parameters[_DEPENDENTS].bool_param:
            raise UnsupportedParameter(
                f"'{_DEPENDENTS}' is not supported. Unload each model by its name.", param=f"parameters.{_DEPENDENTS}"
            )
        _refuse(name for name in asked.parameters if name != _DEPENDENTS)
        await repository.unload(asked.model_name)
        return b""

    def _open(self, exchange: Exchange) -> ModelRepository:
        """The repository, for those who may use it.

        Raises:
            PermissionDenied: the caller is no operator.
            UnsupportedParameter: there is nothing that would take the order.
        """
        if not exchange.caller.principal.operator:
            raise PermissionDenied("Only an operator may look into the model repository, load and unload models.")
        if self._repository is None:
            raise UnsupportedParameter("This server serves the models it was started with and takes no such orders.")
        return self._repository


def _check_name(repository: str) -> None:
    if repository:
        raise UnsupportedParameter(
            "There is one model repository, which has no name. Leave 'repository_name' out.", param="repository_name"
        )


def _refuse(given: Iterable[str]) -> None:
    for name in given:
        at = f"parameters.{name}"[:128]
        raise UnsupportedParameter(
            f"'{at}' is not supported: a model is loaded as it lies in the model store. Leave it out.", param=at
        )
