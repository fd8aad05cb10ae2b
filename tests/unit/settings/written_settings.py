"""Writes `docs/settings.md` from the declarations, the engines' options and the table of known variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from argosy.engines.deployment import NEUTRAL, DeploymentOption
from argosy.engines.registry import ENGINES
from argosy.settings import Declaration, declarations, json_schema
from argosy.settings.other_variables import OTHER_VARIABLES, Disposition, OtherVariable

DOCUMENT = Path(__file__).parents[3] / "docs" / "settings.md"

_HEAD = """# Settings

Every setting, the variables that set it, and what becomes of other variables that people know. This page is written by
`make settings` and checked by `make test`.

## Where a value comes from

Highest first:

1. a flag: `argosy serve --max-model-len 2048`
2. an argument in `NIM_PASSTHROUGH_ARGS`: our flags, and what engines' own command lines call them
   (`NIM_PASSTHROUGH_ARGS="--max-model-len 2048 --enable-prefix-caching"`); one that is not known refuses the start
3. our variable: `ARGOSY_MAX_MODEL_LEN=2048`
4. the other variables of a setting, in the order of the tables below: `NIM_MAX_MODEL_LEN=2048`
5. a line in `argosy.toml` in the working directory, or in the file that `ARGOSY_CONFIG` names: `max_model_len = 2048`
6. the tags of the model's profile
7. the default

An empty variable counts as absent. A value that cannot be used refuses the start and names where it stands. A variable
that looks like ours (`ARGOSY_*`, `NIM_*`) and is not known is named in a warning, with the nearest name that is.

```console
$ argosy config                   # every value, where it came from, and what else was said
$ argosy config --json            # the same for programs
$ argosy config --schema          # JSON Schema: types, bounds, defaults, help, groups
$ SHOW_CONFIG=1 argosy serve      # the effective configuration instead of serving
```
"""

_ENGINES = """
## What reaches which engine

The settings of the group *engines* are said of every model that is served, and win over what a model's own
`config.pbtxt` says. What is said and an engine lacks is named in a warning at the start ("… has no effect on
openvino"), unless it is what the engine does anyway. The lengths never make a model longer than it was made, and
`/v1/models` tells the shorter one. A Triton that somebody else runs (`--triton-url`) holds none of them.

`max_batch_size` and `max_num_seqs` are one thing to a language model: the smaller counts. A forward pass has at least a
token for each answer in it, and with `chunked_prefill` off room for the longest prompt. `instances` divides the
processor threads.

`src/argosy/engines/deployment.py` has what each is called in the libraries.

"""

_DISPOSITIONS: Mapping[Disposition, str] = {
    Disposition.REFUSED: """
## Variables that refuse the start

Going on would be unsafe, or a lie. `argosy config` shows the configuration all the same.
""",
    Disposition.UNUSED: """
## Variables that are known and have no effect

One warning each, with the reason.
""",
    Disposition.INHERITED: """
## Variables that others read

They are passed on, and nothing is said of them.
""",
}


def document() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_settings(), _ENGINES, *_engines(), *_others()]).replace("\n\n\n", "\n\n").rstrip() + "\n"


def _settings() -> Iterator[str]:
    yield "## All settings\n"
    yield "The key in `argosy.toml` is the name. What is *unset* is left to the model, the\nengine or the machine.\n"
    properties = json_schema()["properties"]
    for group, items in groupby(declarations(), key=lambda item: item[1].group):
        yield f"### {group}\n"
        yield "| setting | takes | default | what it does | other variables |"
        yield "|---|---|---|---|---|"
        for name, declaration in items:
            described = properties[name]
            flag = f"<br>`{_flag(described)}`" if declaration.flag else ""
            yield (
                f"| `{name}`{flag} | {_takes(described)} | {_default(described['default'])} | "
                f"{_cell(declaration.help)} | {_aliases(declaration)} |"
            )
        yield ""


def _flag(described: Mapping[str, Any]) -> str:
    flag = str(described["x-flag"])
    return f"{flag}` `--no-{flag[2:]}" if "boolean" in _types(described) else flag


def _types(described: Mapping[str, Any]) -> list[str]:
    kinds = described.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _takes(described: Mapping[str, Any]) -> str:
    if "enum" in described:
        return ", ".join(f"`{word}`" for word in described["enum"] if word is not None)
    kind = next((kind for kind in _types(described) if kind != "null"), "text")
    if kind in {"integer", "number"}:
        lowest = described.get("minimum", described.get("exclusiveMinimum"))
        bound = "above " if "exclusiveMinimum" in described else ""
        return f"{bound}{_figure(lowest)} to {_figure(described['maximum'])}"
    if kind == "array":
        return "paths" if described["items"].get("format") == "path" else "words"
    return {"boolean": "true, false", "string": str(described.get("format", "text"))}[kind]


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _default(value: Any) -> str:
    if value is None:
        return "*unset*"
    if value in ("", []):
        return "*none*"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _aliases(declaration: Declaration) -> str:
    names = [f"`{alias.name}`" + (f" ({_cell(alias.note)})" if alias.note else "") for alias in declaration.aliases]
    return "<br>".join([*names, *(f"`{argument}`" for argument in declaration.arguments)])


def _engines() -> Iterator[str]:
    engines = sorted(name for name in ENGINES if name != "echo")
    yield f"| parameter | {' | '.join(f'`{name}`' for name in engines)} | what one without it does anyway |"
    yield "|---|" + ":-:|" * len(engines) + "---|"
    for option in DeploymentOption:
        marks = ["yes" if option in ENGINES[name].options else "" for name in engines]
        neutral = f"`{NEUTRAL[option]}`" if option in NEUTRAL else ""
        yield f"| `{option}` | {' | '.join(marks)} | {neutral} |"


def _others() -> Iterator[str]:
    for disposition, head in _DISPOSITIONS.items():
        yield head
        yield "| variable | why | values that are passed over |"
        yield "|---|---|---|"
        for variable in OTHER_VARIABLES:
            if variable.disposition is disposition:
                yield _row(variable)


def _row(variable: OtherVariable) -> str:
    return f"| `{variable.name}` | {_cell(variable.reason)} | {_cell(variable.harmless_values)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
