"""Forced calls: the forms keep the static bounds, and a real grammar compiler and model turn them into calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from argosy.engines.contract import (
    Constraint,
    ConstraintKind,
    EngineOptions,
    GenerationEngine,
    GenerationRequest,
    Sampling,
)
from argosy.engines.registry import create
from argosy.engines.text.constraints import check_constraint
from argosy.server.text.answer import AnswerReader
from argosy.server.text.pieces import CallArguments, CallBegun, Said, Thought, joined
from argosy.server.text.reasoning import ThoughtReader
from argosy.server.text.tools import forced
from argosy.server.text.tools.families import FAMILIES
from argosy.server.text.tools.forced import Format, Function
from argosy.store.entries import read_entry
from tests.suites.engine_contract import run

MODELS = Path(__file__).parents[5] / "models"
PROMPT = "<|bos|><|user|>What is the weather in Oslo?<|end|><|assistant|>"
WEATHER = Function(
    "get_weather",
    {
        "type": "object",
        "properties": {"unit": {"enum": ["C", "F"]}, "city": {"$ref": "#/$defs/city"}, "fast": {"type": "boolean"}},
        "required": ["city"],
        "additionalProperties": False,
        "$defs": {"city": {"enum": ["Oslo", "New York"]}},
    },
)
PING = Function("ping", {"type": "object", "properties": {"loud": {"type": "boolean"}}, "additionalProperties": False})
NOW = Function("now", {"type": "object", "properties": {}, "additionalProperties": False})
OFFERED = (WEATHER, PING, NOW)
FAMILY = pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"qwen"}))


@pytest.fixture(scope="module")
def engine() -> Iterator[GenerationEngine]:
    """The bundled language model."""
    entry = read_entry(MODELS / "abacus")
    made = create(entry.spec, EngineOptions(entry.newest, threads=2))
    assert isinstance(made, GenerationEngine)
    made.start()
    yield made
    made.stop()


def answer(engine: GenerationEngine, form: Format, max_tokens: int = 200) -> str:
    """What the model says when it is held to a form."""
    constraint = forced.as_constraint(form)
    check_constraint(constraint)
    sampling = Sampling(max_tokens=max_tokens, temperature=0, add_special_tokens=False, constraint=constraint)
    return run(engine, GenerationRequest(PROMPT, sampling)).text


def calls(family: str, text: str) -> list[tuple[str, object]]:
    """The calls in an answer, which must hold nothing else."""
    reader = FAMILIES[family].reader([function.name for function in OFFERED])
    found: list[tuple[str, str]] = []
    for piece in joined([*reader.feed(text), *reader.finish()]):
        assert not isinstance(piece, Said), text
        if isinstance(piece, CallBegun):
            found.append((piece.name, ""))
        elif isinstance(piece, CallArguments):
            found[-1] = (found[-1][0], piece.text)
    return [(name, json.loads(arguments)) for name, arguments in found]


@FAMILY
@pytest.mark.parametrize("function", OFFERED, ids=lambda function: function.name)
def test_one_call_of_a_function(engine: GenerationEngine, family: str, function: Function) -> None:
    """In the family's own syntax, with arguments that keep the schema, whether they are required or not."""
    ((name, arguments),) = calls(family, answer(engine, FAMILIES[family].forced.one(function)))
    assert name == function.name
    assert isinstance(arguments, dict)
    assert arguments.keys() <= function.parameters["properties"].keys()
    if function is WEATHER:
        assert arguments["city"] in {"Oslo", "New York"}


@FAMILY
def test_calls_of_several_functions(engine: GenerationEngine, family: str) -> None:
    """At least one; a model that never ends is cut, and its first call is whole."""
    text = answer(engine, FAMILIES[family].forced.several(OFFERED), max_tokens=150)
    names = {function.name for function in OFFERED}
    if family == "pythonic" and not text.endswith("]"):
        assert text.startswith("[")
        return
    reader = FAMILIES[family].reader(names)
    pieces = joined([*reader.feed(text), *reader.finish()])
    assert isinstance(pieces[0], CallBegun)


@FAMILY
def test_a_call_or_content_of_a_form(engine: GenerationEngine, family: str) -> None:
    """The answer is one of them."""
    family_forced = FAMILIES[family].forced
    content = forced.as_format(Constraint(ConstraintKind.REGEX, "yes|no"))
    text = answer(engine, forced.either([family_forced.one(WEATHER), family_forced.one(PING), content]))
    assert text in {"yes", "no"} or len(calls(family, text)) == 1


@pytest.mark.parametrize(
    "constraint",
    [
        Constraint(ConstraintKind.JSON_SCHEMA, '{"enum": ["yes", "no"]}'),
        Constraint(ConstraintKind.REGEX, '"(yes|no)"'),
        Constraint(ConstraintKind.EBNF, 'root ::= "\\"yes\\"" | "\\"no\\""'),
        forced.as_constraint({"type": "regex", "pattern": '"(yes|no)"'}),
    ],
    ids=lambda constraint: constraint.kind.value,
)
def test_a_form_after_a_thought(engine: GenerationEngine, constraint: Constraint) -> None:
    """Every kind of constraint holds behind the closing mark; the thought is free, and here cut short."""
    thought = forced.after_thought(forced.as_format(constraint), opened=False)
    # A model that does not think is given the mark it would never write.
    thought["elements"][0]["content"] = {"type": "const_string", "value": "Hm."}
    reader = AnswerReader(ThoughtReader(opened=False))
    text = answer(engine, thought)
    said = joined([*reader.feed(text), *reader.finish()])
    assert said[0] == Thought("Hm.")
    assert said[1] in (Said('"yes"'), Said('"no"'))


def test_an_open_thought_needs_no_opening_mark() -> None:
    """The prompt has it."""
    form = forced.after_thought({"type": "regex", "pattern": "a"}, opened=True)
    assert form["elements"][0]["begin"] == ""
    check_constraint(forced.as_constraint(form))


def test_names_that_python_cannot_say_are_not_taken_by_pythonic() -> None:
    """Of the function or of an argument."""
    takes = FAMILIES["pythonic"].forced.takes
    assert takes(WEATHER)
    assert not takes(Function("get-weather", {}))
    assert not takes(Function("f", {"properties": {"from": {}}}))
    assert FAMILIES["hermes"].forced.takes(Function("get-weather", {}))


def test_what_no_grammar_expresses_is_left_open() -> None:
    """Bounds on a number are dropped from a tool's schema, so that the call can be forced at all."""
    bounded = {"type": "object", "properties": {"degrees": {"type": "number", "maximum": 50}}}
    assert Function("set", bounded).enforced() == {"type": "object", "properties": {"degrees": {"type": "number"}}}


def test_a_strict_schema_keeps_its_shape() -> None:
    """With `strict` only bounds of values are left open, and named; the check of constraints refuses the rest."""
    bounded = {"type": "object", "properties": {"degrees": {"type": "number", "maximum": 50}}, "not": {}}
    strict = Function("set", bounded, strict=True)
    assert strict.enforced() == {"type": "object", "properties": {"degrees": {"type": "number"}}, "not": {}}
    assert strict.left_open() == ["maximum"]
