"""Hostile generation requests against the whole service (reliability cases L5-L8 and L12)."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.running import Running
from tests.e2e.wire import post, send

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
ASKED = [{"role": "user", "content": "What is 12 + 30?"}]
FUNCTION = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
STOPS = [chr(ord("A") + number) * 256 for number in range(16)]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "abacus", "messages": ASKED, "max_tokens": 16, "temperature": 0, **fields}


def text(**fields: Any) -> dict[str, Any]:
    return {"model": "abacus", "prompt": "What is 12 + 30?", "max_tokens": 16, "temperature": 0, **fields}


def produced(bundled: Running) -> float:
    """Tokens that language models have produced since the start."""
    families = text_string_to_metric_families(bundled.get("/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "argosy_generation_tokens_total"
    )


def executed(bundled: Running) -> int:
    """How often Triton has run the model, canaries of the supervisor included."""
    (found,) = bundled.get("/v2/models/abacus/stats").json()["model_stats"]
    return int(found["execution_count"])


def untouched(bundled: Running, path: str, body: dict[str, Any]) -> httpx.Response:
    """The reply to a request for which Triton runs nothing, and after which it answers.

    A canary, one in 5 s at most, may run meanwhile. What touches the engine does so every time.
    """
    for _ in range(3):
        before = executed(bundled)
        reply = bundled.post(path, body)
        assert bundled.post(CHAT, chat()).status_code == 200
        if executed(bundled) == before + 1:
            return reply
    raise AssertionError("the request ran in Triton")


@pytest.fixture
def silent(bundled: Running) -> Iterator[None]:
    """The engine produces nothing during the test, and answers after it."""
    before = produced(bundled)
    yield
    assert produced(bundled) == before
    assert bundled.post(CHAT, chat()).status_code == 200


def check_refused(reply: httpx.Response, param: str) -> str:
    """The reply is a 400 in the double error shape that names the field; its message."""
    assert reply.status_code == 400, reply.text[:300]
    error = reply.json()["error"]
    assert (error["param"] or "").split("[")[0].split(".")[0] == param, error
    message: str = error["message"]
    assert message
    return message


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def response_format(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (CHAT, chat(n=1_000_000), "n"),
        (TEXT, text(n=9), "n"),
        (CHAT, chat(logprobs=True, top_logprobs=-1), "top_logprobs"),
        (CHAT, chat(logprobs=True, top_logprobs=21), "top_logprobs"),
        (CHAT, chat(top_logprobs=1), "top_logprobs"),
        (TEXT, text(logprobs=-1), "logprobs"),
        (CHAT, chat(prompt_logprobs=-1), "prompt_logprobs"),
        (CHAT, chat(stop=["x"] * 10_000), "stop"),
        (CHAT, chat(stop=[*STOPS, "x"]), "stop"),
        (CHAT, chat(stop=[*STOPS[1:], STOPS[0] + "x"]), "stop"),
        (TEXT, text(stop=[*STOPS, "x"]), "stop"),
        (TEXT, text(stop="x" * 257), "stop"),
        (CHAT, chat(max_tokens=1025), "max_tokens"),
        (CHAT, chat(max_completion_tokens=2**31 - 1), "max_completion_tokens"),
        (TEXT, text(prompt=[48] * 1025), "prompt"),
        (TEXT, text(prompt=""), "prompt"),
        (TEXT, text(best_of=3), "best_of"),
        (TEXT, text(suffix="!"), "suffix"),
        (CHAT, chat(logit_bias={"5": 1}), "logit_bias"),
    ],
)
def test_l5_greedy_parameters_are_refused(bundled: Running, path: str, body: dict[str, Any], param: str) -> None:
    """L5: counts beyond the bounds are refused by name before Triton hears of them."""
    check_refused(untouched(bundled, path, body), param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (text(prompt="7" * 20_000), "prompt"),
        (text(prompt=[48] * 1020, max_tokens=16), "max_tokens"),
    ],
)
@pytest.mark.usefixtures("silent")
def test_l5_what_the_engine_counts_is_refused_before_its_pipeline(
    bundled: Running, body: dict[str, Any], param: str
) -> None:
    """L5: a text's tokens, and their sum with the answer's, are the engine's to refuse; nothing is generated."""
    check_refused(bundled.post(TEXT, body), param)


