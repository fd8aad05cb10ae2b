"""NVIDIA's classes for llama-index: the language model (chat and completions), embeddings and ranking."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole, TextBlock
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.nvidia import NVIDIAEmbedding
from llama_index.llms.nvidia import NVIDIA
from llama_index.postprocessor.nvidia_rerank import NVIDIARerank

from tests.conformance.judges.checking import arefused, main, refused

SUM = "What is 37 plus 45?"
UNFINISHED = "1 + 1"
"""A text that the model goes on with when nothing marks it as a question."""
QUERY = "Which boat helps big ships to dock?"
LONG = "harbour " * 10240
PASSAGES = (
    "Bread needs flour, water and salt.",
    "A tugboat pulls large ships into port.",
    "Cats sleep most of the day.",
    "The moon circles the earth in a month.",
)


def model(root: str, **fields: Any) -> NVIDIA:
    """A client that chats; without the flag it would take a model it does not know for one that only continues."""
    options: dict[str, Any] = {"max_tokens": 64, "temperature": 0, "is_chat_model": True, "max_retries": 0, **fields}
    return NVIDIA(base_url=f"{root}/v1", model="abacus", **options)


def embedder(root: str, **fields: Any) -> NVIDIAEmbedding:
    """A client of the embedding model."""
    return NVIDIAEmbedding(base_url=f"{root}/v1", model="all-minilm-l6-v2", max_retries=0, **fields)


def ranker(root: str, **fields: Any) -> NVIDIARerank:
    """A client of the ranking model."""
    return NVIDIARerank(base_url=f"{root}/v1", model="minilm-reranker", **fields)


def nodes(count: int = 4) -> list[NodeWithScore]:
    """Passages as llama-index keeps them."""
    return [NodeWithScore(node=TextNode(text=PASSAGES[place % 4])) for place in range(count)]


def says(text: str) -> list[ChatMessage]:
    """A conversation of one turn."""
    return [ChatMessage(role=MessageRole.USER, content=text)]


async def check_chat(root: str) -> None:
    """A conversation gets an answer, synchronously and not."""
    client = model(root)
    answer = client.chat(says(SUM))
    assert answer.message.role == MessageRole.ASSISTANT
    assert answer.message.content.endswith("82")
    assert answer.raw.usage.completion_tokens > 1
    assert (await client.achat(says(SUM))).message.content == answer.message.content


async def check_chat_streamed(root: str) -> None:
    """The deltas join to the answer, synchronously and not."""
    client = model(root)
    whole = client.chat(says(SUM)).message.content
    pieces = [chunk.delta or "" for chunk in client.stream_chat(says(SUM))]
    assert len(pieces) > 1
    assert "".join(pieces) == whole
    assert "".join([chunk.delta or "" async for chunk in await client.astream_chat(says(SUM))]) == whole


def check_chat_with_system_and_blocks(root: str) -> None:
    """A system message, and content in blocks."""
    system = ChatMessage(role=MessageRole.SYSTEM, content="You are a careful calculator.")
    blocks = ChatMessage(role=MessageRole.USER, blocks=[TextBlock(text="What is 37 "), TextBlock(text="plus 45?")])
    assert model(root).chat([system, blocks]).message.content


async def check_complete_by_chat(root: str) -> None:
    """`complete` of a model that chats is a conversation of one turn, whole and streamed."""
    client = model(root)
    assert client.complete(SUM).text.endswith("82")
    assert (await client.acomplete(SUM)).text.endswith("82")
    assert "".join(chunk.delta or "" for chunk in client.stream_complete(SUM)).endswith("82")


async def check_completions(root: str) -> None:
    """A name the client does not know goes to `/v1/completions`, whole and streamed."""
    client = model(root, is_chat_model=False)
    whole = client.complete(UNFINISHED).text
    assert whole
    assert (await client.acomplete(UNFINISHED)).text == whole
    assert "".join(chunk.delta or "" for chunk in client.stream_complete(UNFINISHED)) == whole
    assert "".join([chunk.delta or "" async for chunk in await client.astream_complete(UNFINISHED)]) == whole
    assert client.chat(says(SUM)).message.content


def check_stop_and_limit(root: str) -> None:
    """Fields of the call reach the model."""
    whole = model(root).chat(says("Count to 12.")).message.content
    assert model(root).chat(says("Count to 12."), stop=["6"]).message.content == whole[: whole.index("6")]
    assert model(root, max_tokens=3).chat(says(SUM)).raw.choices[0].finish_reason == "length"


def check_tools(root: str) -> None:
    """A tool is called with its arguments."""

    def get_weather(city: str) -> str:
        """Tell the weather in a city."""
        return f"{city}: 21 degrees, sunny"

    client = model(root, is_function_calling_model=True, max_tokens=256)
    tool = FunctionTool.from_defaults(fn=get_weather)
    answer = client.chat_with_tools([tool], user_msg="What is the weather in Oslo?")
    (call,) = client.get_tool_calls_from_response(answer)
    assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"city": "Oslo"})


def check_model_must_be_listed(root: str) -> None:
    """A model that is not listed is refused by the client, which reads the list."""
    refused(lambda: NVIDIA(base_url=f"{root}/v1", model="nothing"), "nothing")
    assert "abacus" in [listed.id for listed in model(root).available_models]


def check_default_model(root: str) -> None:
    """Below `/m/<model>` each class picks the model that is there, and works."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        language = NVIDIA(base_url=f"{root}/m/abacus/v1", max_tokens=8, is_chat_model=True)
        vectors = NVIDIAEmbedding(base_url=f"{root}/m/all-minilm-l6-v2/v1")
        ranking = NVIDIARerank(base_url=f"{root}/m/minilm-reranker/v1")
    assert (language.model, vectors.model, ranking.model) == ("abacus", "all-minilm-l6-v2", "minilm-reranker")
    assert language.chat(says("Hello")).message.content
    assert len(vectors.get_text_embedding("harbour")) == 384
    assert ranking.postprocess_nodes(nodes(), query_str=QUERY)


