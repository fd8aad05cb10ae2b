"""`NVIDIAEmbeddings` and `NVIDIARerank` of langchain-nvidia-ai-endpoints."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from langchain_core.documents import Document
from langchain_nvidia_ai_endpoints import NVIDIAEmbeddings, NVIDIARerank

from tests.conformance.judges.checking import arefused, main, refused

LONG = "harbour " * 10240
PASSAGES = (
    "Bread needs flour, water and salt.",
    "A tugboat pulls large ships into port.",
    "Cats sleep most of the day.",
    "The moon circles the earth in a month.",
    "Salt keeps fish from rotting.",
)
QUERY = "Which boat helps big ships to dock?"


def embedder(root: str, **fields: Any) -> NVIDIAEmbeddings:
    """A client of the embedding model."""
    return NVIDIAEmbeddings(base_url=f"{root}/v1", model="all-minilm-l6-v2", **fields)


def ranker(root: str, **fields: Any) -> NVIDIARerank:
    """A client of the ranking model."""
    return NVIDIARerank(base_url=f"{root}/v1", model="minilm-reranker", **fields)


def documents(count: int = 13) -> list[Document]:
    """Passages of unlike lengths."""
    return [Document(page_content=f"{PASSAGES[place % 5]} " * (1 + place % 3)) for place in range(count)]


def scores(found: Any) -> list[float]:
    """What the client noted on each document."""
    return [document.metadata["relevance_score"] for document in found]


def alike(left: list[float], right: list[float]) -> bool:
    """Whether two unit vectors point the same way, whatever batch they were in."""
    return _dot(left, right) > 0.999


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


async def check_embed_query(root: str) -> None:
    """A query is a unit vector of 384 numbers, synchronously and not."""
    vector = embedder(root).embed_query("harbour master")
    assert len(vector) == 384
    assert abs(_dot(vector, vector) - 1) < 1e-3
    assert alike(await embedder(root).aembed_query("harbour master"), vector)


async def check_embed_documents(root: str) -> None:
    """Documents come back in their order, one alone or several."""
    texts = ["harbour master", "flour and salt", "harbour"]
    client = embedder(root)
    several = client.embed_documents(texts)
    assert all(alike(vector, client.embed_documents([text])[0]) for text, vector in zip(texts, several, strict=True))
    asynchronous = await client.aembed_documents(texts)
    assert all(map(alike, several, asynchronous))


async def check_embed_in_batches(root: str) -> None:
    """More documents than the client sends at once."""
    texts = [f"harbour {place} " * 32 for place in range(101)]
    assert len(embedder(root).embed_documents(texts)) == 101
    assert len(await embedder(root, max_batch_size=17).aembed_documents(texts)) == 101


async def check_embed_long_refused(root: str) -> None:
    """A text longer than the model reads is refused, alone and among short ones, and the message says the length."""
    refused(partial(embedder(root).embed_query, LONG), "400", "exceeds maximum allowed")
    mixed = ["harbour " * 32] * 99
    mixed[49] = LONG
    refused(partial(embedder(root).embed_documents, mixed), "400", "exceeds maximum allowed")
    await arefused(partial(embedder(root).aembed_query, LONG), "400", "exceeds maximum allowed")
    refused(partial(embedder(root, truncate="NONE").embed_query, LONG), "400", "exceeds maximum allowed")


async def check_embed_truncated(root: str) -> None:
    """START and END cut a long text at that side."""
    head, tail = "flour and salt " * 200, "harbour master " * 200
    ends = {side: embedder(root, truncate=side).embed_query(head + tail) for side in ("START", "END")}
    reference = {
        side: embedder(root, truncate=side).embed_query(text) for side, text in (("START", tail), ("END", head))
    }
    for side, vector in ends.items():
        assert alike(vector, reference[side])
        assert alike(await embedder(root, truncate=side).aembed_query(head + tail), vector)
    assert not alike(ends["START"], ends["END"])
    mixed = ["harbour " * 32] * 10
    mixed[5] = LONG
    assert len(embedder(root, truncate="END").embed_documents(mixed)) == 10


async def check_embed_dimensions(root: str) -> None:
    """As many numbers as asked for, of unit length again; more than the model has are refused by name."""
    for wanted in (1, 32, 384):
        vector = embedder(root, dimensions=wanted).embed_query("harbour")
        assert len(vector) == wanted
        assert abs(_dot(vector, vector) - 1) < 1e-3
        assert len((await embedder(root, dimensions=wanted).aembed_documents(["harbour", "salt"]))[1]) == wanted
    refused(partial(embedder(root, dimensions=2048).embed_query, "harbour"), "400", "dimensions")


def check_embed_nothing_refused(root: str) -> None:
    """An empty text is refused by name; no texts need no request."""
    assert embedder(root).embed_documents([]) == []
    refused(partial(embedder(root).embed_query, ""), "400", "input")


async def check_rank(root: str) -> None:
    """Every document gets a score, the best first, synchronously and not."""
    found = ranker(root).compress_documents(documents=documents(5), query=QUERY)
    assert "tugboat" in found[0].page_content
    assert scores(found) == sorted(scores(found), reverse=True)
    assert all(isinstance(score, float) for score in scores(found))
    again = await ranker(root).acompress_documents(documents=documents(5), query=QUERY)
    assert [document.page_content for document in again] == [document.page_content for document in found]


def check_rank_nothing(root: str) -> None:
    """No documents are no results."""
    assert ranker(root).compress_documents(documents=[], query=QUERY) == []


def check_rank_top_n(root: str) -> None:
    """As many of the best as asked for, at most all."""
    for wanted in (0, 1, 13, 26):
        found = ranker(root, top_n=wanted).compress_documents(documents=documents(), query=QUERY)
        assert len(found) == min(wanted, 13)


async def check_rank_in_batches(root: str) -> None:
    """Batches of any size give sorted results, those of one batch."""
    whole = ranker(root, top_n=13, max_batch_size=13).compress_documents(documents=documents(), query=QUERY)
    for size, top_n in ((7, 7), (12, 7), (3, 13), (1, 1), (1, 10), (10, 1)):
        client = ranker(root, top_n=top_n, max_batch_size=size)
        for found in (
            client.compress_documents(documents=documents(), query=QUERY),
            await client.acompress_documents(documents=documents(), query=QUERY),
        ):
            assert scores(found) == sorted(scores(found), reverse=True)
            assert all(abs(ours - theirs) < 0.01 for ours, theirs in zip(scores(found), scores(whole), strict=False))


async def check_rank_truncated(root: str) -> None:
    """END cuts long passages."""
    long = [Document(page_content="harbour " * length) for length in (32, 1024, 64, 128, 2048, 256, 512)]
    client = ranker(root, top_n=7, truncate="END")
    assert len(client.compress_documents(documents=long, query=QUERY)) == 7
    assert len(await client.acompress_documents(documents=long, query=QUERY)) == 7


async def check_rank_long_refused(root: str) -> None:
    """Without truncation a long passage is refused, and the message says the length."""
    long = [Document(page_content="harbour " * length) for length in (32, 10240, 64)]
    for fields in ({}, {"truncate": "NONE"}):
        client = ranker(root, **fields)
        refused(partial(client.compress_documents, long, QUERY), "400", "exceeds maximum allowed")
        await arefused(partial(client.acompress_documents, long, QUERY), "400", "exceeds maximum allowed")


def check_rank_image_refused(root: str) -> None:
    """A passage with an image is refused by name."""
    picture = "data:image/png;base64,iVBORw0KGgo="
    shown = [Document(page_content="a boat", metadata={"image": picture})]
    refused(partial(ranker(root).compress_documents, shown, QUERY), "400", "passages[0].image")


if __name__ == "__main__":
    main(sys.modules[__name__])