@pytest.mark.parametrize("last", ["none of them is said", "the last one is"])
def test_l5_sixteen_long_stop_texts_are_taken(bundled: Running, last: str) -> None:
    """L5: 16 stop texts of 256 characters are within the bounds, and each of the 16 is looked for."""
    whole = bundled.post(CHAT, chat()).json()["choices"][0]["message"]["content"]
    stops = STOPS if last.startswith("none") else [*STOPS[:15], whole[-1]]
    reply = bundled.post(CHAT, chat(stop=stops))
    assert reply.status_code == 200, reply.text
    found = reply.json()["choices"][0]["message"]["content"]
    assert found == (whole if stops is STOPS else whole[: whole.index(whole[-1])])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": response_format({"type": "nonsense"})}, "response_format"),
        ({"response_format": response_format(nested(20))}, "response_format"),
        ({"response_format": response_format({"enum": ["x" * 70_000]})}, "response_format"),
        (
            {"response_format": response_format({"anyOf": [{"const": f"v{i}"} for i in range(2_000)]})},
            "response_format",
        ),
        ({"response_format": response_format({"anyOf": [{"const": i} for i in range(10_000)]})}, "response_format"),
        ({"response_format": response_format([])}, "response_format"),
        ({"response_format": {"type": "yaml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"guided_json": '{"type": '}, "guided_json"),
        ({"guided_regex": r"(a)\1"}, "guided_regex"),
        ({"guided_regex": "(?=a)b"}, "guided_regex"),
        ({"guided_regex": "a" * 70_000}, "guided_regex"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_choice": [""]}, "guided_choice"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools"),
        ({"tools": [{"type": "function", "function": {**FUNCTION, "parameters": nested(20)}}]}, "tools"),
        ({"tools": [{"type": "function", "function": FUNCTION}] * 129}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "function", "function": FUNCTION}], "tool_choice": "sometimes"}, "tool_choice"),
    ],
)
def test_l6_bad_grammars_never_reach_triton(bundled: Running, fields: dict[str, Any], param: str) -> None:
    """L6: what is seen to be wrong, too large or too deep is refused by name before Triton hears of it."""
    check_refused(untouched(bundled, CHAT, chat(**fields)), param)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"guided_regex": "(unclosed"}, "guided_regex"),
        ({"guided_grammar": "root ::= nowhere"}, "guided_grammar"),
        ({"nvext": {"guided_regex": "[z-a]"}}, "nvext"),
    ],
)
@pytest.mark.usefixtures("silent")
def test_l6_what_does_not_compile_never_reaches_the_pipeline(
    bundled: Running, fields: dict[str, Any], param: str
) -> None:
    """L6: what only compiling shows to be wrong is refused by name; nothing is generated, and the next is answered."""
    check_refused(bundled.post(CHAT, chat(**fields)), param)


@pytest.mark.parametrize(
    "schema", [{"anyOf": [True] * 10_000}, {"type": "object", "properties": {"a": {"oneOf": [{}] * 10_000}}}]
)
@pytest.mark.parametrize("form", ["response_format", "guided_json"])
def test_l6_many_branches_are_refused_where_the_size_is_allowed(bundled: Running, schema: Any, form: str) -> None:
    """L6: 10^4 branches in less than 64 KiB are refused for their number, before Triton hears of them."""
    assert len(json.dumps(schema)) < 1 << 16
    fields: dict[str, Any] = {form: response_format(schema) if form == "response_format" else schema}
    assert "branches" in check_refused(untouched(bundled, CHAT, chat(**fields)), form)


def test_l6_streams_go_on_while_hostile_grammars_are_refused(bundled: Running) -> None:
    """L6: a running stream loses nothing while grammars that take long or fail are tried beside it."""
    hostile: list[dict[str, Any]] = [
        {"guided_regex": "(a+)+$"},
        {"guided_regex": "((a{1,90}){1,90}){1,90}"},
        {"guided_regex": "(unclosed"},
        {"guided_json": {"type": "array", "items": {"type": "string", "pattern": "(a|b|c|d|e|f){1,3000}"}}},
        {"guided_json": {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(1_200)}}},
        {"guided_grammar": "root ::= root root"},
    ]
    long = text(max_tokens=300, ignore_eos=True, stream=True, stream_options={"include_usage": True})
    with ThreadPoolExecutor(len(hostile)) as pool:
        with httpx.stream("POST", bundled.url + TEXT, json=long, timeout=60, trust_env=False) as stream:
            lines = stream.iter_lines()
            next(lines)
            replies = [pool.submit(bundled.post, CHAT, chat(**fields)) for fields in hostile]
            data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        assert all(reply.result().status_code in {200, 400} for reply in replies)
    assert data[-1] == "[DONE]"
    assert json.loads(data[-2])["usage"]["completion_tokens"] == 300


