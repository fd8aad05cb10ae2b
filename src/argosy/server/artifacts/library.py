"""Every model that this server could serve, by name, looked up anew each time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from argosy.core.errors import InvalidModelEntry, ModelNotFound
from argosy.server.artifacts import integrity
from argosy.server.artifacts.resolve import survey
from argosy.store.entries import ModelEntry, read_entry


class Library:
    """The models chosen at the start, what the model stores hold now, and adapters put in while the server runs.

    Guarantees: a name never leads out of the stores, because it is looked up among what they hold.

    Args:
        selection: the models chosen at the start; each is read again from where it was.
        stores: folders of model store entries, the earlier ones first.
    """

    def __init__(self, selection: Iterable[ModelEntry], stores: Sequence[Path]) -> None:
        self._places = {entry.name: entry.directory for entry in selection}
        self._stores = tuple(stores)

    def put(self, entry: ModelEntry) -> None:
        """Add a model, or a new form of one."""
        self._places[entry.name] = entry.directory

    def remove(self, name: str) -> None:
        """Know a model no longer; one that is not known is ignored."""
        self._places.pop(name, None)

    def has(self, name: str) -> bool:
        """Whether a model of that name was chosen at the start or put in."""
        return name in self._places

    def find(self, name: str) -> ModelEntry:
        """The model's entry as it is on disk now.

        Raises:
            ModelNotFound: nothing here has that name.
            InvalidModelEntry: the entry is broken.
        """
        place = self._places.get(name)
        if place is not None and place.is_dir():
            entry = read_entry(place)
            integrity.check(place)
            if entry.name != name:
                raise InvalidModelEntry(f"{place} holds the model {entry.name!r} now, not {name!r}.")
            return entry
        found = survey(self._stores)
        for entry in found.entries:
            if entry.name == name:
                return entry
        for problem in found.problems:
            if problem.directory.name == name:
                raise InvalidModelEntry(problem.message)
        raise ModelNotFound(f"There is no model '{name}' to load; the index lists those there are.", param="model")

    def versions(self) -> dict[str, str]:
        """The newest version of every model by name; empty text where the entry is broken."""
        found = survey(self._stores)
        versions = {problem.directory.name: "" for problem in found.problems}
        versions |= {entry.name: entry.newest.name for entry in found.entries}
        # A copy, because this runs beside the event loop, which may put one in.
        for name, place in self._places.copy().items():
            try:
                versions[name] = read_entry(place).newest.name
            except (InvalidModelEntry, OSError):
                versions.setdefault(name, "")
        return versions
