"""L12: the joined stream of an answer is the answer of the same request without a stream.

Random requests of both routes, with stops that lie across chunks, marks that lie across chunks, and, on the bundled
`abacus`, whose tokens are bytes, characters that lie across tokens. Everything is drawn from a seed.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from argosy.server.text.tools.families import FAMILIES
from argosy.store.entries import read_entry
from tests.suites.gateway import gateway
from tests.suites.parrots import THINKER, parrots
from tests.unit.api.conftest import calling
from tests.unit.api.http.test_events import events

MODELS = Path(__file__).parents[2] / "models"
ECHOED = 200
GENERATED = 40
FRAGMENTS = [
    *(
        "one",
        "two words",
        " three",
        "\n",
        "\t",
        "é",
        "\N{GRINNING FACE}",
        "\N{FAMILY}",
        "日本",
        "a\u0301",
        '"',
        "\\",
        "data: ",
    ),
    *(
        "<think>",
        "</think>",
        "<thi",
        "<tool_call>",
        "</tool_call>",
        "<tool_",
        "[TOOL_CALLS]",
        "(call)",
        "[",
        "]",
        "; ",
        "{",
        "}",
    ),
]
HERMES = '<tool_call> {"name": "add", "arguments": {"a": [1, "two words"], "é": "x y"}} </tool_call>'
CALLS = {
    "hermes": HERMES,
    "qwen": HERMES,
    THINKER: HERMES,
    "abacus": HERMES,
    "llama3_json": '{"name": "add", "parameters": {"text": "} and {"}}; {"name": "now"}',
    "mistral": '[TOOL_CALLS] [{"name": "add", "arguments": {"é": "x y"}}, {"name": "now"}]',
    "pythonic": "[add(a=1, b='two words'), now()]",
}
STOPS = ["two", "wo w", "é", "\N{GRINNING FACE}", "one two", "</", "three", " ", "\n", "x y"]
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("add", "now")]
TEXT_FIELDS = ("content", "reasoning_content")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Calls a gateway with models that repeat their prompt and one that does not."""
    further = [*parrots(tmp_path), read_entry(MODELS / "abacus")]
    async with gateway(tmp_path, further=further) as server, calling(server) as ready:
        yield ready


def drawn(dice: random.Random, model: str) -> tuple[str, dict[str, Any]]:
    """A route and a body."""
    text = "".join(dice.choice(FRAGMENTS) + dice.choice(["", " ", " "]) for _ in range(dice.randint(1, 12))).strip()
    text = text.replace("(call)", CALLS[model])
    if dice.random() < 0.4:
        text = f"{CALLS[model]} {text}"
    if model == THINKER and dice.random() < 0.5:
        text = f"<think> {text} </think> {text}"
    body: dict[str, Any] = {"model": model, "n": dice.choice([1, 1, 2, 3]), "seed": dice.randint(-5, 2**40)}
    body["max_tokens"] = dice.choice([1, 3, 10, 40, 40])
    if dice.random() < 0.5:
        body["stop"] = dice.sample(STOPS, dice.randint(1, 3))
        body["include_stop_str_in_output"] = dice.random() < 0.3
    body["ignore_eos"] = dice.random() < 0.3
    body["temperature"] = dice.choice([0, 0.7, 2])
    if dice.random() < 0.4:
        body["prompt"] = dice.choice([text or "x", [text or "x", "one two"]])
        body["echo"] = dice.random() < 0.3
        if not body["echo"] and dice.random() < 0.4:
            body["logprobs"] = 0
        return "/v1/completions", body
    body["messages"] = [{"role": "user", "content": text or "x"}]
    body["logprobs"] = dice.random() < 0.4
    if dice.random() < 0.7:
        body["tools"] = TOOLS
        body["parallel_tool_calls"] = dice.random() < 0.7
    return "/v1/chat/completions", body


def of_whole(reply: dict[str, Any]) -> dict[str, Any]:
    """What is compared, from a whole reply; a call's id is drawn anew each time."""
    found: dict[str, Any] = {"usage": reply["usage"]}
    for choice in reply["choices"]:
        message = choice.get("message", {})
        calls = [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())]
        texts = {field: message.get(field) or "" for field in TEXT_FIELDS}
        found[choice["index"]] = {
            "text": choice.get("text"),
            **texts,
            "calls": calls,
            "reason": choice["finish_reason"],
            "logprobs": choice["logprobs"],
        }
    return found


