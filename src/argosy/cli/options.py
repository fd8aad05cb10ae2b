"""Command-line flags derived from the settings' declarations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from argosy.settings import Declaration, declarations, flag

Command = TypeVar("Command", bound=Callable[..., Any])


class _Parsed(click.ParamType[Any]):
    """A flag's text, read by the setting's own parser."""

    def __init__(self, name: str, declaration: Declaration) -> None:
        self.name = name
        self._parse = declaration.parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


def settings_flags(command: Command) -> Command:
    """Give a command one flag per setting that has one; absent flags arrive as None."""
    for name, declaration in reversed(list(declarations())):
        if declaration.flag:
            command = _flag(name, declaration)(command)
    return command


def some_settings_flags(*names: str) -> Callable[[Command], Command]:
    """Give a command the flags of these settings only."""
    known = dict(declarations())

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = _flag(name, known[name])(command)
        return command

    return decorate


def _flag(name: str, declaration: Declaration) -> Callable[[Command], Command]:
    if _is_switch(declaration):
        spelling = f"{flag(name)}/--no-{flag(name)[2:]}"
        return click.option(spelling, name, default=None, help=declaration.help)
    kind = _Parsed(_metavar(name), declaration)
    return click.option(flag(name), name, type=kind, default=None, help=declaration.help)


def _is_switch(declaration: Declaration) -> bool:
    return getattr(declaration.parse, "schema", {}).get("type") == "boolean"


def _metavar(name: str) -> str:
    return name.rsplit("_", 1)[-1].upper()
