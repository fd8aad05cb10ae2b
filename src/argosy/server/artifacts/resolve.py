"""Turn the MODEL arguments of a command into the entries to serve."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from argosy.core.errors import ConfigurationError, InvalidModelEntry
from argosy.core.models import NAME
from argosy.server.artifacts import integrity
from argosy.server.artifacts.adopt import adopt
from argosy.server.artifacts.archives.unpack import is_archive
from argosy.server.artifacts.fetch.fetch import FetchOptions
from argosy.server.artifacts.models import SourceModels
from argosy.server.artifacts.reference import parse_reference
from argosy.store.entries import ModelEntry, list_entries, read_entry


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry of a store that cannot be served, and why, with the remedy."""

    directory: Path
    message: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be served.

    Attributes:
        entries: in the order of the arguments, or by name when there were none; names are unique.
        problems: entries left out; only when there were no arguments.
    """

    entries: tuple[ModelEntry, ...]
    problems: tuple[Problem, ...] = ()


def resolve(
    arguments: Sequence[str], stores: Sequence[Path], cache: Path, sources: SourceModels | None = None
) -> Selection:
    """The entries that `arguments` name: names in a store, paths, sources to fetch, or `name=` before any of them.

    A name wins over a file of the same name in the working directory; `./name` means the file. When two stores
    hold a name, the earlier store's is meant. A path wins over a hub's repository of the same name.

    Args:
        arguments: none means everything in the stores.
        stores: folders of entries.
        cache: where entries of paths are made.
        sources: fetches what is not here, and knows how checkpoints are to run; None takes what the cache has, opens no
            connection and refuses checkpoints.

    Raises:
        ConfigurationError: an unknown name, a name twice, or no model at all.
        InvalidModelEntry: a named model is broken or cannot be served.
        MissingRequirement: a library that reads a named model is not installed.
    """
    if not arguments:
        return _everything(stores)
    sources = sources or SourceModels(cache, FetchOptions(offline=True))
    entries = [_one(argument, stores, cache, sources) for argument in arguments]
    _check_unique(entries)
    return Selection(tuple(entries))


def survey(stores: Sequence[Path]) -> Selection:
    """Every entry of the stores by name, with the problems of those that cannot be served; possibly none."""
    entries: dict[str, ModelEntry] = {}
    problems: list[Problem] = []
    for directory in _directories(stores):
        try:
            entry = _read(directory)
        except InvalidModelEntry as error:
            problems.append(Problem(directory, error.message))
            continue
        if (first := entries.get(entry.name)) is not None:
            problems.append(
                Problem(directory, f"{directory} is hidden: {first.directory} has the same name. Rename one of them.")
            )
            continue
        entries[entry.name] = entry
    return Selection(tuple(entries[name] for name in sorted(entries)), tuple(problems))


def _everything(stores: Sequence[Path]) -> Selection:
    selection = survey(stores)
    if not selection.entries:
        broken = " ".join(problem.message for problem in selection.problems)
        raise ConfigurationError(
            f"There is no model to serve in {_list(stores)}. Name one: argosy serve path/to/model. {broken}".strip()
        )
    return selection


def _one(argument: str, stores: Sequence[Path], cache: Path, sources: SourceModels) -> ModelEntry:
    name, model = split_name(argument)
    path = Path(model).expanduser()
    if name is None and (directory := _find(model, stores)) is not None:
        return _read(directory)
    if path.is_file() and is_archive(path.name):
        return sources.archive(path, name)
    if path.exists():
        return adopt(path, cache, name, sources.choose, sources.substitute)
    if name is not None and (directory := _find(model, stores)) is not None:
        return adopt(directory, cache, name)
    if (reference := parse_reference(model)) is not None:
        return sources.entry(reference, name)
    if name is not None or _looks_like_path(model):
        raise ConfigurationError(f"{path} does not exist.")
    raise _unknown(model, stores)


def split_name(argument: str) -> tuple[str | None, str]:
    """`name=MODEL` apart; an argument whose part before "=" has a separator in it is a MODEL as a whole."""
    name, equals, model = argument.partition("=")
    if equals and not set("/:@") & set(name) and not Path(argument).exists():
        return name, model
    return None, argument


def _looks_like_path(argument: str) -> bool:
    endings = (".gguf", ".onnx", ".xml", ".plan", ".engine")
    return "/" in argument or argument.startswith(("~", ".")) or argument.endswith(endings)


def _find(name: str, stores: Sequence[Path]) -> Path | None:
    if NAME.fullmatch(name) is None:
        return None
    return next((directory for directory in _directories(stores) if directory.name == name), None)


def _read(directory: Path) -> ModelEntry:
    entry = read_entry(directory)
    integrity.check(directory)
    if entry.name != directory.name:
        raise InvalidModelEntry(
            f"{directory} holds the model {entry.name!r}; the folder and the name in argosy.yaml must be the same."
        )
    return entry


def _directories(stores: Iterable[Path]) -> list[Path]:
    return [directory for store in stores for directory in list_entries(store)]


def _unknown(name: str, stores: Sequence[Path]) -> ConfigurationError:
    known = sorted({directory.name for directory in _directories(stores)})
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    guess = f" Did you mean {' or '.join(close)}?" if close else ""
    listing = f"The model store has: {', '.join(known)}." if known else f"The model store {_list(stores)} is empty."
    return ConfigurationError(f"There is no model or file {name!r}.{guess} {listing}")


def _check_unique(entries: Iterable[ModelEntry]) -> None:
    seen: dict[str, ModelEntry] = {}
    for entry in entries:
        if (first := seen.get(entry.name)) is not None:
            raise ConfigurationError(
                f"Two models are called {entry.name!r} ({first.directory} and {entry.directory}); "
                "give one another name: other-name=path."
            )
        seen[entry.name] = entry


def _list(stores: Sequence[Path]) -> str:
    return ", ".join(map(str, stores)) or "no folder"