def of_stream(text: str) -> dict[str, Any]:
    """The same from the joined chunks of a stream."""
    *chunks, done = events(text)
    assert done == "[DONE]"
    found: dict[str, Any] = {}
    for chunk in map(json.loads, chunks):
        if chunk["usage"] is not None:
            found["usage"] = chunk["usage"]
        for choice in chunk["choices"]:
            _join(found.setdefault(choice["index"], _empty(choice)), choice)
    for answer in found.values():
        if "calls" in answer:
            answer["calls"] = [tuple(call) for call in answer["calls"]]
    return found


def _empty(choice: dict[str, Any]) -> dict[str, Any]:
    texts = dict.fromkeys(TEXT_FIELDS, "")
    return {"text": "" if "text" in choice else None, **texts, "calls": [], "reason": None, "logprobs": None}


def _join(answer: dict[str, Any], choice: dict[str, Any]) -> None:
    assert answer["reason"] is None, "something follows the finish reason"
    answer["reason"] = choice["finish_reason"]
    if "text" in choice:
        answer["text"] += choice["text"]
    delta = choice.get("delta", {})
    for field in TEXT_FIELDS:
        answer[field] += delta.get(field, "")
    for call in delta.get("tool_calls", ()):
        if "id" in call:
            answer["calls"].append([call["function"]["name"], ""])
        answer["calls"][call["index"]][1] += call["function"]["arguments"]
    if choice["logprobs"] is not None:
        told = answer["logprobs"]
        if told is None:
            answer["logprobs"] = choice["logprobs"]
            return
        for key, values in choice["logprobs"].items():
            if values is not None:
                told[key] = told[key] + values


def _without_numbers(value: Any) -> Any:
    """The same with no fractions: the last bits of a log-probability depend on who shares the batch."""
    if isinstance(value, dict):
        return {key: _without_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_numbers(inner) for inner in value]
    return None if isinstance(value, float) else value


async def compare(client: httpx.AsyncClient, route: str, body: dict[str, Any], *, exact: bool = True) -> dict[str, Any]:
    """Ask twice, and compare."""
    whole = await client.post(route, json=body, timeout=60)
    assert whole.status_code == 200, (body, whole.text)
    streamed = await client.post(
        route, json={**body, "stream": True, "stream_options": {"include_usage": True}}, timeout=60
    )
    expected = of_whole(whole.json())
    found = of_stream(streamed.text)
    for answer in expected.values():
        if isinstance(answer, dict) and answer.get("logprobs") is not None and not any(_lists(answer["logprobs"])):
            # A stream has no place for an empty list.
            answer["logprobs"] = None
    if not exact:
        found, expected = _without_numbers(found), _without_numbers(expected)
    assert found == expected, body
    return expected


def _lists(logprobs: dict[str, Any]) -> list[Any]:
    return [value for value in logprobs.values() if isinstance(value, list) and value]


async def test_of_models_that_repeat_their_prompt(client: httpx.AsyncClient) -> None:
    """200 requests, among them calls, thoughts, stops and cut answers of every kind."""
    dice = random.Random(20261120)  # noqa: S311 - not a secret
    models = [*sorted(FAMILIES), THINKER, THINKER, THINKER]
    reasons: set[str] = set()
    calls = thoughts = 0
    for _ in range(ECHOED):
        expected = await compare(client, *drawn(dice, dice.choice(models)))
        for answer in expected.values():
            if "reason" in answer:
                reasons.add(answer["reason"])
                calls += len(answer["calls"])
                thoughts += bool(answer["reasoning_content"])
    assert reasons == {"stop", "length", "tool_calls"}
    assert calls > 10
    assert thoughts > 5


async def test_of_a_model_whose_tokens_are_bytes(client: httpx.AsyncClient) -> None:
    """40 requests, most of them with characters of several bytes; what is sampled is the same by its seed."""
    dice = random.Random(7)  # noqa: S311 - not a secret
    split = 0
    for _ in range(GENERATED):
        route, body = drawn(dice, "abacus")
        body["ignore_eos"] = False
        expected = await compare(client, route, body, exact=False)
        shown = [answer["text"] or answer["content"] for answer in expected.values() if "text" in answer]
        split += any(not text.isascii() for text in shown)
    assert split
