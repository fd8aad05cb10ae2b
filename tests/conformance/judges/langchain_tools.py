"""`ChatNVIDIA.bind_tools` of langchain-nvidia-ai-endpoints: every tool choice, whole and streamed."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_nvidia_ai_endpoints import ChatNVIDIA

from tests.conformance.judges.checking import Differs, arefused, main, refused

WEATHER = "What is the weather in Oslo?"
NAMED = {"type": "function", "function": {"name": "get_weather"}}


@tool
def get_weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"{city}: 21 degrees, sunny"


@tool
def get_time(city: str) -> str:
    """Tell the time in a city."""
    return f"{city}: 12:00"


@tool
def search(query: str) -> str:
    """Search the archive."""
    return f"nothing about {query}"


@tool
def toss() -> str:
    """Toss a coin."""
    return "heads"


def chat(root: str, **fields: Any) -> ChatNVIDIA:
    """A greedy client with room for a call."""
    options: dict[str, Any] = {"max_completion_tokens": 256, "temperature": 0, **fields}
    return ChatNVIDIA(base_url=f"{root}/v1", model="abacus", **options)


def streamed(bound: Any, ask: str = WEATHER, **fields: Any) -> AIMessageChunk:
    """The chunks of a streamed answer, added up by the client."""
    whole, *rest = list(bound.stream(ask, **fields))
    for chunk in rest:
        whole += chunk
    return whole


async def astreamed(bound: Any, ask: str = WEATHER, **fields: Any) -> AIMessageChunk:
    """`streamed`, asynchronously."""
    whole, *rest = [chunk async for chunk in bound.astream(ask, **fields)]
    for chunk in rest:
        whole += chunk
    return whole


def holds_call(
    answer: AIMessage, name: str = "get_weather", args: dict[str, Any] | None = None, reason: str = "tool_calls"
) -> None:
    """Demand one well-formed call and no text."""
    assert not answer.content, answer.content
    assert not answer.invalid_tool_calls, answer.invalid_tool_calls
    (call,) = answer.tool_calls
    assert call["id"]
    assert (call["name"], call["args"]) == (name, {"city": "Oslo"} if args is None else args)
    assert answer.response_metadata["finish_reason"] == reason


def check_auto(root: str) -> None:
    """The model decides to call, named or not."""
    bound = chat(root).bind_tools([get_weather])
    answer = bound.invoke(WEATHER)
    holds_call(answer)
    (raw,) = answer.additional_kwargs["tool_calls"]
    assert raw["type"] == "function"
    assert raw["function"]["arguments"] == '{"city": "Oslo"}'
    holds_call(bound.invoke(WEATHER, tool_choice="auto"))


async def check_auto_streamed(root: str) -> None:
    """A streamed call arrives as deltas that add up, synchronously and not."""
    bound = chat(root).bind_tools([get_weather])
    whole = streamed(bound)
    assert whole.tool_call_chunks
    holds_call(whole)
    holds_call(await astreamed(bound))
    holds_call(await bound.ainvoke(WEATHER))


def check_auto_without_need(root: str) -> None:
    """With tools at hand a question that needs none gets words."""
    answer = chat(root).bind_tools([get_weather]).invoke("Hello")
    assert answer.content
    assert not answer.tool_calls
    assert answer.response_metadata["finish_reason"] == "stop"


async def check_required(root: str) -> None:
    """`required`, `any` and True force a call, whole and streamed."""
    for choice in ("required", "any", True):
        bound = chat(root).bind_tools([get_weather], tool_choice=choice)
        holds_call(bound.invoke(WEATHER))
        holds_call(streamed(bound))
        holds_call(await bound.ainvoke(WEATHER))
        holds_call(await astreamed(bound))


def check_required_against_the_grain(root: str) -> None:
    """A call is forced even when nothing in the question asks for it."""
    answer = chat(root).bind_tools([get_weather], tool_choice="required").invoke("Hello")
    assert [call["name"] for call in answer.tool_calls] == ["get_weather"]
    assert isinstance(answer.tool_calls[0]["args"]["city"], str)


async def check_named(root: str) -> None:
    """A tool that is named, as a dictionary or as a name, is the one called."""
    for choice in (NAMED, {"function": {"name": "get_weather"}}, "get_weather"):
        bound = chat(root).bind_tools([get_time, get_weather], tool_choice=choice)
        for answer in (bound.invoke(WEATHER), streamed(bound), await bound.ainvoke(WEATHER), await astreamed(bound)):
            assert [call["name"] for call in answer.tool_calls] == ["get_weather"]
            assert not answer.content
            assert isinstance(answer.tool_calls[0]["args"]["city"], str)


def check_none(root: str) -> None:
    """`none` and False forbid a call, whole and streamed."""
    for choice in ("none", False):
        bound = chat(root).bind_tools([get_weather], tool_choice=choice)
        for answer in (bound.invoke(WEATHER), streamed(bound)):
            assert not answer.tool_calls
            assert "tool_calls" not in answer.additional_kwargs


def check_choice_at_the_call(root: str) -> None:
    """The choice may come with the call instead."""
    bound = chat(root).bind_tools([get_weather])
    holds_call(bound.invoke(WEATHER, tool_choice="required"))
    assert not bound.invoke(WEATHER, tool_choice="none").tool_calls


def check_several_tools(root: str) -> None:
    """Among several tools, in any order, the fitting one is called."""
    for tools in ([get_weather, search], [search, get_weather]):
        holds_call(chat(root).bind_tools(tools).invoke(WEATHER))
        holds_call(chat(root).bind_tools(tools).invoke("Search for boats."), "search", {"query": "boats"})


def check_tool_without_arguments(root: str) -> None:
    """A tool that takes nothing is called with nothing; OpenAI ends a call that was named in advance by `stop`."""
    for choice, reason in (("required", "tool_calls"), ("toss", "stop")):
        bound = chat(root).bind_tools([toss], tool_choice=choice)
        holds_call(bound.invoke("Toss a coin."), "toss", {}, reason)
        holds_call(streamed(bound, "Toss a coin."), "toss", {}, reason)


def check_same_tool_twice(root: str) -> None:
    """NVIDIA's suite lists one tool twice and wants a call."""
    bound = chat(root).bind_tools([get_weather, get_weather], tool_choice="required")
    refused(partial(bound.invoke, WEATHER), "400", "get_weather")
    raise Differs("two tools of one name are refused by name: a call could not say which it means")


