from __future__ import annotations

from typing import Any

import httpx

HOT = ["/v1/embeddings", "/v1/chat/completions", "/v1/completions"]


def references(node: Any) -> set[str]:
    """Every `$ref` in a document."""
    if isinstance(node, dict):
        found = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return found.union(*(references(child) for child in node.values()))
    if isinstance(node, list):
        return set().union(*(references(child) for child in node))
    return set()


async def test_the_document_describes_bodies_and_replies(client: httpx.AsyncClient) -> None:
    """Although no request is validated by the web framework."""
    document = (await client.get("/openapi.json")).json()
    chat = document["paths"]["/v1/chat/completions"]["post"]
    assert chat["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/ChatBody")
    assert set(chat["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    body = document["components"]["schemas"]["ChatBody"]
    assert {"model", "messages"} <= set(body["required"])
    assert body["properties"]["n"]["anyOf"][0] == {"type": "integer", "minimum": 1, "maximum": 8}


async def test_the_document_names_every_status(client: httpx.AsyncClient) -> None:
    """What a client may meet is written down, 422 is not among it."""
    document = (await client.get("/openapi.json")).json()
    for path in HOT:
        statuses = set(document["paths"][path]["post"]["responses"])
        expected = {"200", "400", "401", "403", "404", "405", "408", "413", "415", "431", "500", "502", "503", "504"}
        assert statuses == expected


async def test_the_document_has_no_loose_ends(client: httpx.AsyncClient) -> None:
    """Every reference leads to a schema."""
    document = (await client.get("/openapi.json")).json()
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references(document) <= known


async def test_the_explorer_is_served(client: httpx.AsyncClient) -> None:
    """With a request id like everything else."""
    reply = await client.get("/docs")
    assert reply.status_code == 200
    assert "x-request-id" in reply.headers
