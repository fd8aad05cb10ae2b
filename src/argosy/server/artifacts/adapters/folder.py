"""The folder of adapters, looked at again and again."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from argosy.core.errors import ConfigurationError, InvalidModelEntry
from argosy.server.artifacts.adapters.adopt import WEIGHTS_FILE, Adapter, build, examine
from argosy.server.artifacts.adapters.config import CONFIG_FILE
from argosy.store.entries import ModelEntry

_MOST_FOLDERS = 1000
_Signature = tuple[tuple[int, ...], ...]
_GONE = (-1,)


@dataclass(frozen=True, slots=True)
class AdapterOptions:
    """Which adapters are taken.

    Attributes:
        source: holds a folder for each adapter.
        most: adapters served at once.
        max_rank: higher ranks are refused.
    """

    source: Path
    most: int = 8
    max_rank: int = 32


@dataclass(frozen=True, slots=True)
class Scan:
    """What one look found.

    Attributes:
        entries: adapters that can be served now, each an entry of its own.
        problems: why a folder is not served, by its name.
        warnings: what the operator should know of those that are served, by name.
        present: names of all the folders, those that are still being written included.
    """

    entries: tuple[ModelEntry, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)
    warnings: Mapping[str, str] = field(default_factory=dict)
    present: frozenset[str] = frozenset()


class AdapterFolder:
    """Finds adapters and makes their entries.

    Guarantees: a folder is opened only once it has not changed for a while; what was found good or bad is not looked
    at again until it changes; one folder's trouble is never another's.

    Args:
        bases: the models adapters may belong to.
        cache: where entries are made.
        taken: names that belong to other models.
        clock: seconds since 1970, as files have it.
    """

    def __init__(
        self,
        options: AdapterOptions,
        bases: Sequence[ModelEntry],
        cache: Path,
        taken: Container[str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._options = options
        self._bases = tuple(bases)
        self._cache = cache
        self._taken = taken
        self._clock = clock
        self._seen: dict[str, _Signature] = {}
        self._judged: dict[str, tuple[_Signature, Adapter | str]] = {}
        self._chosen: frozenset[str] = frozenset()

    def check(self) -> list[Adapter | tuple[str, str]]:
        """Every adapter that could be served, or its name and why not, in order of names; nothing is written.

        Raises:
            InvalidModelEntry: the folder itself cannot be read.
        """
        folders = self._folders()
        judged = {name: self._judge(folder, _signature(folder)) for name, folder in folders.items()}
        return [(name, verdict) if isinstance(verdict, str) else verdict for name, verdict in judged.items()]

    def scan(self, quiet: float = 0.0) -> Scan:
        """Look once.

        Args:
            quiet: seconds for which a folder must not have changed; 0 takes it as it is.

        Raises:
            InvalidModelEntry: the folder itself cannot be read.
        """
        folders = self._folders()
        entries: dict[str, ModelEntry] = {}
        problems: dict[str, str] = {}
        warnings: dict[str, str] = {}
        seen = {name: _signature(folder) for name, folder in folders.items()}
        settled = {name for name in folders if quiet == 0 or self._is_settled(name, seen[name], quiet)}
        # Those that are served keep their place when there are too many, also while their files change.
        places = {name for name in self._chosen if name in folders}
        for name in sorted(settled, key=lambda name: (name not in places, name)):
            verdict = self._judge(folders[name], seen[name])
            if isinstance(verdict, str):
                problems[name] = verdict
            elif name not in places and len(places) >= self._options.most:
                problems[name] = f"More than {self._options.most} adapters; allow more with --max-loras."
            else:
                try:
                    entry = build(verdict, self._cache)
                except (ConfigurationError, OSError) as error:
                    problems[name] = str(error)
                    continue
                if _signature(folders[name]) == seen[name]:
                    places.add(name)
                    entries[name] = entry
                    if verdict.warning:
                        warnings[name] = verdict.warning
        self._seen = seen
        self._judged = {name: judged for name, judged in self._judged.items() if name in folders}
        self._chosen = frozenset(places)
        return Scan(tuple(entries[name] for name in sorted(entries)), problems, warnings, frozenset(folders))

    def _folders(self) -> dict[str, Path]:
        source = self._options.source
        try:
            found = [path for path in sorted(source.iterdir()) if not path.name.startswith(".") and path.is_dir()]
        except OSError as error:
            raise InvalidModelEntry(
                f"The adapters' folder {source} cannot be read: {error.strerror or error}."
            ) from error
        return {path.name: path for path in found[:_MOST_FOLDERS]}

    def _is_settled(self, name: str, signature: _Signature, quiet: float) -> bool:
        if self._seen.get(name) == signature:
            return True
        changed = max((part[-1] for part in signature), default=0) / 1e9
        return 0 < changed < self._clock() - quiet

    def _judge(self, folder: Path, signature: _Signature) -> Adapter | str:
        """The adapter, or why it cannot be served."""
        if folder.name in self._taken:
            return f"{folder} has the name of a model; rename the folder."
        known = self._judged.get(folder.name)
        if known is not None and known[0] == signature:
            return known[1]
        verdict = self._examine(folder)
        self._judged[folder.name] = (signature, verdict)
        return verdict

    def _examine(self, folder: Path) -> Adapter | str:
        try:
            if folder.resolve().is_relative_to(self._options.source.resolve()):
                return examine(folder, self._bases, self._options.max_rank)
        except InvalidModelEntry as error:
            return error.message
        except OSError as error:
            return f"{folder} cannot be read: {error.strerror or error}."
        return f"{folder} is a link that leads out of the adapters' folder; copy it there."


def _signature(folder: Path) -> _Signature:
    """What changes when one of an adapter's files does; the last number of each part is a time in nanoseconds."""
    parts: list[tuple[int, ...]] = []
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        try:
            status = (folder / name).stat()
        except OSError:
            parts.append(_GONE)
        else:
            parts.append((status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(parts)
