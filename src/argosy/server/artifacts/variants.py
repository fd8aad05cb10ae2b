"""Entries of one source, each made with another profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from argosy.core.errors import CacheNotWritable
from argosy.server.artifacts import staging
from argosy.server.artifacts.kinds.chosen_profile import PLACES, ChosenProfile, Substitute
from argosy.store.entries import ModelEntry

_CONTENT = "content"
_FINGERPRINT = "fingerprint"


@dataclass(frozen=True, slots=True)
class Variant:
    """The entry of one source with one profile.

    Attributes:
        cache: holds the entries of the source.
        name: of the model.
        content: fingerprint of the source alone.
        chosen: None for what is served in the one way that it was built for.
    """

    cache: Path
    name: str
    content: str
    chosen: ChosenProfile | None

    @property
    def mark(self) -> str:
        """What the entry is known by."""
        return self.content if self.chosen is None else self.chosen.mark(self.content)

    @property
    def place(self) -> Path:
        """The folder that it is built in."""
        return self.cache if self.chosen is None else self.chosen.place(self.cache)

    @property
    def origin(self) -> Mapping[str, str]:
        """What the entry says of itself, for `reusable` and `instead`."""
        known = {_FINGERPRINT: self.mark}
        return known if self.chosen is None else {**known, _CONTENT: self.content}

    def reusable(self) -> ModelEntry | None:
        """The entry, if it is there and whole."""
        return staging.reusable(self.place, self.name, self.mark)

    def instead(self, error: CacheNotWritable, substitute: Substitute | None) -> ModelEntry:
        """An entry of the same source with another profile.

        Raises:
            CacheNotWritable: `error`, when there is none that can be served here.
        """
        others = tuple(self._others())
        found = substitute(others, self.chosen) if substitute is not None and others else None
        if found is not None:
            return found
        if not others or substitute is None:
            raise error
        held = ", ".join(sorted({_label(entry) for entry in others}))
        raise CacheNotWritable(
            f"{error.message} It holds {self.name} for {held}, which is not what was asked for, or does not run here."
        ) from error

    def _others(self) -> Iterator[ModelEntry]:
        for place in _places(self.cache):
            entry = staging.whole(place, self.name)
            if (
                entry is not None
                and entry.spec.source.get(_CONTENT, entry.spec.source.get(_FINGERPRINT)) == self.content
            ):
                yield entry


def stores(cache: Path) -> tuple[Path, ...]:
    """The stores of a cache: the one of what is served in one way, and one of each profile that was chosen."""
    return tuple(staging.store_of(place) for place in _places(cache))


def _places(cache: Path) -> tuple[Path, ...]:
    return (cache, *sorted((cache / PLACES).glob("*")))


def _label(entry: ModelEntry) -> str:
    recorded = entry.spec.source.get("profile")
    name = recorded.get("name") if isinstance(recorded, Mapping) else None
    return str(name or entry.spec.engine)
