"""What a setting says of itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def _as_it_is(raw: str) -> str:
    return raw


@dataclass(frozen=True, slots=True)
class Alias:
    """Another variable that sets a setting.

    Attributes:
        convert: its text into the setting's; raises `ValueError` that says what was expected.
        note: how its value differs, for the docs; empty when it does not.
    """

    name: str
    convert: Callable[[str], str] = _as_it_is
    note: str = ""


@dataclass(frozen=True, slots=True)
class Declaration:
    """How one setting is read and explained.

    Attributes:
        help: what it does, with its unit.
        parse: turns text into the value; raises `ValueError` that says what was expected. A `Parser` has a schema too.
        group: heading in `argosy config` and the docs.
        aliases: other variables that set it, in order of precedence after our own.
        arguments: what engines' own command lines call it; taken in NIM_PASSTHROUGH_ARGS beside our flag.
        flag: whether there is a command-line flag.
    """

    help: str
    parse: Callable[[str], Any]
    group: str
    aliases: tuple[Alias, ...] = ()
    arguments: tuple[str, ...] = ()
    flag: bool = True


def setting(
    default: Any,
    parse: Callable[[str], Any],
    group: str,
    text: str,
    *aliases: str | Alias,
    flag: bool = True,
) -> Any:
    """A field of `Settings`.

    Args:
        default: its value when nobody sets it; None when the model or the engine decides.
        parse: see `Declaration`.
        group: see `Declaration`.
        text: the help.
        aliases: variables that also set it, and arguments (`--name`) taken in NIM_PASSTHROUGH_ARGS.
        flag: see `Declaration`.
    """
    arguments = tuple(alias for alias in aliases if isinstance(alias, str) and alias.startswith("--"))
    variables = tuple(Alias(alias) if isinstance(alias, str) else alias for alias in aliases if alias not in arguments)
    return field(default=default, metadata={"declaration": Declaration(text, parse, group, variables, arguments, flag)})
