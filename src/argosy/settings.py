"""Every setting, declared once; the only module that reads the environment.

A value comes from, highest first: a command-line flag, an `ARGOSY_*` variable, a `NIM_*` variable or another
alias, `argosy.toml` in the working directory (or the file named by `ARGOSY_CONFIG`), the default. `load` returns
the values together with where each came from, refuses a bad value by name, and warns of variables that look like
ours and are not known. Layers below never see this module: `app.py` hands each its own frozen options.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidSetting

CONFIG_FILE = "argosy.toml"
_OURS = re.compile(r"(ARGOSY|NIM)_[A-Z0-9_]+")
_REDACTED = "********"


class Secret:
    """Text that does not show itself in logs, tables or tracebacks."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({_REDACTED!r})"

    def __str__(self) -> str:
        return _REDACTED

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def _text(raw: str) -> str:
    return raw


def _integer(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        try:
            value = int(raw)
        except ValueError:
            raise ValueError(f"expected a whole number, got {raw!r}") from None
        if not lowest <= value <= highest:
            raise ValueError(f"expected {lowest} to {highest}, got {value}")
        return value

    return parse


def _seconds(lowest: float, highest: float) -> Callable[[str], float]:
    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            raise ValueError(f"expected a number of seconds, got {raw!r}") from None
        if not lowest <= value <= highest:
            raise ValueError(f"expected {lowest:g} to {highest:g} seconds, got {value:g}")
        return value

    return parse


def _switch(raw: str) -> bool:
    word = raw.strip().lower()
    if word in {"1", "true", "yes", "on"}:
        return True
    if word in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError(f"expected true or false, got {raw!r}")


def _choice(*words: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        word = raw.strip().lower()
        if word not in words:
            raise ValueError(f"expected one of {', '.join(words)}, got {raw!r}")
        return word

    return parse


def _level(raw: str) -> str:
    word = raw.strip().lower()
    aliases = {"default": "info", "trace": "debug", "warn": "warning", "fatal": "critical", "": "info"}
    return _choice("debug", "info", "warning", "error", "critical")(aliases.get(word, word))


def _path(raw: str) -> Path:
    if not raw:
        raise ValueError("expected a path, got an empty text")
    return Path(raw).expanduser()


def _paths(raw: str) -> tuple[Path, ...]:
    return tuple(_path(part) for part in raw.split(os.pathsep) if part)


def _list(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def _secrets(raw: str) -> tuple[Secret, ...]:
    return tuple(Secret(part) for part in _list(raw))


def _log_format(raw: str) -> str:
    # NIM_JSONL_LOGGING is a switch; ours is a word.
    word = raw.strip().lower()
    return _choice("console", "json")({"1": "json", "true": "json", "0": "console", "false": "console"}.get(word, word))


@dataclass(frozen=True, slots=True)
class Declaration:
    """How one setting is read and explained.

    Attributes:
        help: what it does, with its unit.
        parse: turns text into the value; raises `ValueError` that says what was expected.
        aliases: other variables that set it, in order of precedence after our own.
        group: heading in `argosy config` and the docs.
        flag: command-line flag, or None when it has none.
    """

    help: str
    parse: Callable[[str], Any]
    group: str
    aliases: tuple[str, ...] = ()
    flag: bool = True


def _setting(
    default: Any,
    parse: Callable[[str], Any],
    group: str,
    text: str,
    *aliases: str,
    flag: bool = True,
) -> Any:
    return field(default=default, metadata={"declaration": Declaration(text, parse, group, aliases, flag)})


# fmt: off
@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; each field's metadata holds its `Declaration`."""

    models: tuple[str, ...] = _setting(
        (), _list, "models",
        "Models to serve: names in the model store, paths, or name=path. Empty means everything in the store.",
        "NIM_MODEL_NAME", flag=False,
    )
    model_store: tuple[Path, ...] = _setting(
        (), _paths, "models", "Folders with model store entries, separated by ':'. Empty means the bundled models."
    )
    cache: Path | None = _setting(
        None, _path, "models",
        "Where compiled models and entries made from paths are kept. Default: $XDG_CACHE_HOME/argosy.",
        "NIM_CACHE_PATH",
    )
    peft_source: Path | None = _setting(
        None, _path, "adapters",
        "Folder of LoRA adapters, each a folder with adapter_config.json and adapter_model.safetensors.",
        "NIM_PEFT_SOURCE",
    )
    peft_refresh_interval: float = _setting(
        0.0, _seconds(0, 86_400), "adapters",
        "Seconds between two looks at the adapters' folder; 0 looks once, at the start.",
        "NIM_PEFT_REFRESH_INTERVAL",
    )
    max_loras: int = _setting(
        8, _integer(1, 1000), "adapters", "Adapters served at once; each holds a copy of its base model's weights.",
        "NIM_MAX_CPU_LORAS", "NIM_MAX_GPU_LORAS",
    )
    max_lora_rank: int = _setting(
        32, _integer(1, 4096), "adapters", "Highest rank of an adapter.", "NIM_MAX_LORA_RANK"
    )
    host: str = _setting("127.0.0.1", _text, "network", "Address the gateway listens on.", "NIM_SERVER_HOST")
    port: int = _setting(
        8000, _integer(1, 65535), "network", "TCP port of the gateway.", "NIM_HTTP_API_PORT", "NIM_SERVER_PORT"
    )
    grpc_port: int = _setting(
        8001, _integer(0, 65535), "network", "TCP port of KServe's gRPC; 0 serves without it.",
        "NIM_GRPC_API_PORT", "NIM_TRITON_GRPC_PORT",
    )
    workers: int = _setting(
        0, _integer(0, 64), "network", "Gateway worker processes; 0 chooses from the processors.",
        "NIM_HTTP_MAX_WORKERS",
    )
    insecure: bool = _setting(
        False, _switch, "access", "Allow an address beyond loopback without API keys. Anyone who reaches it can use it."
    )
    api_keys: tuple[Secret, ...] = _setting(
        (), _secrets, "access", "API keys, separated by commas. Prefer --api-keys-file.", flag=False
    )
    api_keys_file: Path | None = _setting(
        None, _path, "access", "File with one API key a line: key, name:key or name@operator:key; '#' starts a comment."
    )
    max_body_bytes: int = _setting(
        16 << 20, _integer(1024, 1 << 31), "limits", "Largest request body, bytes; more is refused with 413."
    )
    max_concurrent: int = _setting(
        128, _integer(1, 100_000), "limits", "Requests one model works on at once; more wait in its queue.",
        "NIM_MAX_NUM_SEQS",
    )
    max_queue: int = _setting(
        512, _integer(0, 1_000_000), "limits", "Requests that may wait for one model; more are refused with 503.",
        "NIM_SERVER_MAX_QUEUE_SIZE", "NIM_MAX_QUEUE_SIZE",
    )
    max_queue_bytes: int = _setting(
        64 << 20, _integer(1024, 1 << 40), "limits", "Bytes of request bodies that may wait for one model."
    )
    request_timeout: float = _setting(
        300.0, _seconds(0.1, 86_400), "limits", "Longest time one request may take, queueing included, seconds.",
        "NIM_SERVER_REQUEST_TIMEOUT_S", "NIM_REQUEST_TIMEOUT_S",
    )
    drain_timeout: float = _setting(
        30.0, _seconds(0, 3600), "limits", "Seconds that running requests get to finish after SIGTERM or Ctrl-C."
    )
    tritonserver: Path | None = _setting(
        None, _path, "runtime", "The tritonserver program. Empty means the one in the Python environment.",
        "TRITONSERVER_BIN",
    )
    triton_url: str = _setting(
        "", _text, "runtime", "gRPC address host:port of a Triton that somebody else runs; none is started then.",
        "TRITON_SERVER_URL",
    )
    run_directory: Path | None = _setting(
        None, _path, "runtime", "Private folder for sockets, logs and the rendered model repository."
    )
    engine_threads: int = _setting(
        0, _integer(0, 1024), "runtime", "Processor threads for each engine; 0 chooses from the processors."
    )
    start_timeout: float = _setting(
        30.0, _seconds(1, 3600), "runtime", "Seconds that Triton gets to start before it is killed and retried."
    )
    load_timeout: float = _setting(
        120.0, _seconds(1, 86_400), "runtime", "Seconds that one model gets to load before it counts as failed."
    )
    log_level: str = _setting("info", _level, "logs", "debug, info, warning, error or critical.", "NIM_LOG_LEVEL")
    log_format: str = _setting(
        "console", _log_format, "logs", "console for people, json for collectors.", "NIM_JSONL_LOGGING"
    )
    log_requests: bool = _setting(True, _switch, "logs", "One log line for each request; never its content.")
# fmt: on


@dataclass(frozen=True, slots=True)
class Loaded:
    """Effective values and their origins.

    Attributes:
        origins: field name to "flag --port", "ARGOSY_PORT", "argosy.toml" or "default".
        warnings: sentences for the operator, one per unknown variable or shadowed value.
        environment: the variables the values were read from; standard folders are looked up here.
    """

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...]
    environment: Mapping[str, str]

    def rows(self) -> list[dict[str, str]]:
        """One row a setting for `argosy config`: name, value (secrets hidden), origin, variable, help, group."""
        return [
            {
                "name": name,
                "value": _shown(getattr(self.settings, name)),
                "origin": self.origins[name],
                "variables": ", ".join(variables(name)),
                "group": declaration.group,
                "help": declaration.help,
            }
            for name, declaration in declarations()
        ]


def declarations() -> Iterator[tuple[str, Declaration]]:
    """Every setting's name and declaration, in the order of `Settings`."""
    for item in fields(Settings):
        yield item.name, item.metadata["declaration"]


def variables(name: str) -> tuple[str, ...]:
    """The environment variables that set `name`, highest precedence first."""
    aliases = next(declaration.aliases for key, declaration in declarations() if key == name)
    return (f"ARGOSY_{name.upper()}", *aliases)


def flag(name: str) -> str:
    """The command-line spelling of a setting."""
    return "--" + name.replace("_", "-")


def load(
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Loaded:
    """Read every source.

    Args:
        flags: values given on the command line, already typed; None values count as absent.
        environment: defaults to the process environment.
        directory: where `argosy.toml` is looked for; defaults to the working directory.

    Raises:
        InvalidSetting: a value cannot be used; the message names where it stands and what was expected.
    """
    environment = os.environ if environment is None else environment
    flags = {name: value for name, value in (flags or {}).items() if value is not None}
    file, table = _read_file(environment, directory or Path.cwd())
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    warnings = [*_unknown_variables(environment), *_unknown_keys(file, table)]
    for name, declaration in declarations():
        if name in flags:
            values[name], origins[name] = flags[name], f"flag {flag(name)}" if declaration.flag else "argument"
            continue
        present = [variable for variable in variables(name) if environment.get(variable, "") != ""]
        warnings += [f"{variable} is shadowed by {present[0]}." for variable in present[1:]]
        if present:
            values[name] = _parse(declaration, environment[present[0]], present[0])
            origins[name] = present[0]
        elif name in table:
            values[name] = _parse(declaration, _as_text(table[name]), f"{name} in {file}")
            origins[name] = str(file)
        else:
            origins[name] = "default"
    return Loaded(Settings(**values), origins, tuple(warnings), environment)


def _parse(declaration: Declaration, raw: str, where: str) -> Any:
    try:
        return declaration.parse(raw)
    except ValueError as error:
        raise InvalidSetting(f"{where}: {error}. {declaration.help}") from None


def _read_file(environment: Mapping[str, str], directory: Path) -> tuple[Path, Mapping[str, Any]]:
    named = environment.get("ARGOSY_CONFIG", "")
    path = Path(named).expanduser() if named else directory / CONFIG_FILE
    try:
        return path, tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if named:
            raise InvalidSetting(f"ARGOSY_CONFIG names {path}, which does not exist.") from None
        return path, {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSetting(f"{path} cannot be read as TOML: {error}.") from error


def _unknown_variables(environment: Mapping[str, str]) -> list[str]:
    known = {variable for name, _ in declarations() for variable in variables(name)} | {"ARGOSY_CONFIG"}
    strangers = sorted(name for name in environment if _OURS.fullmatch(name) and name not in known)
    return [f"{name} is not a setting of this version and has no effect.{_suggest(name, known)}" for name in strangers]


def _unknown_keys(file: Path, table: Mapping[str, Any]) -> list[str]:
    known = {name for name, _ in declarations()}
    return [f"{key} in {file} is not a setting.{_suggest(key, known)}" for key in sorted(set(table) - known)]


def _suggest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return f" Did you mean {close[0]}?" if close else ""


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
