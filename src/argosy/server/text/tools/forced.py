"""Constraints that make an answer a tool call, as structural tags of xgrammar.

Two rules of xgrammar shape what is here: only the last element of a sequence may repeat, and alternatives may not be
mixed of such that repeat and such that do not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from argosy.engines.contract import Constraint, ConstraintKind
from argosy.engines.text.relaxed import relaxed, softened

Format = Mapping[str, Any]
"""One node of a structural tag."""

_NOTHING: Format = {"type": "grammar", "grammar": 'root ::= ""'}
_SHARED = ("$defs", "definitions")


@dataclass(frozen=True, slots=True)
class Function:
    """A function that was offered.

    Attributes:
        parameters: JSON schema of its arguments, an object; empty when it takes any.
        strict: whether the shape of a call must be what the schema says, so that one which cannot be enforced is
            refused; see `engines.text.relaxed`.
    """

    name: str
    parameters: Mapping[str, Any]
    strict: bool = False

    def enforced(self) -> Mapping[str, Any]:
        """The schema that a forced call satisfies.

        Raises:
            InvalidRequest: a keyword holds what it must not; the param is "constraint".
        """
        enforced: Mapping[str, Any] = softened(self.parameters)[0] if self.strict else relaxed(self.parameters)
        return enforced

    def left_open(self) -> list[str]:
        """The keywords of a strict function's schema that a forced call need not satisfy.

        Raises:
            InvalidRequest: a keyword holds what it must not; the param is "constraint".
        """
        return softened(self.parameters)[1] if self.strict else []


@dataclass(frozen=True, slots=True)
class JsonCalls:
    """The syntax of families that write a call as JSON.

    Attributes:
        before, after: what stands around one call.
        arguments: the key of the arguments.
        separator: what stands between two calls.
        opening, closing: what stands around all of them.
    """

    before: str = ""
    after: str = ""
    arguments: str = "arguments"
    separator: str = "\n"
    opening: str = ""
    closing: str = ""

    def takes(self, function: Function) -> bool:  # noqa: ARG002
        """Whether calls of `function` can be written so."""
        return True

    def one(self, function: Function) -> Format:
        """Exactly one call of `function`."""
        inner = self._tag(function)
        if not self.opening:
            return inner
        return {"type": "tag", "begin": self.opening, "content": inner, "end": self.closing}

    def several(self, functions: Sequence[Function]) -> Format:
        """One call or more, of any of `functions`."""
        calls = {
            "type": "tags_with_separator",
            "tags": [self._tag(function) for function in functions],
            "separator": self.separator,
            "at_least_one": True,
            "stop_after_first": False,
        }
        if not self.opening:
            return calls
        return {"type": "tag", "begin": self.opening, "content": calls, "end": self.closing}

    def _tag(self, function: Function) -> Format:
        name = json.dumps(function.name)
        return {
            "type": "tag",
            "begin": f'{self.before}{{"name": {name}, "{self.arguments}": ',
            "content": _schema({"type": "object", **function.enforced()}),
            "end": f"}}{self.after}",
        }


@dataclass(frozen=True, slots=True)
class PythonicCalls:
    """The syntax of families that write calls as Python: `[f(a=1, b="x")]`."""

    def takes(self, function: Function) -> bool:
        """Whether calls of `function` can be written so: its names are names in Python too."""
        names = (function.name, *(function.parameters.get("properties") or ()))
        return all(name.isidentifier() and not iskeyword(name) for name in names)

    def one(self, function: Function) -> Format:
        """Exactly one call of `function`."""
        return {"type": "tag", "begin": "[", "content": self._call(function), "end": "]"}

    def several(self, functions: Sequence[Function]) -> Format:
        """One call or more, of any of `functions`."""
        calls = {
            "type": "tags_with_separator",
            "tags": [
                {"type": "tag", "begin": "", "content": self._call(function), "end": ""} for function in functions
            ],
            "separator": ", ",
            "at_least_one": True,
            "stop_after_first": False,
        }
        return {"type": "tag", "begin": "[", "content": calls, "end": "]"}

    def _call(self, function: Function) -> Format:
        return {"type": "tag", "begin": f"{function.name}(", "content": _keywords(function.enforced()), "end": ")"}


def _keywords(parameters: Mapping[str, Any]) -> Format:
    """The required arguments in order, each optional one after them or not."""
    properties: Mapping[str, Any] = parameters.get("properties") or {}
    shared = {key: parameters[key] for key in _SHARED if key in parameters}
    needed = [name for name in properties if name in (parameters.get("required") or ())]
    optional = [name for name in properties if name not in needed]

    def argument(name: str, comma: str) -> list[Format]:
        schema = properties[name]
        return [_text(f"{comma}{name}="), _schema({**schema, **shared} if isinstance(schema, dict) else schema)]

    def tail(names: Sequence[str]) -> list[Format]:
        return [_either([_sequence(argument(name, ", ")), _NOTHING]) for name in names]

    if needed:
        parts = argument(needed[0], "")
        for name in needed[1:]:
            parts += argument(name, ", ")
        return _sequence(parts + tail(optional))
    # Nothing is required: one alternative for each argument that may be the first.
    first = [_sequence(argument(name, "") + tail(optional[place + 1 :])) for place, name in enumerate(optional)]
    return _either([*first, _NOTHING])


def either(formats: Sequence[Format]) -> Format:
    """One of several forms, all of which end by themselves."""
    return _either(list(formats))


def after_thought(format_: Format, *, opened: bool) -> Format:
    """The form, after a free thought that ends with `</think>`; `opened` when the prompt holds the opening mark."""
    thought = {"type": "tag", "begin": "" if opened else "<think>", "content": {"type": "any_text"}, "end": "</think>"}
    return _sequence([thought, {"type": "regex", "pattern": "\\n*"}, format_])


def as_format(constraint: Constraint) -> Format:
    """A constraint as a part of a structural tag."""
    if constraint.kind is ConstraintKind.JSON_SCHEMA:
        return _schema(json.loads(constraint.text))
    if constraint.kind is ConstraintKind.REGEX:
        return {"type": "regex", "pattern": constraint.text}
    if constraint.kind is ConstraintKind.EBNF:
        return {"type": "grammar", "grammar": constraint.text}
    tag: dict[str, Any] = json.loads(constraint.text)
    return dict(tag["format"])


def as_constraint(format_: Format) -> Constraint:
    """The form as a constraint."""
    text = json.dumps({"type": "structural_tag", "format": format_}, ensure_ascii=False, separators=(",", ":"))
    return Constraint(ConstraintKind.STRUCTURAL_TAG, text)


def _schema(schema: Any) -> Format:
    return {"type": "json_schema", "json_schema": schema}


def _text(value: str) -> Format:
    return {"type": "const_string", "value": value}


def _sequence(parts: list[Format]) -> Format:
    return parts[0] if len(parts) == 1 else {"type": "sequence", "elements": parts}


def _either(parts: list[Format]) -> Format:
    return parts[0] if len(parts) == 1 else {"type": "or", "elements": parts}
