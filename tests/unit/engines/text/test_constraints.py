"""Constraints are refused before anything compiles them, and the rest is said so that it can be enforced."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from argosy.core.errors import InvalidRequest
from argosy.engines.contract import Constraint, ConstraintKind
from argosy.engines.text.constraints import check_constraint, choice_grammar, enforceable


def schema(value: object) -> Constraint:
    """A JSON schema."""
    return Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(value))


def regex(text: str) -> Constraint:
    """A regular expression."""
    return Constraint(ConstraintKind.REGEX, text)


def ebnf(text: str) -> Constraint:
    """A grammar."""
    return Constraint(ConstraintKind.EBNF, text)


def tag(form: object) -> Constraint:
    """A structural tag."""
    return Constraint(ConstraintKind.STRUCTURAL_TAG, json.dumps({"type": "structural_tag", "format": form}))


def nested(levels: int) -> dict[str, Any]:
    """A schema of lists in lists."""
    inner: dict[str, Any] = {"type": "string"}
    for _ in range(levels - 1):
        inner = {"type": "array", "items": inner}
    return inner


def in_object(value: object, *, required: bool = True) -> dict[str, Any]:
    """A schema with the one property `a`."""
    return {"type": "object", "properties": {"a": value}, "required": ["a"] if required else []}


TREE = {
    "$defs": {"node": in_object({"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]})},
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    "constraint",
    [
        schema({"type": "object"}),
        schema(nested(16)),
        schema(TREE),
        schema(in_object({"$ref": "#"}, required=False)),
        schema({"properties": {"not": {"type": "string"}, "if": {"type": "null"}}}),
        schema({"type": "string", "enum": ["a", "b"], "title": "x", "description": "y", "default": "a"}),
        schema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}], "default": None}),
        schema({"type": ["string", "null"]}),
        schema({"const": "a", "enum": ["a"], "type": "string"}),
        regex(r"(a+)+$"),
        regex(r"\\1 \d{4}-\d{2}"),
        ebnf('root ::= "a" root | "b"'),
        ebnf('root ::= ("(" root ")")* tail{0,3}\ntail ::= "x" tail | ""  # "'),
        ebnf('root ::= [a-z"\\]]+ # a comment ::= "'),
        tag({"type": "tag", "begin": "<a>", "content": {"type": "json_schema", "json_schema": True}, "end": "</a>"}),
        tag({"type": "sequence", "elements": [{"type": "const_string", "value": "x"}, {"type": "any_text"}]}),
        tag(
            {
                "type": "triggered_tags",
                "triggers": ["<"],
                "tags": [{"begin": "<a>", "content": {"type": "regex", "pattern": "[a-z]"}, "end": ">"}],
            }
        ),
    ],
)
def test_takes_what_can_be_enforced(constraint: Constraint) -> None:
    """Schemas, patterns, grammars and tags with an end pass, recursive ones too."""
    check_constraint(constraint)


@pytest.mark.parametrize(
    ("constraint", "word"),
    [
        (schema([]), "object"),
        (Constraint(ConstraintKind.JSON_SCHEMA, "{"), "JSON"),
        (Constraint(ConstraintKind.JSON_SCHEMA, "[" * 60_000), "JSON"),
        (Constraint(ConstraintKind.JSON_SCHEMA, '{"a": "\ud800"}'), "surrogates"),
        (schema({"description": "x" * (1 << 16)}), "65536"),
        (schema({"type": "nonsense"}), "nonsense"),
        (schema({"type": [{}]}), "type"),
        (schema({"properties": []}), "properties"),
        (schema(nested(17)), "16 levels"),
        (schema({"anyOf": [{"const": number} for number in range(1001)]}), "branches"),
        (schema({"enum": list(range(2001))}), "values"),
        (schema({"properties": {f"p{number}": {} for number in range(1001)}}), "properties"),
        (schema({"enum": []}), "empty"),
        (schema({"type": "integer", "enum": [1, "a"]}), "type"),
        (schema({"const": 1, "enum": [2]}), "const"),
        (schema({"$ref": "https://example.org/schema"}), "leaves"),
        (schema({"$ref": "#/$defs/missing"}), "names nothing"),
        (schema({"$ref": 5}), "leaves"),
        (schema({"$ref": "#"}), "without end"),
        (schema({"anyOf": [{"$ref": "#"}]}), "without end"),
        (schema(in_object({"$ref": "#"})), "without end"),
        (schema({"type": "array", "items": {"$ref": "#"}, "minItems": 1}), "without end"),
        (schema(in_object({"$ref": "#/$defs/a"}, required=False) | {"$defs": {"a": {"$ref": "#/$defs/a"}}}), "end"),
        (schema({"not": {"type": "string"}}), "not"),
        (schema(in_object({"type": "integer", "multipleOf": 3})), "multipleOf"),
        (schema({"type": "array", "uniqueItems": True}), "uniqueItems"),
        (schema({"if": {}, "then": {}}), "cannot be enforced"),
        (schema({"allOf": [{"type": "object"}, {"type": "object"}]}), "allOf"),
        (schema({"properties": {"a": {}}, "anyOf": [{"required": ["a"]}]}), "anyOf"),
        (schema({"type": "number", "minimum": 0}), "minimum"),
        (schema({"type": "string", "pattern": "a", "minLength": 2}), "pattern"),
        (schema({"type": "string", "format": "date", "minLength": 2}), "format"),
        (schema({"type": "string", "pattern": "(?=a)b"}), "look-around"),
        (schema({"type": "string", "minLength": -1}), "length"),
        (schema({"type": "object", "required": ["a"]}), "'a'"),
        (schema({"minLength": 2}), "'type'"),
        (schema(in_object({"maximum": 2})), "'type'"),
        (schema({"propertyNames": {"pattern": "a"}, "additionalProperties": {}}), "propertyNames"),
        (regex(""), "bytes"),
        (regex("x" * 4097), "4096"),
        (regex("(?=a)b"), "look-around"),
        (regex("(?<!a)b"), "look-around"),
        (regex(r"(a)\1"), "back reference"),
        (regex(r"\bword"), "word boundary"),
        (regex("(?P<name>a)"), "named group"),
        (ebnf('a ::= "x"'), "root"),
        (ebnf("root ::= root"), "'root'"),
        (ebnf('root ::= "a" rest\nrest ::= rest'), "'rest'"),
        (ebnf('root ::= "a" | "b" (rest | rest "c")\nrest ::= "d" rest'), "'rest'"),
        (ebnf("root ::= " + "(" * 65), "groups"),
        (Constraint(ConstraintKind.STRUCTURAL_TAG, "{}"), "structural tag"),
        (tag({"begin": "<a>"}), "type"),
        (tag({"type": "sequence"}), "elements"),
        (tag({"type": "sequence", "elements": ["x"]}), "elements"),
        (tag({"type": "json_schema", "json_schema": {"not": {}}}), "not"),
        (tag({"type": "regex", "pattern": 5}), "pattern"),
        (tag({"type": "grammar", "grammar": "root ::= root"}), "root"),
        (tag({"type": "tag", "begin": "x", "end": "y"}), "type"),
    ],
)
def test_names_what_cannot(constraint: Constraint, word: str) -> None:
    """What is wrong, too large, endless or impossible to enforce is `InvalidRequest` that names it."""
    with pytest.raises(InvalidRequest, match=re.escape(word)) as caught:
        check_constraint(constraint)
    assert caught.value.param == "constraint"


def test_a_message_does_not_repeat_a_long_name() -> None:
    """What a caller wrote is cut in messages."""
    with pytest.raises(InvalidRequest) as caught:
        check_constraint(schema({"$ref": "x" * 10_000}))
    assert len(caught.value.message) < 300


def test_long_chains_are_looked_at_once() -> None:
    """Thousands of references or rules that lead to one another are followed, and the last one decides."""
    definitions: dict[str, object] = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(1500)}
    check_constraint(schema({"$defs": definitions | {"d1500": {"type": "null"}}, "$ref": "#/$defs/d0"}))
    with pytest.raises(InvalidRequest, match="without end"):
        check_constraint(schema({"$defs": definitions | {"d1500": {"$ref": "#/$defs/d7"}}, "$ref": "#/$defs/d0"}))
    rules = "".join(f"r{n} ::= r{n + 1}\n" for n in range(3000))
    check_constraint(ebnf(f'root ::= r0\n{rules}r3000 ::= "a"'))
    with pytest.raises(InvalidRequest, match="r0"):
        check_constraint(ebnf(f"root ::= r0\n{rules}r3000 ::= r0"))


class TestExactWords:
    def test_lengths_count_characters_and_keep_the_string_whole(self) -> None:
        """Lengths become a pattern of characters and escapes that may stand in a JSON string."""
        exact = json.loads(enforceable(schema(in_object({"type": "string", "minLength": 2, "maxLength": 3}))).text)
        pattern = re.compile(exact["properties"]["a"]["pattern"])
        assert "minLength" not in exact["properties"]["a"]
        for inside in ("ab", "abc", r"\"\n", "é日🙂"):
            assert pattern.fullmatch(inside)
            assert 2 <= len(json.loads(f'"{inside}"')) <= 3
        for inside in ("a", "abcd", 'a"b', "a\nb", "a\\"):
            assert not pattern.fullmatch(inside)

    def test_a_string_of_no_length_is_the_empty_one(self) -> None:
        """`maxLength` 0 allows the empty text only."""
        exact = json.loads(enforceable(schema({"type": "string", "maxLength": 0})).text)
        assert exact["enum"] == [""]

    @pytest.mark.parametrize(
        ("keys", "bounds"),
        [
            ({"minimum": 5}, (5, 10**15)),
            ({"maximum": 5}, (-(10**15), 5)),
            ({"minimum": 1, "maximum": 2}, (1, 2)),
        ],
    )
    def test_whole_numbers_have_both_bounds(self, keys: dict[str, int], bounds: tuple[int, int]) -> None:
        """A whole number with one bound gets the other, far away."""
        exact = json.loads(enforceable(schema({"type": "integer", **keys})).text)
        assert (exact["minimum"], exact["maximum"]) == bounds

    def test_schemas_inside_a_tag_are_exact_too(self) -> None:
        """The same holds for the schemas of a structural tag."""
        form = {"type": "json_schema", "json_schema": {"type": "string", "minLength": 1}}
        assert "pattern" in json.loads(enforceable(tag(form)).text)["format"]["json_schema"]

    def test_the_rest_stays_as_it_is(self) -> None:
        """Patterns and grammars are passed on to the letter, and so is what a schema says well."""
        assert enforceable(regex("[^a].")) == regex("[^a].")
        assert json.loads(enforceable(schema(TREE)).text) == TREE


class TestChoices:
    def test_are_quoted(self) -> None:
        """Quotes, backslashes and control characters of a choice cannot leave it; equal ones count once."""
        constraint = choice_grammar(['say "x"', "a\\b\n\x01", "é", "é"])
        assert constraint == ebnf('root ::= "say \\"x\\"" | "a\\\\b\\n\\x01" | "é"')

    @pytest.mark.parametrize("choices", [[], ["a", ""], ["x"] * 1025, ["x" * 70_000], ["a\0b"]])
    def test_are_bounded(self, choices: list[str]) -> None:
        """None, an empty one, too many or too long ones are `InvalidRequest`."""
        with pytest.raises(InvalidRequest) as caught:
            choice_grammar(choices)
        assert caught.value.param == "constraint"
