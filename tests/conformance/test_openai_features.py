"""The official `openai` client's further features: tools, thoughts, structured output, log-probabilities.

Syntax is tried on models that repeat the prompt; what needs a mind of its own on the bundled `abacus`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest

from argosy.store.entries import read_entry
from tests.suites.gateway import in_thread
from tests.suites.parrots import parrots

MODELS = Path(__file__).parents[2] / "models"
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 1, "b": "two words"}}\n</tool_call>'
ARGUMENTS = {"a": 1, "b": "two words"}
ADD: Any = {
    "type": "function",
    "function": {
        "name": "add",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
    },
}
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
TIME: Any = {"type": "function", "function": {**WEATHER["function"], "name": "get_time"}}
FORECAST = "Extract the city and the temperature as JSON: It is 21 degrees in Oslo."


class Report(pydantic.BaseModel):
    """What `abacus` extracts from a sentence about the weather."""

    city: str
    temperature: int


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway for the whole module."""
    store = tmp_path_factory.mktemp("store")
    with in_thread(store, further=[*parrots(store), read_entry(MODELS / "abacus")]) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as ready:
        yield ready


@pytest.fixture
async def async_client(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as ready:
        yield ready


def said(text: str) -> Any:
    return [{"role": "user", "content": text}]


def test_tool_calls(client: openai.OpenAI) -> None:
    """Where the client looks for them."""
    completion = client.chat.completions.create(model="hermes", messages=said(CALL), tools=[ADD])
    (choice,) = completion.choices
    (call,) = choice.message.tool_calls
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert (call.type, call.function.name, json.loads(call.function.arguments)) == ("function", "add", ARGUMENTS)


def test_tool_calls_by_the_stream_helper(client: openai.OpenAI) -> None:
    """The client's accumulator rebuilds them, parses the arguments and tells of each when it is done."""
    with client.chat.completions.stream(model="hermes", messages=said(f"Hm. {CALL}\n{CALL}"), tools=[ADD]) as stream:
        ended = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        (choice,) = stream.get_final_completion().choices
    assert [(event.index, event.name, event.parsed_arguments) for event in ended] == [
        (0, "add", ARGUMENTS),
        (1, "add", ARGUMENTS),
    ]
    assert choice.message.content == "Hm. "
    assert [call.function.parsed_arguments for call in choice.message.tool_calls] == [ARGUMENTS, ARGUMENTS]
    assert choice.finish_reason == "tool_calls"


async def test_tool_calls_streamed_asynchronously(async_client: openai.AsyncOpenAI) -> None:
    """The first delta of a call has its id and name, the others have arguments only."""
    stream = await async_client.chat.completions.create(model="hermes", messages=said(CALL), tools=[ADD], stream=True)
    calls = [call async for chunk in stream for call in chunk.choices[0].delta.tool_calls or ()]
    assert (calls[0].function.name, calls[0].function.arguments, calls[0].type) == ("add", "", "function")
    assert calls[0].id.startswith("call_")
    assert all(call.id is None and call.function.name is None for call in calls[1:])
    assert json.loads("".join(call.function.arguments for call in calls)) == ARGUMENTS


def test_thoughts(client: openai.OpenAI) -> None:
    """In the field that the reasoning models of others use."""
    messages = said("<think>Hm.</think> Yes.")
    completion = client.chat.completions.create(model="thinker", messages=messages)
    assert completion.choices[0].message.content == "Yes."
    assert completion.choices[0].message.reasoning_content == "Hm."
    stream = client.chat.completions.create(model="thinker", messages=messages, stream=True)
    deltas = [chunk.choices[0].delta for chunk in stream]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "Hm."


def test_logprobs(client: openai.OpenAI) -> None:
    """Of a chat, also by the stream helper, and of a completion."""
    fields: Any = {"model": "hermes", "messages": said("one two"), "logprobs": True, "top_logprobs": 2}
    whole = client.chat.completions.create(**fields).choices[0].logprobs.content
    assert [entry.token for entry in whole] == ["one", " two"]
    assert [len(entry.top_logprobs) for entry in whole] == [2, 2]
    with client.chat.completions.stream(**fields) as stream:
        streamed = stream.until_done().get_final_completion().choices[0].logprobs.content
    assert [entry.token for entry in streamed] == ["one", " two"]
    legacy = client.completions.create(model="hermes", prompt="one two", logprobs=1).choices[0].logprobs
    assert (legacy.tokens, legacy.text_offset) == (["one", " two"], [0, 3])


def test_structured_output_by_parse(client: openai.OpenAI) -> None:
    """The client sends a pydantic model's schema and reads the answer back into it."""
    completion = client.chat.completions.parse(
        model="abacus", messages=said(FORECAST), response_format=Report, temperature=0
    )
    assert completion.choices[0].message.parsed == Report(city="Oslo", temperature=21)


def test_structured_output_by_the_stream_helper(client: openai.OpenAI) -> None:
    """Parsed while it grows."""
    with client.chat.completions.stream(
        model="abacus", messages=said(FORECAST), response_format=Report, temperature=0
    ) as stream:
        final = stream.until_done().get_final_completion()
    assert final.choices[0].message.parsed == Report(city="Oslo", temperature=21)


@pytest.mark.parametrize(
    ("choice", "name", "reason"),
    [
        ("auto", "get_weather", "tool_calls"),
        ("required", "get_weather", "tool_calls"),
        ({"type": "function", "function": {"name": "get_time"}}, "get_time", "stop"),
    ],
)
@pytest.mark.parametrize("parallel", [True, False])
def test_the_choice_of_tools(client: openai.OpenAI, choice: Any, name: str, reason: str, parallel: bool) -> None:
    """Free, forced, and forced into a function that the model would not have chosen."""
    completion = client.chat.completions.create(
        model="abacus",
        messages=said("What is the weather in Oslo?"),
        tools=[WEATHER, TIME],
        tool_choice=choice,
        parallel_tool_calls=parallel,
        temperature=0,
        max_tokens=200,
    )
    call = completion.choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == (name, {"city": "Oslo"})
    assert completion.choices[0].finish_reason == reason


def test_a_conversation_with_tools_goes_on(client: openai.OpenAI) -> None:
    """The client sends the assistant's message back as it got it, and the model uses the result."""
    messages = said("What is the weather in Oslo?")
    fields: Any = {"model": "abacus", "tools": [WEATHER], "temperature": 0}
    message = client.chat.completions.create(messages=messages, **fields).choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": '{"temperature": 7, "sky": "rain"}'}
    answer = client.chat.completions.create(messages=[*messages, message, result], **fields).choices[0].message
    assert "7" in answer.content
    assert answer.tool_calls is None


@pytest.mark.parametrize(
    ("extra", "answers"),
    [
        ({"guided_choice": ["yes", "no"]}, {"yes", "no"}),
        ({"nvext": {"guided_regex": "4[0-9]"}}, {f"4{digit}" for digit in range(10)}),
        ({"structured_outputs": {"grammar": 'root ::= "sum" | "difference"'}}, {"sum", "difference"}),
    ],
)
def test_nims_and_vllms_constraints(client: openai.OpenAI, extra: dict[str, object], answers: set[str]) -> None:
    """Through `extra_body`, on both routes."""
    chat = client.chat.completions.create(model="abacus", messages=said("What is 12 + 30?"), extra_body=extra)
    text = client.completions.create(model="abacus", prompt="12 + 30 =", extra_body=extra)
    assert chat.choices[0].message.content in answers
    assert text.choices[0].text in answers


def test_a_seed_reproduces_the_answer(client: openai.OpenAI) -> None:
    """And another gives another, sooner or later."""
    fields: Any = {"model": "abacus", "prompt": "12 + 30 =", "max_tokens": 20, "temperature": 2}
    texts = [client.completions.create(seed=seed, **fields).choices[0].text for seed in (1, 1, 2, 3, 4)]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


def test_what_an_engine_cannot_do_is_a_bad_request(client: openai.OpenAI) -> None:
    """The message names the engine."""
    with pytest.raises(openai.BadRequestError, match="openvino_genai, cannot") as caught:
        client.chat.completions.create(model="abacus", messages=said("x"), logprobs=True, top_logprobs=2)
    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", "top_logprobs")
