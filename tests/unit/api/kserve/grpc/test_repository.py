from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from tritonclient.grpc import service_pb2 as pb

from argosy.core.errors import ModelLoadFailed, ModelNotFound
from argosy.server.access.anyone import OpenAccess
from argosy.server.control.repository import RepositoryEntry, RepositoryState
from tests.suites.kserve_grpc import GrpcUnderTest, over_memory


class Orders:
    """A `ModelRepository` that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    async def index(self, *, ready_only: bool = False) -> Sequence[RepositoryEntry]:
        entries = [
            RepositoryEntry("echo", "1", RepositoryState.READY),
            RepositoryEntry("other", "2", RepositoryState.UNAVAILABLE, "unloaded"),
        ]
        return entries[:1] if ready_only else entries

    async def load(self, name: str) -> None:
        if name == "nobody":
            raise ModelNotFound("There is no such model.", param="model")
        if name == "broken":
            raise ModelLoadFailed("It has no weights.")
        self.heard.append(("load", name))

    async def unload(self, name: str) -> None:
        self.heard.append(("unload", name))


@pytest.fixture
def orders() -> Orders:
    return Orders()


def operated(tmp_path: Path, orders: Orders | None, *, operator: bool = True) -> Any:
    return over_memory(tmp_path, repository=orders, authenticator=OpenAccess(operator=operator))


async def load(server: GrpcUnderTest, name: str, **parameters: Any) -> Any:
    request = pb.RepositoryModelLoadRequest(model_name=name)
    for key, value in parameters.items():
        setattr(request.parameters[key.replace("__", ":")], *value)
    return await server.ask("RepositoryModelLoad", request, pb.RepositoryModelLoadResponse)


async def unload(server: GrpcUnderTest, name: str, *, dependents: bool = False, **fields: Any) -> Any:
    request = pb.RepositoryModelUnloadRequest(model_name=name, **fields)
    request.parameters["unload_dependents"].bool_param = dependents
    return await server.ask("RepositoryModelUnload", request, pb.RepositoryModelUnloadResponse)


async def test_the_index(tmp_path: Path, orders: Orders) -> None:
    """Every model known with its state and reason, or only those that are ready."""
    async with operated(tmp_path, orders) as server:
        found = await server.ask("RepositoryIndex", pb.RepositoryIndexRequest(), pb.RepositoryIndexResponse)
        assert [(item.name, item.version, item.state, item.reason) for item in found.models] == [
            ("echo", "1", "READY", ""),
            ("other", "2", "UNAVAILABLE", "unloaded"),
        ]
        ready = await server.ask("RepositoryIndex", pb.RepositoryIndexRequest(ready=True), pb.RepositoryIndexResponse)
        assert [item.name for item in ready.models] == ["echo"]


async def test_orders_are_passed_on(tmp_path: Path, orders: Orders) -> None:
    """Loading and unloading reach the repository by name."""
    async with operated(tmp_path, orders) as server:
        await load(server, "echo")
        await unload(server, "echo")
    assert orders.heard == [("load", "echo"), ("unload", "echo")]


async def test_orders_fail_in_words(tmp_path: Path, orders: Orders) -> None:
    """An unknown model is NOT_FOUND; one that cannot be loaded is FAILED_PRECONDITION with the reason."""
    async with operated(tmp_path, orders) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await load(server, "nobody")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await load(server, "broken")
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert caught.value.details() == "failed to load 'broken': It has no weights."


@pytest.mark.parametrize(
    "parameters",
    [
        {"config": ("string_param", "{}")},
        {"file__1/model.py": ("bytes_param", b"import os")},
        {"file__../../x": ("bytes_param", b"")},
        {"other": ("bool_param", True)},
    ],
    ids=["config", "file", "traversal", "other"],
)
async def test_nothing_of_a_model_comes_with_the_order(
    tmp_path: Path, orders: Orders, parameters: dict[str, Any]
) -> None:
    """Configurations and files from a client are refused, and nothing is loaded."""
    async with operated(tmp_path, orders) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await load(server, "echo", **parameters)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert orders.heard == []


async def test_what_is_not_supported_is_said(tmp_path: Path, orders: Orders) -> None:
    """Dependents are unloaded by name, and there is one repository."""
    async with operated(tmp_path, orders) as server:
        with pytest.raises(grpc.aio.AioRpcError, match="unload_dependents"):
            await unload(server, "echo", dependents=True)
        with pytest.raises(grpc.aio.AioRpcError, match="repository_name"):
            await unload(server, "echo", repository_name="other")
    assert orders.heard == []


async def test_only_operators_give_orders(tmp_path: Path, orders: Orders) -> None:
    """A caller without the right is PERMISSION_DENIED, whatever it asks."""
    async with operated(tmp_path, orders, operator=False) as server:
        for ask in (
            load(server, "echo"),
            unload(server, "echo"),
            server.ask("RepositoryIndex", pb.RepositoryIndexRequest(), pb.RepositoryIndexResponse),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ask
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert orders.heard == []


async def test_a_server_that_takes_no_orders_says_so(tmp_path: Path) -> None:
    """Without a repository orders are refused in words."""
    async with operated(tmp_path, None) as server:
        with pytest.raises(grpc.aio.AioRpcError, match="takes no such orders"):
            await load(server, "echo")