def test_l6_a_call_that_never_closes_ends_at_the_limit(bundled: Running) -> None:
    """L6: a forced tool call whose text does not end stops at `max_tokens` with reason `length`."""
    body = chat(
        tools=[{"type": "function", "function": FUNCTION}],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        max_tokens=5,
    )
    choice = bundled.post(CHAT, body).json()["choices"][0]
    assert choice["finish_reason"] == "length"


URLS = [
    "http://127.1:{port}/x.png",
    "http://0x7f.1:{port}/x.png",
    "http://[::ffff:7f00:1]:{port}/x.png",
    "http://localhost:{port}/x.png",
    "http://ok\\@127.0.0.1:{port}/x.png",
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{port}/_x",
    "data:text/plain;base64,aGk=",
    "data:image/png;base64,not base64",
    PIXEL,
]


@pytest.mark.parametrize("url", URLS)
def test_l7_images_for_a_text_model_are_refused_without_a_packet(bundled: Running, url: str) -> None:
    """L7: an image part is a 400 that names it, whatever its address, and nothing is fetched."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.2)
        part = {"type": "image_url", "image_url": {"url": url.format(port=trap.getsockname()[1])}}
        body = chat(messages=[{"role": "user", "content": [{"type": "text", "text": "What is this?"}, part]}])
        check_refused(untouched(bundled, CHAT, body), "messages")
        with pytest.raises(TimeoutError):
            trap.accept()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"chat_template": "{{ ''.__class__ }}"}, "chat_template"),
        ({"cache_salt": "mine"}, "cache_salt"),
        ({"chat_template_kwargs": {"bos_token": "x"}}, "chat_template_kwargs"),
        ({"documents": [{"text": "x"}]}, "documents"),
        ({"guided_whitespace_pattern": " *"}, "guided_whitespace_pattern"),
        ({"logits_processors": ["os.system"]}, "logits_processors"),
        ({"best_of": 5}, "best_of"),
    ],
)
def test_l8_what_only_an_operator_may_set_is_refused(bundled: Running, fields: dict[str, Any], param: str) -> None:
    """L8: templates, cache salts and engine keys from a client are refused by name before Triton hears of them."""
    check_refused(untouched(bundled, CHAT, chat(**fields)), param)


def test_l12_half_a_surrogate_pair_is_bad_json(bundled: Running) -> None:
    """L12: a lone surrogate in the body is refused before anything is rendered."""
    body = b'{"model": "abacus", "messages": [{"role": "user", "content": "\\ud83d"}]}'
    assert send(bundled.port, post(CHAT, body)).status == 400


def test_l12_an_answer_of_no_text_is_whole(bundled: Running) -> None:
    """L12: an answer that is stopped before its first character is an empty text with reason `stop`."""
    whole = bundled.post(CHAT, chat()).json()["choices"][0]["message"]["content"]
    empty = bundled.post(CHAT, chat(stop=whole[:1])).json()["choices"][0]
    assert (empty["message"]["content"], empty["finish_reason"]) == ("", "stop")


def test_l12_bytes_of_one_character_never_part(bundled: Running) -> None:
    """L12: eight streams of random tokens, split characters among them, are UTF-8 and equal their whole answers."""
    bodies = [text(temperature=2.0, seed=seed, max_tokens=64, prompt=f"é{seed} 🙂 ") for seed in range(8)]

    def streamed(body: dict[str, Any]) -> str:
        reply = bundled.post(TEXT, {**body, "stream": True})
        reply.content.decode("utf-8", "strict")
        events = [line[6:] for line in reply.text.split("\n\n") if line.startswith("data: {")]
        return "".join(json.loads(event)["choices"][0]["text"] for event in events)

    with ThreadPoolExecutor(4) as pool:
        joined = list(pool.map(streamed, bodies))
    assert joined == [bundled.post(TEXT, body).json()["choices"][0]["text"] for body in bodies]
