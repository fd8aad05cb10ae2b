"""All ways there are to run one model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from argosy.server.profiles.profile import Profile


@dataclass(frozen=True, slots=True)
class Manifest:
    """The profiles of one model.

    Attributes:
        origin: where it comes from, for people.
        context: the model's longest context, tokens; 0 when it has none or nobody knows.
    """

    model: str
    profiles: tuple[Profile, ...]
    origin: str = ""
    context: int = 0

    def __iter__(self) -> Iterator[Profile]:
        return iter(self.profiles)

    def __len__(self) -> int:
        return len(self.profiles)
