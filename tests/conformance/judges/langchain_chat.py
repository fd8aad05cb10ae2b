"""`ChatNVIDIA` of langchain-nvidia-ai-endpoints: answers, streams, limits and errors."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_nvidia_ai_endpoints import ChatNVIDIA

from tests.conformance.judges.checking import arefused, main, refused

MODEL = "abacus"
SUM = "What is 37 plus 45?"
COUNT = "Count to 12."


def chat(root: str, **fields: Any) -> ChatNVIDIA:
    """A client whose answers are short and always the same."""
    options: dict[str, Any] = {"max_completion_tokens": 64, "temperature": 0, **fields}
    return ChatNVIDIA(base_url=f"{root}/v1", model=MODEL, **options)


def _streamed(client: ChatNVIDIA, **fields: Any) -> list[Any]:
    return list(client.stream(SUM, **fields))


def check_invoke(root: str) -> None:
    """An answer has text, role, token counts and a reason to end."""
    answer = chat(root).invoke(SUM)
    assert isinstance(answer, AIMessage)
    assert answer.content.endswith("82"), answer.content
    assert answer.response_metadata["role"] == "assistant"
    assert answer.response_metadata["finish_reason"] == "stop"
    usage = answer.response_metadata["token_usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert answer.usage_metadata["input_tokens"] == usage["prompt_tokens"]


async def check_ainvoke(root: str) -> None:
    """The asynchronous client gets the same answer."""
    assert (await chat(root).ainvoke(SUM)).content == chat(root).invoke(SUM).content


def check_stream(root: str) -> None:
    """Several chunks join to the whole answer, token counts included."""
    chunks = list(chat(root).stream(SUM))
    assert len([chunk for chunk in chunks if chunk.content]) > 1
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.content == chat(root).invoke(SUM).content
    assert whole.response_metadata["finish_reason"] == "stop"
    assert whole.usage_metadata["output_tokens"] > 1


async def check_astream(root: str) -> None:
    """So do the chunks of the asynchronous client."""
    texts = [chunk.content async for chunk in chat(root).astream(SUM)]
    assert len(texts) > 1
    assert "".join(texts) == chat(root).invoke(SUM).content


def check_batch(root: str) -> None:
    """Prompts sent side by side each get their own answer."""
    answers = chat(root).batch(["What is 10 plus 5?", "What is 20 plus 5?"])
    assert [answer.content[-2:] for answer in answers] == ["15", "25"]


async def check_abatch(root: str) -> None:
    """So do prompts of the asynchronous client, with tags."""
    answers = await chat(root).abatch(["What is 10 plus 5?", "What is 20 plus 5?"], config={"tags": ["harbour"]})
    assert [answer.content[-2:] for answer in answers] == ["15", "25"]


def check_system_message(root: str) -> None:
    """A system message is taken."""
    answer = chat(root).invoke([SystemMessage("You are a careful calculator."), HumanMessage(SUM)])
    assert answer.content.endswith("82")


def check_message_orders(root: str) -> None:
    """Conversations may repeat a role, and begin or end with the assistant's turn."""
    human, assistant = HumanMessage("Hello"), AIMessage("Hi")
    orders = [
        [human],
        [assistant],
        [human, human],
        [assistant, assistant],
        [human, assistant],
        [assistant, human],
        [human, assistant, human],
        [human, assistant, human, assistant],
        [human, assistant, human, assistant, human],
    ]
    for system in ([], [SystemMessage("You are to chat with the user.")]):
        for order in orders:
            answer = chat(root, max_completion_tokens=8).invoke([*system, *order])
            assert answer.response_metadata["role"] == "assistant"
            assert isinstance(answer.content, str)


def check_list_content(root: str) -> None:
    """Content as a list of text parts reads like one text."""
    parts = [{"type": "text", "text": "What is 37 "}, {"type": "text", "text": "plus 45?"}]
    assert chat(root).invoke([HumanMessage(parts)]).content == chat(root).invoke(SUM).content


def check_image_refused(root: str) -> None:
    """An image for a text model is refused by name."""
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    message = HumanMessage([{"type": "text", "text": "What is this?"}, picture])
    refused(lambda: chat(root).invoke([message]), "400", "messages[0].content[1]")


def check_no_messages_refused(root: str) -> None:
    """An empty conversation is refused by name."""
    refused(lambda: chat(root).invoke([]), "400", "messages")


