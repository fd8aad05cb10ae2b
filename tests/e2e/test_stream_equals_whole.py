"""A joined stream is the answer that comes in one piece: 200 drawn prompts and settings against the bundled model.

The model computes in f32, so an answer does not depend on who shares its batch.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.running import Running

MODEL = "abacus"
SEED = 20_241
CASES = 200
PER_TEST = 25
AT_ONCE = 4

_WORDS = (
    *("harbour", "plus", "37", "Oslo", "JSON", "tide", "naïve", "søster", "東京", "\n", "  "),
    *("\N{SHIP}", "\N{WOMAN}\u200d\N{ROCKET}", "e\u0301"),
)
_QUESTIONS = (
    "What is {a} plus {b}?",
    "Count to {a}.",
    "Extract the city and the temperature as JSON: It is {a} degrees in Oslo.",
    "Say {w} and {v}.",
    "{w} {v} {a}",
    "Répète: {w}{v}",
)
_STOPS = (
    "8",
    "1",
    " ",
    ", ",
    "}",
    "is",
    "so",
    "=",
    "Oslo",
    '"temp',
    "é",
    "京",
    "\N{SHIP}",
    "do not know",
    ".",
    "0 + ",
    "\n",
)


def test_the_drawn_settings_reach_far(cases: list[dict[str, Any]]) -> None:
    """The draw holds both routes, streams that end by length and by stop texts, seeds, and characters of many bytes."""
    assert len(cases) == CASES
    assert {path for path, _ in map(_request, cases)} == {"/v1/chat/completions", "/v1/completions"}
    assert sum("stop" in case for case in cases) > 50
    assert sum("seed" in case for case in cases) > 50
    assert sum(not str(case["prompt"]).isascii() for case in cases) > 50
    assert sum(case.get("temperature") == 0 for case in cases) > 50


@pytest.mark.triton
@pytest.mark.timeout(300)
@pytest.mark.parametrize("start", range(0, CASES, PER_TEST))
def test_a_joined_stream_is_the_whole_answer(bundled: Running, cases: list[dict[str, Any]], start: int) -> None:
    """Text, reason and token counts, with other requests under way."""
    with (
        httpx.Client(base_url=bundled.url, timeout=120, trust_env=False) as client,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        differences = list(pool.map(lambda case: _difference(client, case), cases[start : start + PER_TEST]))
    assert [found for found in differences if found] == []


@pytest.mark.triton
@pytest.mark.timeout(300)
def test_the_draw_meets_split_characters_and_stops(bundled: Running, cases: list[dict[str, Any]]) -> None:
    """Among the answers are characters of several tokens, and stop texts that no single chunk holds."""
    reasons, texts = set(), []
    with _client(bundled) as client:
        for prompt, stop in (("Répète: naïve 東京 søster", None), ("What is 37 plus 45?", ["so 37"])):
            body: dict[str, Any] = {
                "messages": [{"role": "user", "content": prompt}],
                "temperature": 0,
                "max_tokens": 60,
            }
            body |= {"stop": stop} if stop else {}
            pieces, reason, _ = _streamed(client, "/v1/chat/completions", {"model": MODEL, **body})
            reasons.add(reason)
            texts.append("".join(pieces))
            assert all("\ufffd" not in piece for piece in pieces)
    assert not texts[0].isascii()
    assert texts[1].endswith("= 12, ")
    assert "stop" in reasons


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    """Requests drawn from the seed, the same every time."""
    drawn = random.Random(SEED)  # noqa: S311 - not a secret
    return [_case(drawn) for _ in range(CASES)]


def _client(service: Running) -> httpx.Client:
    return httpx.Client(base_url=service.url, timeout=120, trust_env=False)


def _case(drawn: random.Random) -> dict[str, Any]:
    question = drawn.choice(_QUESTIONS)
    words = {"a": drawn.randrange(100), "b": drawn.randrange(100), "w": drawn.choice(_WORDS), "v": drawn.choice(_WORDS)}
    case: dict[str, Any] = {"prompt": question.format(**words), "max_tokens": drawn.choice((1, 2, 5, 12, 24, 48))}
    case["chat"] = drawn.random() < 0.7
    if drawn.random() < 0.5:
        case["temperature"] = 0
    else:
        case["seed"] = drawn.randrange(-(2**31), 2**31)
        case["temperature"] = drawn.choice((0.5, 1.0, 1.7, 2.0))
        case["top_p"] = drawn.choice((0.3, 0.9, 1.0))
        case["top_k"] = drawn.choice((0, 5, 50))
    if drawn.random() < 0.5:
        case["stop"] = drawn.sample(_STOPS, drawn.randrange(1, 5))
        case["include_stop_str_in_output"] = drawn.random() < 0.25
    if drawn.random() < 0.2:
        case["n"] = 2
    for name, values in (
        ("repetition_penalty", (1.1, 1.3)),
        ("presence_penalty", (-1, 0.7)),
        ("frequency_penalty", (-0.5, 1)),
        ("ignore_eos", (True,)),
        ("min_tokens", (3,)),
    ):
        if drawn.random() < 0.15:
            case[name] = drawn.choice(values)
    if case.get("min_tokens", 0) > case["max_tokens"]:
        del case["min_tokens"]
    return case


def _request(case: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    fields = {name: value for name, value in case.items() if name not in {"chat", "prompt"}}
    if case["chat"]:
        return "/v1/chat/completions", {
            "model": MODEL,
            "messages": [{"role": "user", "content": case["prompt"]}],
            **fields,
        }
    return "/v1/completions", {"model": MODEL, "prompt": case["prompt"], **fields}


def _difference(client: httpx.Client, case: dict[str, Any]) -> dict[str, Any] | None:
    path, body = _request(case)
    whole = client.post(path, json=body)
    assert whole.status_code == 200, (case, whole.text)
    answer = whole.json()
    choices = sorted(answer["choices"], key=lambda choice: choice["index"])
    for index, choice in enumerate(choices):
        text = choice["message"]["content"] if case["chat"] else choice["text"]
        pieces, reason, usage = _streamed(client, path, body, index)
        if ("".join(pieces), reason, usage) != (text, choice["finish_reason"], answer["usage"]):
            return {"case": case, "whole": choice, "usage": answer["usage"], "streamed": (pieces, reason, usage)}
    return None


def _streamed(
    client: httpx.Client, path: str, body: dict[str, Any], index: int = 0
) -> tuple[list[str], str | None, dict[str, Any] | None]:
    """Pieces of one choice, its reason and the usage of the stream."""
    pieces, reasons, usage = [], [], None
    asked = {**body, "stream": True, "stream_options": {"include_usage": True}}
    with client.stream("POST", path, json=asked) as reply:
        assert reply.status_code == 200, reply.read()
        for chunk in _events(reply):
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                if choice["index"] == index:
                    pieces.append(_piece(choice))
                    reasons.append(choice["finish_reason"])
    told = [reason for reason in reasons if reason is not None]
    assert len(told) == 1
    assert reasons[-1] is not None, "something followed the end"
    return pieces, told[0], usage


def _piece(choice: dict[str, Any]) -> str:
    text = choice["delta"].get("content") if "delta" in choice else choice["text"]
    return text or ""


def _events(reply: httpx.Response) -> Iterator[dict[str, Any]]:
    lines = [line for line in reply.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    for line in lines[:-1]:
        yield json.loads(line.removeprefix("data: "))
