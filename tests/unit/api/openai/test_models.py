from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx

from argosy.store.entries import ModelEntry
from tests.suites.gateway import Server
from tests.unit.api.conftest import calling


async def test_models_are_listed_language_models_first(client: httpx.AsyncClient) -> None:
    """Clients without a choice take the first whose root is its id; aliases come last."""
    body = (await client.get("/v1/models")).json()
    assert body["object"] == "list"
    assert [model["id"] for model in body["data"]] == ["parrot", "embedder", "ranker", "sentiment", "gpt-parrot"]


async def test_a_card_has_what_clients_read(client: httpx.AsyncClient) -> None:
    """OpenAI's fields and NIM's."""
    card = (await client.get("/v1/models/embedder")).json()
    assert (card["id"], card["object"], card["owned_by"]) == ("embedder", "model", "system")
    assert (card["root"], card["parent"], card["max_model_len"]) == ("embedder", None, 32)
    assert isinstance(card["created"], int)
    assert card["permission"][0]["object"] == "model_permission"


async def test_an_alias_names_its_root(client: httpx.AsyncClient) -> None:
    """As an adapter names its base."""
    card = (await client.get("/v1/models/gpt-parrot")).json()
    assert (card["id"], card["root"], card["parent"]) == ("gpt-parrot", "parrot", "parrot")


async def test_an_unknown_model_is_404(client: httpx.AsyncClient) -> None:
    """In the error shape."""
    reply = await client.get("/v1/models/nothing")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_model_that_comes_while_serving_is_listed_and_an_adapter_points_to_its_base(server: Server) -> None:
    """`root` and `parent` as NIM gives them; the base stays its own root."""
    parrot = server.catalog.get("parrot").spec
    specs = [parrot, replace(parrot, name="loud", parent="parrot")]
    server.catalog.replace([ModelEntry(spec, Path("/store") / spec.name, (1,)) for spec in specs])
    async with calling(server) as client:
        cards = {card["id"]: card for card in (await client.get("/v1/models")).json()["data"]}
        assert list(cards) == ["parrot", "loud", "gpt-parrot"]
        assert (cards["loud"]["root"], cards["loud"]["parent"]) == ("parrot", "parrot")
        assert (cards["parrot"]["root"], cards["parrot"]["parent"]) == ("parrot", None)
        assert (await client.get("/v1/models/embedder")).status_code == 404