async def check_language_errors(root: str) -> None:
    """A limit out of range and a prompt too long are refused by name."""
    refused(partial(model(root, max_tokens=2**31 - 1).chat, says(SUM)), "400", "max_tokens")
    await arefused(partial(model(root).achat, says("harbour " * 1000)), "400", "1024")


async def check_embed(root: str) -> None:
    """Vectors of queries and texts, synchronously and not; the client asks for base64."""
    client = embedder(root)
    vector = client.get_query_embedding("harbour master")
    assert len(vector) == 384
    assert abs(sum(number * number for number in vector) - 1) < 1e-3
    assert len(await client.aget_query_embedding("harbour master")) == 384
    assert len(client.get_text_embedding("harbour master")) == 384
    several = client.get_text_embedding_batch([f"harbour {place}" for place in range(30)])
    assert len(several) == 30
    assert len(await client.aget_text_embedding_batch(["harbour", "salt"])) == 2


def check_embed_dimensions(root: str) -> None:
    """A shorter vector."""
    assert len(embedder(root, dimensions=32).get_text_embedding("harbour")) == 32


async def check_embed_long(root: str) -> None:
    """A text too long is refused, or cut where the client says so."""
    refused(partial(embedder(root).get_text_embedding, LONG), "400", "exceeds maximum allowed")
    await arefused(partial(embedder(root).aget_query_embedding, LONG), "400", "exceeds maximum allowed")
    assert len(embedder(root, truncate="END").get_text_embedding(LONG)) == 384
    assert len(embedder(root, truncate="START").get_query_embedding(LONG)) == 384


def check_rank(root: str) -> None:
    """The passage that answers comes first, in one batch or several."""
    for size in (64, 3):
        found = ranker(root, top_n=4, max_batch_size=size).postprocess_nodes(nodes(), query_str=QUERY)
        assert len(found) == 4
        assert "tugboat" in found[0].node.text
        assert [node.score for node in found] == sorted((node.score for node in found), reverse=True)
    assert len(ranker(root, top_n=2).postprocess_nodes(nodes(), query_bundle=QueryBundle(QUERY))) == 2
    assert ranker(root).postprocess_nodes([], query_str=QUERY) == []


def check_rank_long(root: str) -> None:
    """A passage too long is refused, or cut where the client says so."""
    long = [NodeWithScore(node=TextNode(text=LONG)), *nodes()]
    refused(partial(ranker(root).postprocess_nodes, long, query_str=QUERY), "400")
    assert len(ranker(root, truncate="END").postprocess_nodes(long, query_str=QUERY)) == 5


if __name__ == "__main__":
    main(sys.modules[__name__])
