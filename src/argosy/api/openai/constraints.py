"""The ways a request says what form its answer must have, all of which mean one constraint.

OpenAI says `response_format`; NIM 1.x `guided_*`, at the top level or in `nvext`; vLLM `structured_outputs`. The same
constraint may be given in several of them; two different ones are refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from argosy.api.http.bodies import parse
from argosy.api.openai.features import require
from argosy.api.openai.fields import STRUCTURED_REFUSED, GenerationBody, ResponseFormat
from argosy.core.errors import InvalidRequest, MalformedBody, UnsupportedParameter
from argosy.engines.contract import Constraint, ConstraintKind, Feature
from argosy.engines.text.constraints import MOST_BYTES, check_constraint, choice_grammar
from argosy.engines.text.relaxed import softened
from argosy.server.catalog.catalog import ServedModel

_ANY_OBJECT = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A constraint and the request field that asks for it.

    Attributes:
        left_open: keywords of its schema that it does not enforce.
    """

    constraint: Constraint
    field: str
    left_open: tuple[str, ...] = ()


def wanted(body: GenerationBody, model: ServedModel) -> Wanted | None:
    """The constraint of a request, within the static bounds of constraints; None when its answer is free.

    Raises:
        InvalidRequest: a constraint is malformed or out of bounds, or there are two different ones.
        UnsupportedParameter: the engine cannot hold an answer to a form.
    """
    found = list(_given(body))
    if not found:
        return None
    field, kind, value = found[0]
    for other, other_kind, other_value in found[1:]:
        if (other_kind, other_value) != (kind, value):
            raise InvalidRequest(
                f"'{field}' and '{other}' ask for different forms of one answer. Send one of them.", param=other
            )
    require(model, Feature.CONSTRAINT, field)
    text, left_open = (value, []) if isinstance(value, str) else _schema(value, field)
    return Wanted(checked(Constraint(kind, text), field), field, tuple(left_open))


def warning(field: str, left_open: Sequence[str]) -> str:
    """What a client is told whose schema asks for more than is enforced."""
    return f"'{field}' is enforced without {', '.join(left_open)}"


def checked(constraint: Constraint, field: str) -> Constraint:
    """The constraint, if it keeps the static bounds of all engines.

    Raises:
        InvalidRequest: it does not; `param` is `field`.
    """
    with naming(field):
        check_constraint(constraint)
    return constraint


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Errors about the constraint name the client's own field."""
    try:
        yield
    except InvalidRequest as error:
        error.param = field
        raise


def _given(body: GenerationBody) -> Iterator[tuple[str, ConstraintKind, Any]]:
    yield from _guided(body, "")
    if body.nvext is not None:
        yield from _guided(body.nvext, "nvext.")
    if body.structured_outputs is not None:
        ways = body.structured_outputs
        for name, reason in STRUCTURED_REFUSED.items():
            if getattr(ways, name):
                field = f"structured_outputs.{name}"
                raise UnsupportedParameter(f"'{field}' is not supported here. {reason}", param=field)
        yield from _ways("structured_outputs.", ways.json, ways.choice, ways.regex, ways.grammar)
        if ways.json_object:
            yield "structured_outputs.json_object", ConstraintKind.JSON_SCHEMA, _ANY_OBJECT
    if body.response_format is not None:
        yield from _formatted(body.response_format)


def _guided(place: Any, prefix: str) -> Iterator[tuple[str, ConstraintKind, Any]]:
    ways = (place.guided_json, place.guided_choice, place.guided_regex, place.guided_grammar)
    yield from _ways(f"{prefix}guided_", *ways)


def _ways(
    prefix: str, schema: Any, choices: list[str] | None, regex: str | None, grammar: str | None
) -> Iterator[tuple[str, ConstraintKind, Any]]:
    if schema is not None:
        yield f"{prefix}json", ConstraintKind.JSON_SCHEMA, _decoded(schema, f"{prefix}json")
    if choices is not None:
        yield f"{prefix}choice", ConstraintKind.EBNF, _choice(choices, f"{prefix}choice")
    if regex is not None:
        yield f"{prefix}regex", ConstraintKind.REGEX, regex
    if grammar is not None:
        yield f"{prefix}grammar", ConstraintKind.EBNF, grammar


def _formatted(wanted_format: ResponseFormat) -> Iterator[tuple[str, ConstraintKind, Any]]:
    if wanted_format.type == "json_object":
        yield "response_format", ConstraintKind.JSON_SCHEMA, _ANY_OBJECT
    elif wanted_format.type == "json_schema":
        if wanted_format.json_schema is None:
            raise InvalidRequest("'response_format.json_schema' is missing.", param="response_format.json_schema")
        yield "response_format.json_schema.schema", ConstraintKind.JSON_SCHEMA, wanted_format.json_schema.schema


def _decoded(schema: dict[str, Any] | str, field: str) -> Any:
    if not isinstance(schema, str):
        return schema
    try:
        value = parse(schema.encode())
    except MalformedBody as error:
        raise InvalidRequest(f"'{field}' is a string that holds no JSON: {error.message}", param=field) from None
    if not isinstance(value, dict):
        raise InvalidRequest(f"'{field}' must hold a JSON schema, which is an object.", param=field)
    return value


def _choice(choices: list[str], field: str) -> str:
    with naming(field):
        return choice_grammar(choices).text


def _schema(value: Any, field: str) -> tuple[str, list[str]]:
    """The text of a schema, and the keywords that it lost because no grammar can express them."""
    text = _text(value)
    if len(text) > MOST_BYTES:
        return text, []
    with naming(field):
        soft, left_open = softened(value)
    return _text(soft) if left_open else text, left_open


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
