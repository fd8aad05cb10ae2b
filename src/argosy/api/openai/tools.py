"""The tools of a chat request: what they mean for the prompt, the answer's form and its reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from argosy.api.openai.constraints import Wanted, checked, naming
from argosy.api.openai.features import require
from argosy.core.errors import InvalidRequest, UnsupportedParameter
from argosy.engines.contract import Feature
from argosy.server.catalog.catalog import ServedModel
from argosy.server.text.tools import forced
from argosy.server.text.tools.families import FAMILIES, ToolFamily
from argosy.server.text.tools.forced import Format, Function
from argosy.server.text.tools.reader import MOST_CALLS, CallReader

MOST_TOOLS = 128
_LONGEST_SCHEMA = 64 << 10
_DEEPEST_SCHEMA = 32
"""Levels of JSON; a schema inside a schema takes two."""

_Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class FunctionDefinition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function the model may call; `parameters` is a JSON schema."""

    name: _Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True):
    """A tool; functions are the only kind."""

    type: Literal["function"]
    function: FunctionDefinition


class NamedFunction(msgspec.Struct, frozen=True):
    """The function that must be called."""

    name: str


class NamedTool(msgspec.Struct, frozen=True):
    """The tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


Tools = Annotated[list[Tool], Meta(max_length=MOST_TOOLS)]
ToolChoice = Literal["none", "auto", "required"] | NamedTool

_PARSER = "needs a model with a tool parser"
TOOL_DEPENDS: Mapping[str, str] = {
    "tools": _PARSER,
    "tools[].type": f"{_PARSER}; functions are the only kind",
    "tools[].function.strict": "holds where the call is forced, which needs an engine with the feature constraint",
}
"""Fields of tools, which not every model can honour."""


@dataclass(frozen=True, slots=True)
class Tooling:
    """What the tools of a request ask for.

    Attributes:
        family: the model's syntax of calls.
        definitions: the tools as templates know them.
        functions: those the model may call.
        most: calls wanted at most.
        form: the form that makes the answer a call; None when the model decides.
        named: whether the client named the function.
    """

    family: ToolFamily
    definitions: list[dict[str, Any]]
    functions: tuple[Function, ...]
    most: int
    form: Format | None = None
    named: bool = False

    def reader(self) -> CallReader:
        """A reader for one answer."""
        return self.family.reader([function.name for function in self.functions], self.most)

    def finish_reason(self, *, called: bool, reason: str) -> str:
        """Why an answer ended, as OpenAI tells it: one that was forced into a named function just stopped."""
        return "tool_calls" if called and reason == "stop" and not self.named else reason

    def left_open(self) -> tuple[str, ...]:
        """Keywords of strict functions' schemas that a forced call need not satisfy.

        Raises:
            InvalidRequest: a schema of the tools holds what it must not.
        """
        with naming("tools"):
            return tuple(sorted({word for function in self.functions for word in function.left_open()}))

    def beside(self, content: Wanted) -> Format:
        """The form of an answer that is either one call or content of the wanted form.

        Raises:
            InvalidRequest: a schema of the tools holds what it must not.
        """
        with naming("tools"):
            calls = [self.family.forced.one(function) for function in self.functions]
        return forced.either([*calls, forced.as_format(content.constraint)])


def tooling(
    tools: list[Tool] | None, choice: ToolChoice | None, model: ServedModel, *, parallel: bool
) -> Tooling | None:
    """What the tools ask for; None when there are none, or none may be called.

    Raises:
        InvalidRequest: tools clash, their schemas are out of bounds, or the choice names no tool.
        UnsupportedParameter: the model cannot call tools, or its engine cannot be made to.
    """
    _check(tools or [])
    if not tools:
        if choice is not None and choice not in ("none", "auto"):
            raise InvalidRequest("'tool_choice' asks for a call, but there are no 'tools'.", param="tool_choice")
        return None
    functions = tuple(
        Function(tool.function.name, tool.function.parameters or {}, strict=bool(tool.function.strict))
        for tool in tools
    )
    named = _named(choice, functions)
    if choice == "none":
        return None
    family = _family(model, functions)
    found = Tooling(family, [_plain(tool) for tool in tools], functions, MOST_CALLS if parallel else 1)
    if named is None and choice != "required":
        return found
    require(model, Feature.CONSTRAINT, "tool_choice")
    form = _forced_form(family, functions, named, parallel=parallel)
    return replace(found, form=form, named=named is not None)


def _family(model: ServedModel, functions: tuple[Function, ...]) -> ToolFamily:
    """The model's syntax of calls, if it has one in which every function can be called."""
    family = FAMILIES.get((model.spec.generate.tool_parser if model.spec.generate else None) or "")
    if family is None:
        raise UnsupportedParameter(
            f"Model '{model.name}' calls no tools. Leave 'tools' out, or send 'tool_choice': \"none\".", param="tools"
        )
    for index, function in enumerate(functions):
        if not family.forced.takes(function):
            raise InvalidRequest(
                f"Model '{model.name}' writes calls as Python, where a name of tool '{function.name}' cannot stand. "
                "Use letters, digits and '_' only.",
                param=f"tools[{index}].function",
            )
    return family


