from __future__ import annotations

import dataclasses
import json
from typing import Any

import httpx
import pytest

from argosy.engines import registry
from argosy.engines.contract import Feature
from tests.suites.gateway import Server

SCHEMA = {"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]}
RESPONSE = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
SCORE = {"type": "object", "properties": {"score": {"type": "number", "minimum": 0, "maximum": 1}}}
LOOSE = {"type": "object", "properties": {"score": {"type": "number"}}}
NONSENSE = {"type": "object", "properties": {"a": {"type": "nonsense"}}}
ADD = {"type": "function", "function": {"name": "add", "parameters": SCHEMA}}
NOW = {"type": "function", "function": {"name": "now"}}


@pytest.fixture(autouse=True)
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the gateway believe that echo holds answers to a form; the engine itself still knows that it cannot."""
    factory = dataclasses.replace(registry.ENGINES["echo"], features=frozenset(Feature))
    monkeypatch.setitem(registry.ENGINES, "echo", factory)


async def ask(client: httpx.AsyncClient, model: str = "hermes", **fields: object) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "x"}], **fields}
    return await client.post("/v1/chat/completions", json=body)


def sent(server: Server) -> dict[str, Any]:
    """The constraint of the last engine call."""
    return json.loads(server.client.calls[-1].inputs["sampling_parameters"].item())["constraint"]


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"response_format": RESPONSE}, "json_schema", SCHEMA),
        ({"response_format": {"type": "json_object"}}, "json_schema", {"type": "object"}),
        ({"guided_json": SCHEMA}, "json_schema", SCHEMA),
        ({"guided_json": json.dumps(SCHEMA)}, "json_schema", SCHEMA),
        ({"guided_regex": "[0-9]+"}, "regex", "[0-9]+"),
        ({"guided_choice": ["yes", "no"]}, "ebnf", 'root ::= "yes" | "no"'),
        ({"guided_grammar": 'root ::= "a"'}, "ebnf", 'root ::= "a"'),
        ({"nvext": {"guided_json": SCHEMA}}, "json_schema", SCHEMA),
        ({"nvext": {"guided_choice": ["a"]}}, "ebnf", 'root ::= "a"'),
        ({"nvext": {"guided_regex": "a"}}, "regex", "a"),
        ({"nvext": {"guided_grammar": 'root ::= "a"'}}, "ebnf", 'root ::= "a"'),
        ({"structured_outputs": {"json": SCHEMA}}, "json_schema", SCHEMA),
        ({"structured_outputs": {"choice": ["a"]}}, "ebnf", 'root ::= "a"'),
        ({"structured_outputs": {"regex": "a"}}, "regex", "a"),
        ({"structured_outputs": {"grammar": 'root ::= "a"'}}, "ebnf", 'root ::= "a"'),
        ({"structured_outputs": {"json_object": True}}, "json_schema", {"type": "object"}),
        ({"guided_json": SCHEMA, "nvext": {"guided_json": SCHEMA}, "response_format": RESPONSE}, "json_schema", SCHEMA),
    ],
)
async def test_every_way_of_asking_becomes_one_constraint(
    birds: Server, aviary: httpx.AsyncClient, fields: dict[str, object], kind: str, text: object
) -> None:
    """OpenAI's, NIM's in both places and vLLM's; also several at once when they mean the same."""
    await ask(aviary, **fields)
    constraint = sent(birds)
    assert constraint["kind"] == kind
    assert (json.loads(constraint["text"]) if kind == "json_schema" else constraint["text"]) == text


async def test_completions_take_the_same_fields(birds: Server, aviary: httpx.AsyncClient) -> None:
    """NIM's clients constrain both routes."""
    await aviary.post("/v1/completions", json={"model": "hermes", "prompt": "x", "guided_regex": "a"})
    assert sent(birds) == {"kind": "regex", "text": "a"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"guided_json": SCHEMA}, "guided_json"),
        ({"nvext": {"guided_regex": "a"}}, "nvext.guided_regex"),
        ({"response_format": RESPONSE}, "response_format.json_schema.schema"),
        ({"tools": [ADD], "tool_choice": "required"}, "tool_choice"),
    ],
)
async def test_what_the_engine_says_of_a_constraint_names_the_clients_field(
    aviary: httpx.AsyncClient, fields: dict[str, object], param: str
) -> None:
    """Here it says that it cannot do it at all."""
    reply = await ask(aviary, **fields)
    assert (reply.status_code, reply.json()["param"]) == (400, param)


def _deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"guided_json": SCHEMA, "guided_regex": "a"}, "guided_regex"),
        ({"guided_json": SCHEMA, "nvext": {"guided_json": {"type": "array"}}}, "nvext.guided_json"),
        ({"guided_choice": ["a"], "response_format": {"type": "json_object"}}, "response_format"),
        ({"structured_outputs": {"regex": "a", "grammar": 'root ::= "b"'}}, "structured_outputs.grammar"),
        ({"guided_json": "{"}, "guided_json"),
        ({"guided_json": "[]"}, "guided_json"),
        ({"guided_json": 5}, "guided_json"),
        ({"guided_json": {"type": "nonsense"}}, "guided_json"),
        ({"guided_json": {"anyOf": [{"const": f"v{number}"} for number in range(10_000)]}}, "guided_json"),
        ({"guided_json": {"type": "object", "not": {}}}, "guided_json"),
        ({"guided_json": {"description": "x" * 65_536}}, "guided_json"),
        ({"guided_json": _deep(17)}, "guided_json"),
        ({"guided_regex": "(?=a)b"}, "guided_regex"),
        ({"guided_regex": "x" * 70_000}, "guided_regex"),
        ({"guided_regex": ""}, "guided_regex"),
        ({"guided_choice": ["x" * 70_000]}, "guided_choice"),
        ({"nvext": {"guided_json": {"type": "nonsense"}}}, "nvext.guided_json"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}},
            "response_format.json_schema.schema",
        ),
        (
            {
                "tools": [{"type": "function", "function": {"name": "f", "parameters": NONSENSE}}],
                "tool_choice": "required",
            },
            "tools",
        ),
        ({"tools": [ADD], "tool_choice": "required", "guided_regex": "a"}, "guided_regex"),
    ],
)
async def test_a_wrong_constraint_is_400_and_never_travels(
    birds: Server, aviary: httpx.AsyncClient, fields: dict[str, object], param: str
) -> None:
    """V10, L6: bounds, syntax and contradictions are seen before the engine."""
    reply = await ask(aviary, **fields)
    assert (reply.status_code, reply.json()["param"]) == (400, param)
    assert birds.client.calls == []


