"""Chat templates as the transformers library understands them, in a sandbox.

Templates are Jinja with `trim_blocks`, `lstrip_blocks`, `{% break %}`/`{% continue %}`, `{% generation %}` blocks,
a `tojson` filter that does not escape HTML, and the functions `raise_exception` and `strftime_now`. The sandbox is
immutable: a template can change nothing it is given and reach no attribute that starts with an underscore.
Source: transformers, "Writing a chat template".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

_DUNDER = re.compile(r"__\w+__")


class TemplateRefusal(Exception):
    """What a template says with `raise_exception`."""


class _GenerationBlock(Extension):
    """`{% generation %}…{% endgeneration %}` marks the assistant's words for training; here it is transparent."""

    tags = {"generation"}  # noqa: RUF012 - declared so by Jinja

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def environment() -> ImmutableSandboxedEnvironment:
    """A Jinja environment for chat templates."""
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlock, loopcontrols]
    )
    made.filters["tojson"] = _to_json
    made.globals["raise_exception"] = _raise
    made.globals["strftime_now"] = _now
    return made


def compile_template(made: ImmutableSandboxedEnvironment, source: str) -> Template:
    """The template, compiled.

    Raises:
        TemplateError: its syntax is wrong, or it names a Python internal such as `__class__`.
    """
    tree = made.parse(source)
    names = [node.attr for node in tree.find_all(nodes.Getattr)] + [node.value for node in tree.find_all(nodes.Const)]
    for name in names:
        if isinstance(name, str) and _DUNDER.fullmatch(name):
            raise SecurityError(f"it uses the attribute {name[:64]!r}")
    return made.from_string(source)


def render(template: Template, variables: Mapping[str, Any]) -> str:
    """The text the template makes of `variables`.

    Raises:
        TemplateRefusal: the template refuses the conversation, in its own words.
        TemplateError: it fails, or does what the sandbox forbids.
    """
    try:
        return template.render(variables)
    except (TemplateRefusal, TemplateError):
        raise
    except Exception as error:  # a template can provoke any Python error
        raise TemplateError(f"{type(error).__name__}: {error}") from error


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> NoReturn:
    raise TemplateRefusal(message)


def _now(layout: str) -> str:
    return datetime.now().astimezone().strftime(layout)