def _forced_form(
    family: ToolFamily, functions: tuple[Function, ...], named: Function | None, *, parallel: bool
) -> Format:
    """The form that makes an answer a call: of the named function, or of any."""
    with naming("tools"):
        if named is not None:
            form = family.forced.one(named)
        elif parallel:
            form = family.forced.several(functions)
        else:
            form = forced.either([family.forced.one(function) for function in functions])
    checked(forced.as_constraint(form), "tools")
    return form


def _named(choice: ToolChoice | None, functions: tuple[Function, ...]) -> Function | None:
    if not isinstance(choice, NamedTool):
        return None
    for function in functions:
        if function.name == choice.function.name:
            return function
    raise InvalidRequest(
        f"'tool_choice' names {choice.function.name[:64]!r}, which is not among the tools.",
        param="tool_choice.function.name",
    )


def _check(tools: list[Tool]) -> None:
    names: set[str] = set()
    for index, tool in enumerate(tools):
        name, parameters = tool.function.name, tool.function.parameters
        if name in names:
            raise InvalidRequest(f"Two tools are named '{name}'.", param=f"tools[{index}].function.name")
        names.add(name)
        if parameters is not None:
            _check_schema(parameters, f"tools[{index}].function.parameters")


def _check_schema(schema: dict[str, Any], param: str) -> None:
    if schema.get("type", "object") != "object":
        raise InvalidRequest(f"'{param}.type' must be \"object\".", param=f"{param}.type")
    if not isinstance(schema.get("properties", {}), dict):
        raise InvalidRequest(f"'{param}.properties' must be an object.", param=f"{param}.properties")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise InvalidRequest(f"'{param}.required' must be a list of names.", param=f"{param}.required")
    try:
        length = len(msgspec.msgpack.encode(schema))
    except OverflowError:
        raise InvalidRequest(f"'{param}' holds a number beyond 64 bits.", param=param) from None
    if length > _LONGEST_SCHEMA:
        raise InvalidRequest(f"'{param}' is longer than 64 KiB. Shorten it.", param=param)
    level: list[Any] = [schema]
    for _ in range(_DEEPEST_SCHEMA):
        level = [child for node in level for child in _children(node)]
        if not level:
            return
    raise InvalidRequest(
        f"'{param}' is nested deeper than {_DEEPEST_SCHEMA} levels of JSON. Make it flatter.", param=param
    )


def _children(node: Any) -> list[Any]:
    values = node.values() if isinstance(node, dict) else node
    return [value for value in values if isinstance(value, dict | list)]


def _plain(tool: Tool) -> dict[str, Any]:
    """The tool as templates know it: plain data, absent fields left out."""
    function = tool.function
    plain: dict[str, Any] = {"name": function.name}
    if function.description is not None:
        plain["description"] = function.description
    if function.parameters is not None:
        plain["parameters"] = function.parameters
    return {"type": "function", "function": plain}
