from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from argosy.core.errors import ModelLoadFailed, ModelNotFound, Unavailable
from argosy.server.access.contract import Headers, Principal
from argosy.server.control.repository import RepositoryEntry, RepositoryState, check_model_name
from tests.suites.gateway import gateway
from tests.unit.api.conftest import calling

ENTRIES = (
    RepositoryEntry("abacus", "1", RepositoryState.READY),
    RepositoryEntry("zebra", "2", RepositoryState.UNAVAILABLE, "unloaded"),
)


@dataclass
class Recorder:
    """A repository that notes its orders.

    Attributes:
        failure: raised by the next order.
    """

    orders: list[tuple[str, str]] = field(default_factory=list)
    failure: Exception | None = None

    async def index(self, *, ready_only: bool = False) -> Sequence[RepositoryEntry]:
        self._note("index", str(ready_only))
        return [entry for entry in ENTRIES if not ready_only or entry.state is RepositoryState.READY]

    async def load(self, name: str) -> None:
        self._note("load", name)

    async def unload(self, name: str) -> None:
        self._note("unload", name)

    def _note(self, order: str, name: str) -> None:
        if order != "index":
            check_model_name(name)
        if self.failure is not None:
            raise self.failure
        self.orders.append((order, name))


class Roles:
    """The key is the role."""

    async def authenticate(self, headers: Headers) -> Principal:
        key = dict(headers).get(b"authorization", b"").decode()
        return Principal(key, operator=key == "operator")


@pytest.fixture
def repository() -> Recorder:
    return Recorder()


@pytest.fixture
async def client(tmp_path: Path, repository: Recorder) -> AsyncIterator[httpx.AsyncClient]:
    """An operator's client."""
    async with (
        gateway(tmp_path, authenticator=Roles(), repository=repository, templates_loaded=False) as server,
        calling(server) as ready,
    ):
        ready.headers["authorization"] = "operator"
        yield ready


async def test_the_index_lists_every_model(client: httpx.AsyncClient) -> None:
    """As Triton does: a list, with a reason where a model is not ready; clients send no body."""
    reply = await client.post("/v2/repository/index")
    assert reply.json() == [
        {"name": "abacus", "version": "1", "state": "READY", "reason": ""},
        {"name": "zebra", "version": "2", "state": "UNAVAILABLE", "reason": "unloaded"},
    ]


async def test_the_index_may_be_of_ready_models(client: httpx.AsyncClient) -> None:
    """`ready` asks for it."""
    reply = await client.post("/v2/repository/index", json={"ready": True})
    assert [entry["name"] for entry in reply.json()] == ["abacus"]


async def test_models_are_loaded_and_unloaded(client: httpx.AsyncClient, repository: Recorder) -> None:
    """With what tritonclient sends, or with nothing."""
    sent = [
        ("load", b"{}"),
        ("load", b""),
        ("load", b'{"parameters": {}}'),
        ("unload", b'{"parameters": {"unload_dependents": false}}'),
        ("unload", b""),
    ]
    for order, body in sent:
        reply = await client.post(f"/v2/repository/models/zebra/{order}", content=body)
        assert (reply.status_code, reply.json()) == (200, {})
    assert repository.orders == [(order, "zebra") for order, _ in sent]


@pytest.mark.parametrize(
    ("order", "parameters", "words"),
    [
        ("load", {"config": "{}"}, "'parameters.config'"),
        ("load", {"file:1/model.py": "cHJpbnQoKQ=="}, "'parameters.file:1/model.py'"),
        ("load", {"file:../../x": "eA=="}, "'parameters.file:../../x'"),
        ("unload", {"unload_dependents": True}, "Unload each model"),
        ("unload", {"unload_dependents": 1}, "true or false"),
        ("unload", {"config": "{}"}, "'parameters.config'"),
    ],
)
async def test_nothing_of_a_model_comes_with_an_order(
    client: httpx.AsyncClient, repository: Recorder, order: str, parameters: dict[str, object], words: str
) -> None:
    """V4, R1: configurations and files from a client are refused before anybody sees them."""
    reply = await client.post(f"/v2/repository/models/zebra/{order}", json={"parameters": parameters})
    assert reply.status_code == 400
    assert words in reply.json()["error"]
    assert repository.orders == []


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"parameters": 5}'])
async def test_a_broken_order_is_400(client: httpx.AsyncClient, repository: Recorder, body: bytes) -> None:
    """And is not carried out."""
    reply = await client.post("/v2/repository/models/zebra/unload", content=body)
    assert reply.status_code == 400
    assert repository.orders == []


@pytest.mark.parametrize("name", ["..", "..%5Cx", "a%00b", "x" * 256, "%ef%bc%8e%ef%bc%8e", "file:x", "A"])
async def test_names_are_names(client: httpx.AsyncClient, repository: Recorder, name: str) -> None:
    """V4: what could leave its directory never becomes an order."""
    reply = await client.post(f"/v2/repository/models/{name}/load")
    assert reply.status_code in {400, 404}
    assert repository.orders == []


@pytest.mark.parametrize("path", ["/index", "/models/zebra/load", "/models/zebra/unload"])
@pytest.mark.parametrize("body", [b"{}", b"{"])
async def test_orders_are_for_operators(
    client: httpx.AsyncClient, repository: Recorder, path: str, body: bytes
) -> None:
    """Everybody else is told so, whatever the body."""
    reply = await client.post(f"/v2/repository{path}", content=body, headers={"authorization": "user"})
    assert reply.status_code == 403
    assert "operator" in reply.json()["error"]
    assert repository.orders == []


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://argosy", 200),
        ("https://argosy", 200),
        ("http://evil.example", 403),
        ("http://argosy.evil.example", 403),
        ("null", 403),
    ],
)
async def test_another_sites_page_gives_no_orders(
    client: httpx.AsyncClient, repository: Recorder, origin: str, status: int
) -> None:
    """A browser sends them without asking when the body is plain text."""
    headers = {"origin": origin, "content-type": "text/plain"}
    reply = await client.post("/v2/repository/models/zebra/unload", content=b"{}", headers=headers)
    assert reply.status_code == status
    assert len(repository.orders) == (status == 200)


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (ModelNotFound("There is no model 'zebra'."), 404),
        (ModelLoadFailed("It has no weights."), 400),
        (Unavailable("The supervisor does not answer."), 503),
    ],
)
async def test_what_goes_wrong_is_told(
    client: httpx.AsyncClient, repository: Recorder, failure: Exception, status: int
) -> None:
    """With the repository's own words."""
    repository.failure = failure
    reply = await client.post("/v2/repository/models/zebra/load")
    assert reply.status_code == status
    assert reply.json()["error"].endswith(str(failure))


async def test_without_a_repository_there_are_no_orders(tmp_path: Path) -> None:
    """The error says why."""
    async with gateway(tmp_path, authenticator=Roles(), templates_loaded=False) as server, calling(server) as client:
        reply = await client.post("/v2/repository/index", headers={"authorization": "operator"})
    assert reply.status_code == 400
    assert "started with" in reply.json()["error"]
