"""Grammars with Latin letters keep their meaning in words that the compiler reads back rightly."""

from __future__ import annotations

import json

import pytest

from argosy.core.errors import InvalidRequest
from argosy.engines.contract import Constraint, ConstraintKind
from argosy.engines.text.constraints import check_constraint, enforceable
from argosy.engines.text.latin import safe_grammar, safe_pattern


@pytest.mark.parametrize(
    ("grammar", "safe"),
    [
        ('root ::= "für"', 'root ::= "für"'),
        ('root ::= "Über"*', 'root ::= ("" [Ü] "ber")*'),
        (r'root ::= "\u00e9d\""', r'root ::= ("" [\u00e9] "d\"")'),
        (r'root ::= "\\u00e9d"', r'root ::= "\\u00e9d"'),
        ("root ::= [éb-d]", "root ::= [b-dé]"),
        ("root ::= [^à-éb-]", "root ::= [^-bà-é]"),
        ("root ::= [a-zé]", "root ::= [a-zé]"),
        ('root ::= "a" # "éa" [éa]', 'root ::= "a" # "éa" [éa]'),
    ],
)
def test_grammars(grammar: str, safe: str) -> None:
    """Letters that hexadecimal digits follow stand apart, or last in their set; nothing else changes."""
    assert safe_grammar(grammar) == safe


@pytest.mark.parametrize(
    ("pattern", "safe"), [("éa", "éa"), ("[éa]+", "[aé]+"), (r"\[éa]", r"\[éa]"), (r"[\xe9a]", r"[a\xe9]")]
)
def test_patterns(pattern: str, safe: str) -> None:
    """In regular expressions only sets need it."""
    assert safe_pattern(pattern) == safe


def test_values_of_a_schema_become_patterns() -> None:
    """Texts of `enum` and `const` that would become others are said as patterns; the rest stays."""
    schema = {"type": "string", "enum": ["a.b", "é1."]}
    found = json.loads(enforceable(Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(schema))).text)
    assert found == {"anyOf": [{"enum": ["a.b"]}, {"type": "string", "pattern": "é1\\."}]}


@pytest.mark.parametrize("schema", [{"type": "object", "properties": {"médecin": {}}}, {"enum": [["é1"]]}])
def test_what_cannot_be_said_otherwise_is_refused(schema: object) -> None:
    """Names of properties and values with parts have no pattern."""
    with pytest.raises(InvalidRequest, match="compiled into another"):
        check_constraint(Constraint(ConstraintKind.JSON_SCHEMA, json.dumps(schema)))
