"""Where values come from, highest precedence first: command line, passthrough, environment, file."""

from __future__ import annotations

import difflib
import os
import shlex
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidSetting
from argosy.settings.declaration import Declaration
from argosy.settings.parsers import paths
from argosy.settings.registry import declarations, flag

CONFIG_FILE = "argosy.toml"
CONFIG_VARIABLE = "ARGOSY_CONFIG"
PASSTHROUGH = "NIM_PASSTHROUGH_ARGS"

_NEGATION = "--no-"


@dataclass(frozen=True, slots=True)
class Given:
    """A value that a source gives to a setting.

    Attributes:
        origin: the source, as the operator would look for it.
        read: the value; raises `ValueError` that says what was expected.
    """

    origin: str
    read: Callable[[], Any]


Source = Mapping[str, list[Given]]
"""Values by setting, those of higher precedence first."""


def from_flags(flags: Mapping[str, Any]) -> Source:
    """Values of the command line, already typed; None counts as absent."""
    kinds = {name: f"flag {flag(name)}" if declaration.flag else "argument" for name, declaration in declarations()}
    return {
        name: [Given(kinds[name], lambda value=value: value)]  # type: ignore[misc]
        for name, value in flags.items()
        if value is not None
    }


def from_passthrough(environment: Mapping[str, str]) -> Source:
    """Arguments in NIM_PASSTHROUGH_ARGS: our own flags, and what engines' command lines call them.

    Raises:
        InvalidSetting: it cannot be split into words, or holds an argument that is not known. A command line refuses
            those too.
    """
    known = _arguments()
    values: dict[str, list[Given]] = {}
    for argument, raw in _split(environment.get(PASSTHROUGH, "")):
        name, negated = _find(argument, known)
        parse = _switched(argument, negated=negated) if _is_switch(known[name]) else known[name].parse
        if raw is None and not _is_switch(known[name]):
            raise InvalidSetting(f"{PASSTHROUGH}: {argument} needs a value. {known[name].help}")
        given = Given(f"{PASSTHROUGH} {argument}", lambda parse=parse, raw=raw: parse(raw))  # type: ignore[misc]
        # As on a command line, the last one counts.
        values.setdefault(name, []).insert(0, given)
    return values


def from_environment(environment: Mapping[str, str]) -> Source:
    """Values of our variables and their aliases; an empty variable counts as absent."""
    return {name: given for name, item in declarations() if (given := [*_variables(name, item, environment)])}


def from_file(path: Path, table: Mapping[str, Any]) -> Source:
    """Values of the configuration file's table."""
    return {
        name: [Given(str(path), lambda parse=item.parse, value=table[name]: parse(_as_text(value, parse)))]  # type: ignore[misc]
        for name, item in declarations()
        if name in table
    }


def read_file(environment: Mapping[str, str], directory: Path) -> tuple[Path, Mapping[str, Any]]:
    """The configuration file and its table, empty when there is none.

    Raises:
        InvalidSetting: it is named and missing, or is not TOML.
    """
    named = environment.get(CONFIG_VARIABLE, "")
    path = Path(named).expanduser() if named else directory / CONFIG_FILE
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise InvalidSetting(f"{CONFIG_VARIABLE} names {path}, which does not exist.") from None
        return path, {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSetting(f"{path} cannot be read as TOML: {error}.") from error


def suggest(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest of the known names, or nothing."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return f" Did you mean {close[0]}?" if close else ""


def _variables(name: str, declaration: Declaration, environment: Mapping[str, str]) -> Iterator[Given]:
    own = f"ARGOSY_{name.upper()}"
    if raw := environment.get(own, ""):
        yield Given(own, lambda: declaration.parse(raw))
    for alias in declaration.aliases:
        if text := environment.get(alias.name, ""):
            yield Given(alias.name, lambda alias=alias, text=text: declaration.parse(alias.convert(text)))  # type: ignore[misc]


def _arguments() -> dict[str, Declaration]:
    return {name: declaration for name, declaration in declarations() if declaration.flag}


def _split(text: str) -> Iterator[tuple[str, str | None]]:
    """`--name value`, `--name=value` and `--name` in a line as a shell would split it."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InvalidSetting(f"{PASSTHROUGH} cannot be split into arguments: {error}.") from None
    place = 0
    while place < len(words):
        argument, equals, value = words[place].partition("=")
        if not argument.startswith("--"):
            raise InvalidSetting(f"{PASSTHROUGH}: {words[place]!r} is no argument; write --name value or --name=value.")
        place += 1
        if equals:
            yield argument, value
        elif place < len(words) and not words[place].startswith("--"):
            yield argument, words[place]
            place += 1
        else:
            yield argument, None


def _find(argument: str, known: Mapping[str, Declaration]) -> tuple[str, bool]:
    """The setting that an argument means, and whether it turns it off."""
    spellings = {spelling: name for name, item in known.items() for spelling in (flag(name), *item.arguments)}
    if argument in spellings:
        return spellings[argument], False
    positive = "--" + argument.removeprefix(_NEGATION)
    if argument.startswith(_NEGATION) and positive in spellings and _is_switch(known[spellings[positive]]):
        return spellings[positive], True
    raise InvalidSetting(
        f"{PASSTHROUGH}: {argument} is not known and cannot be passed on.{suggest(argument, spellings)} "
        "Leave it out; `argosy config` lists the settings."
    )


def _is_switch(declaration: Declaration) -> bool:
    schema = getattr(declaration.parse, "schema", {})
    return schema.get("type") == "boolean"


def _switched(argument: str, *, negated: bool) -> Callable[[str | None], bool]:
    def parse(raw: str | None) -> bool:
        if raw is not None and (negated or raw.lower() not in {"true", "false", "1", "0"}):
            raise ValueError(f"{argument} is a switch and takes no value, got {raw!r}")
        return (raw is None or raw.lower() in {"true", "1"}) is not negated

    return parse


def _as_text(value: Any, parse: Callable[[str], Any]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return (os.pathsep if parse is paths else ",").join(map(str, value))
    return str(value)