def check_stop(root: str) -> None:
    """A stop text ends the answer and is not in it, whole or streamed, given at the call or to the client."""
    whole = chat(root).invoke(COUNT).content
    assert "6" in whole
    for targets in (["6"], ["7", "10"], ["10", "7"]):
        first = min(whole.index(target) for target in targets if target in whole)
        assert chat(root).invoke(COUNT, stop=targets).content == whole[:first]
        assert chat(root, stop=targets).invoke(COUNT).content == whole[:first]
        assert "".join(chunk.content for chunk in chat(root).stream(COUNT, stop=targets)) == whole[:first]
        assert "".join(chunk.content for chunk in chat(root, stop=targets).stream(COUNT)) == whole[:first]


async def check_stop_asynchronously(root: str) -> None:
    """A stop text ends the asynchronous client's answers too."""
    whole = (await chat(root).ainvoke(COUNT)).content
    before = whole[: whole.index("6")]
    assert (await chat(root).ainvoke(COUNT, stop=["6"])).content == before
    assert "".join([chunk.content async for chunk in chat(root).astream(COUNT, stop=["6"])]) == before


def check_seed(root: str) -> None:
    """The same seed draws the same answer, also a negative one; none draws another."""
    client, ask = chat(root, temperature=2), "Zanzibar quux flibber"
    for seed in (-1000, 0, 1000):
        assert client.invoke(ask, seed=seed).content == client.invoke(ask, seed=seed).content
    assert len({client.invoke(ask).content for _ in range(4)}) > 1


def check_temperature_and_top_p_matter(root: str) -> None:
    """With one seed, greedy and warm answers differ, and so do narrow and wide ones."""
    ask = "Tell me about harbours."
    assert chat(root, seed=608).invoke(ask).content != chat(root, seed=608, temperature=2).invoke(ask).content
    narrow = chat(root, seed=608, temperature=2, top_p=0.01).invoke(ask).content
    assert narrow != chat(root, seed=608, temperature=2, top_p=1).invoke(ask).content


def check_max_tokens(root: str) -> None:
    """No more tokens come than asked for, and the reason says so."""
    for limit in (1, 5):
        answer = chat(root, max_completion_tokens=limit).invoke(SUM)
        assert answer.response_metadata["token_usage"]["completion_tokens"] == limit
        assert answer.response_metadata["finish_reason"] == "length"


async def check_values_out_of_range_refused(root: str) -> None:
    """Limits of 0, -100 and 2^31-1 tokens, temperature -0.1, top_p -10 and 10 are refused by name, streamed or not."""
    client = chat(root)
    cases = [*(("max_tokens", limit) for limit in (0, -100, 2**31 - 1)), ("temperature", -0.1)]
    # The client checks what it is constructed with; what a call adds goes out as it is.
    for name, value in [*cases, ("top_p", -10), ("top_p", 10)]:
        refused(partial(client.invoke, SUM, **{name: value}), "400", name)
        refused(partial(_streamed, client, **{name: value}), "400", name)
        await arefused(partial(client.ainvoke, SUM, **{name: value}), "400", name)


def check_long_prompt_refused(root: str) -> None:
    """A prompt longer than the context is refused, and the message says how long it may be."""
    refused(lambda: chat(root).invoke("harbour " * 1000), "400", "1024")


def check_default_limit(root: str) -> None:
    """The client's own default limit of 1024 tokens fits no prompt of a model with 1024, and the refusal says so."""
    refused(lambda: ChatNVIDIA(base_url=f"{root}/v1", model=MODEL).invoke("Hello"), "400", "1024")


def check_model_unknown(root: str) -> None:
    """A model that is not served is a 404 with its name."""
    refused(lambda: ChatNVIDIA(base_url=f"{root}/v1", model="nothing").invoke("Hello"), "404", "nothing")


def check_base_url_forms(root: str) -> None:
    """The server's root and its `/v1` are both a base URL."""
    for base in (root, f"{root}/", f"{root}/v1", f"{root}/v1/"):
        client = ChatNVIDIA(base_url=base, model=MODEL, max_completion_tokens=4)
        assert client.invoke("Hello").content


def check_no_warnings(root: str) -> None:
    """A model of ours, unknown to the client's table, raises no warning when it is named."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chat(root).invoke("Hello")


def check_headers_and_key(root: str) -> None:
    """A key and headers of one's own are taken, and the key does not show in what the client remembers."""
    client = chat(root, api_key="nvapi-0123456789", default_headers={"x-request-id": "harbour-7"})
    assert client.invoke("Hello").content
    assert "nvapi" not in str(client._client.last_inputs)
    assert client._client.last_response.headers["x-request-id"] == "harbour-7"


if __name__ == "__main__":
    main(sys.modules[__name__])