async def test_the_choice_required_makes_the_answer_calls(birds: Server, aviary: httpx.AsyncClient) -> None:
    """In the model's own syntax, of any tool, with the schema of its arguments."""
    await ask(aviary, tools=[ADD, NOW], tool_choice="required")
    constraint = sent(birds)
    form = json.loads(constraint["text"])["format"]
    assert (constraint["kind"], form["type"], form["at_least_one"]) == ("structural_tag", "tags_with_separator", True)
    assert [tag["begin"] for tag in form["tags"]] == [
        '<tool_call>\n{"name": "add", "arguments": ',
        '<tool_call>\n{"name": "now", "arguments": ',
    ]
    assert form["tags"][0]["content"] == {"type": "json_schema", "json_schema": SCHEMA}


async def test_a_named_tool_makes_the_answer_one_call_of_it(birds: Server, aviary: httpx.AsyncClient) -> None:
    """And of no other."""
    await ask(aviary, tools=[ADD, NOW], tool_choice={"type": "function", "function": {"name": "now"}})
    form = json.loads(sent(birds)["text"])["format"]
    assert (form["type"], form["begin"]) == ("tag", '<tool_call>\n{"name": "now", "arguments": ')


async def test_no_parallel_calls_forces_exactly_one(birds: Server, aviary: httpx.AsyncClient) -> None:
    """An alternative for each tool."""
    await ask(aviary, tools=[ADD, NOW], tool_choice="required", parallel_tool_calls=False)
    form = json.loads(sent(birds)["text"])["format"]
    assert (form["type"], [tag["type"] for tag in form["elements"]]) == ("or", ["tag", "tag"])


async def test_beside_tools_a_response_format_is_one_of_the_forms(birds: Server, aviary: httpx.AsyncClient) -> None:
    """The model may still call."""
    await ask(aviary, tools=[ADD], response_format=RESPONSE)
    form = json.loads(sent(birds)["text"])["format"]
    assert [element["type"] for element in form["elements"]] == ["tag", "json_schema"]


@pytest.mark.parametrize(
    ("template", "opening"), [("x", "<think>"), ("x <think>", ""), ("x <think>\n\n</think>\n\n", None)]
)
async def test_a_form_holds_after_the_thought(
    birds: Server, aviary: httpx.AsyncClient, template: str, opening: str | None
) -> None:
    """The thought is free; a prompt that forbids it leaves only the form."""
    await birds.templates.load("thinker", template)
    await ask(aviary, "thinker", guided_json=SCHEMA)
    constraint = sent(birds)
    if opening is None:
        assert constraint["kind"] == "json_schema"
        return
    thought, _, form = json.loads(constraint["text"])["format"]["elements"]
    assert (thought["begin"], thought["content"], thought["end"]) == (opening, {"type": "any_text"}, "</think>")
    assert form == {"type": "json_schema", "json_schema": SCHEMA}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"guided_json": SCORE}, "guided_json"),
        ({"nvext": {"guided_json": json.dumps(SCORE)}}, "nvext.guided_json"),
        ({"structured_outputs": {"json": SCORE}}, "structured_outputs.json"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCORE, "strict": True}}},
            "response_format.json_schema.schema",
        ),
    ],
)
async def test_a_bound_that_no_grammar_can_express_is_left_open_and_told(
    birds: Server, aviary: httpx.AsyncClient, fields: dict[str, object], field: str
) -> None:
    """Clients' models bound their numbers; the answer keeps the schema's shape, and a header names the bounds."""
    reply = await ask(aviary, **fields, colour="red")
    assert json.loads(sent(birds)["text"]) == LOOSE
    assert reply.headers["x-argosy-warning"] == (
        f"ignored unknown fields: colour; '{field}' is enforced without maximum, minimum"
    )


async def test_a_completion_tells_what_is_left_open(birds: Server, aviary: httpx.AsyncClient) -> None:
    """The other route does the same."""
    reply = await aviary.post("/v1/completions", json={"model": "hermes", "prompt": "x", "guided_json": SCORE})
    assert json.loads(sent(birds)["text"]) == LOOSE
    assert reply.headers["x-argosy-warning"] == "'guided_json' is enforced without maximum, minimum"


async def test_a_forced_strict_function_tells_what_is_left_open(birds: Server, aviary: httpx.AsyncClient) -> None:
    """A strict function's bounds are left open as those of an answer are."""
    rate = {"type": "function", "function": {"name": "rate", "parameters": SCORE, "strict": True}}
    reply = await ask(aviary, tools=[rate], tool_choice="required")
    assert '"minimum"' not in sent(birds)["text"]
    assert reply.headers["x-argosy-warning"] == "'tools' is enforced without maximum, minimum"
    free = await ask(aviary, tools=[rate])
    assert "x-argosy-warning" not in free.headers
