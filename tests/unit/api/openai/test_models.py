from __future__ import annotations

import httpx


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