def check_parallel_calls(root: str) -> None:
    """`parallel_tool_calls` is taken both ways; without it at most one call comes."""
    ask = "What is the weather in Oslo and what time is it in Oslo?"
    bound = chat(root).bind_tools([get_weather, get_time], tool_choice="required")
    several = bound.invoke(ask, parallel_tool_calls=True)
    assert several.tool_calls
    assert len({call["id"] for call in several.tool_calls}) == len(several.tool_calls)
    assert len(bound.invoke(ask, parallel_tool_calls=False).tool_calls) == 1
    assert len(streamed(bound, ask, parallel_tool_calls=False).tool_calls) == 1


def check_round_trip(root: str) -> None:
    """The model answers in words from what the tool returned."""
    bound = chat(root).bind_tools([get_weather])
    call = bound.invoke(WEATHER)
    result = get_weather.invoke(call.tool_calls[0]["args"])
    answer = bound.invoke([HumanMessage(WEATHER), call, ToolMessage(result, tool_call_id=call.tool_calls[0]["id"])])
    assert answer.content
    assert not answer.tool_calls
    assert "21" in answer.content, answer.content


async def check_choice_without_tools_refused(root: str) -> None:
    """A forced choice without tools is refused by name."""
    for choice in ("required", NAMED):
        refused(partial(chat(root).invoke, WEATHER, tool_choice=choice), "400", "tool_choice", "tools")
        await arefused(partial(chat(root).ainvoke, WEATHER, tool_choice=choice), "400", "tool_choice", "tools")
    refused(partial(streamed, chat(root), tool_choice="required"), "400", "tool_choice", "tools")


def check_incomplete_choice_refused(root: str) -> None:
    """A choice that lacks its type, or is no known word, is refused by name."""
    bound = chat(root).bind_tools([get_weather])
    for choice in ({"function": {"name": "get_weather"}}, {"type": "function"}, "sometimes"):
        refused(partial(bound.invoke, WEATHER, tool_choice=choice), "400", "tool_choice")


def check_unknown_tool_refused(root: str) -> None:
    """A choice that names a tool which is not there is refused by name."""
    bound = chat(root).bind_tools([get_weather])
    choice = {"type": "function", "function": {"name": "get_tides"}}
    refused(partial(bound.invoke, WEATHER, tool_choice=choice), "400", "tool_choice", "get_tides")
    refused(partial(streamed, bound, tool_choice=choice), "400", "tool_choice", "get_tides")


def check_too_few_tokens(root: str) -> None:
    """A call cut short says so by its reason, and is no valid call."""
    for choice in ("required", NAMED):
        bound = chat(root, max_completion_tokens=5).bind_tools([get_weather], tool_choice=choice)
        for answer in (bound.invoke(WEATHER), streamed(bound)):
            assert answer.response_metadata["finish_reason"] == "length"
            assert not answer.tool_calls or answer.tool_calls[0]["args"] == {}


if __name__ == "__main__":
    main(sys.modules[__name__])
