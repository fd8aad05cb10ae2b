"""Reads every source and says where each value came from."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidSetting
from argosy.settings.declaration import Declaration
from argosy.settings.other_variables import examine, is_known
from argosy.settings.registry import Settings, declarations, variables
from argosy.settings.sources import (
    CONFIG_VARIABLE,
    PASSTHROUGH,
    Given,
    from_environment,
    from_file,
    from_flags,
    from_passthrough,
    read_file,
    suggest,
)

DEFAULT = "default"
_OURS = re.compile(r"(ARGOSY|NIM)_[A-Z0-9_]+")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Effective values and their origins.

    Attributes:
        origins: field name to "flag --port", "ARGOSY_PORT", "argosy.toml" or "default".
        warnings: sentences for the operator, one per unknown variable or shadowed value.
        environment: the variables the values were read from; standard folders are looked up here.
        shadowed: field name to what lower sources said, each with its origin and value; absent when there is nothing.
        refusals: why a start is refused; empty after `load`, which raises instead unless told otherwise.
    """

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...]
    environment: Mapping[str, str]
    shadowed: Mapping[str, tuple[tuple[str, str], ...]]
    refusals: tuple[str, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """One row a setting: name, value (secrets hidden), origin, what is shadowed, variables, help, group."""
        return [
            {
                "name": name,
                "value": shown(getattr(self.settings, name)),
                "origin": self.origins[name],
                "shadowed": [{"origin": origin, "value": value} for origin, value in self.shadowed.get(name, ())],
                "variables": ", ".join(variables(name)),
                "group": declaration.group,
                "help": declaration.help,
            }
            for name, declaration in declarations()
        ]


def load(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    *,
    refuse: bool = True,
) -> Loaded:
    """Read every source.

    Args:
        flags: values given on the command line, already typed; None values count as absent.
        environment: defaults to the process environment.
        directory: where `argosy.toml` is looked for; defaults to the working directory.
        refuse: raise for variables that must not be ignored; else they are told in `refusals`.

    Raises:
        InvalidSetting: a value cannot be used, or a variable must not be ignored; the message names where it stands
            and what was expected.
    """
    environment = os.environ if environment is None else environment
    others = examine(environment)
    if refuse and others.refusals:
        raise InvalidSetting(" ".join(others.refusals))
    file, table = read_file(environment, directory or Path.cwd())
    sources = (
        from_flags(flags or {}),
        from_passthrough(environment),
        from_environment(environment),
        from_file(file, table),
    )
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    shadowed: dict[str, tuple[tuple[str, str], ...]] = {}
    warnings = [*_unknown_variables(environment), *others.warnings, *_unknown_keys(file, table)]
    for name, declaration in declarations():
        given = [item for source in sources for item in source.get(name, ())]
        origins[name] = given[0].origin if given else DEFAULT
        if given:
            values[name] = _read(given[0], declaration, name)
            shadowed[name] = tuple((item.origin, _attempt(item)) for item in given[1:])
            warnings += _shadow_warnings(shown(values[name]), given[0].origin, shadowed[name], environment)
    shadowed = {name: items for name, items in shadowed.items() if items}
    return Loaded(Settings(**values), origins, tuple(warnings), environment, shadowed, others.refusals)


def shown(value: Any) -> str:
    """A value for people; secrets are hidden, and what nobody decided is empty."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _read(given: Given, declaration: Declaration, name: str) -> Any:
    try:
        return given.read()
    except ValueError as error:
        where = given.origin if given.origin.isupper() else f"{name} in {given.origin}"
        raise InvalidSetting(f"{where}: {error}. {declaration.help}") from None


def _attempt(given: Given) -> str:
    """A value that does not count, for the record; what is wrong with it does not matter."""
    try:
        return shown(given.read())
    except ValueError as error:
        return f"unusable: {error}"


def _shadow_warnings(
    value: str, origin: str, shadowed: Sequence[tuple[str, str]], environment: Mapping[str, str]
) -> list[str]:
    """Of variables that say something else than what counts. A file's defaults are meant to be overruled."""
    return [f"{other} is shadowed by {origin}." for other, text in shadowed if text != value and other in environment]


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {*_settings_variables(), CONFIG_VARIABLE, PASSTHROUGH}
    strangers = [name for name in sorted(environment) if _OURS.fullmatch(name) and name not in known]
    return [
        f"{name} is not a setting of this version and has no effect.{suggest(name, known)}"
        for name in strangers
        if not is_known(name)
    ]


def _settings_variables() -> Iterable[str]:
    return (variable for name, _ in declarations() for variable in variables(name))


def _unknown_keys(file: Path, table: Mapping[str, Any]) -> list[str]:
    known = {name for name, _ in declarations()}
    return [f"{key} in {file} is not a setting.{suggest(key, known)}" for key in sorted(set(table) - known)]
