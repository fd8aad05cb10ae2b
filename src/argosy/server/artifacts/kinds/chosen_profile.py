"""What is decided of a checkpoint or an ONNX file before its entry is made: which engine runs it, and how.

Who decides looks at the machine, which this package does not: it is handed a `Choose`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from argosy.server.artifacts.source import Source
from argosy.store.entries import ModelEntry

PLACES = "profiles"
"""Folder of the entries made with chosen profiles."""


@dataclass(frozen=True, slots=True)
class ChosenProfile:
    """How a checkpoint or a network will run.

    Attributes:
        id, name, tags: of the profile.
        engine: its name in `argosy.engines.registry`.
        precision: arithmetic, `bf16`, `f16` or `f32`.
        weights: what the files hold, or what the engine rounds them to when it loads them.
        device: `gpu` or `cpu`.
        max_model_len: longest context that the machine has memory for, tokens; 0 leaves the model's own.
        parameters: options of the engine that the profile stands for, as in `config.pbtxt`.
    """

    id: str
    name: str
    tags: Mapping[str, str]
    engine: str
    precision: str
    weights: str
    device: str
    max_model_len: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict)

    def mark(self, fingerprint: str) -> str:
        """The fingerprint of an entry made of a source with this profile; another profile gives another one."""
        return f"sha256:{self._digest(fingerprint)}"

    def place(self, cache: Path) -> Path:
        """The folder in `cache` of the entries made with this profile.

        Each choice has one: a server whose model process starts anew must find the entry that it serves, whatever
        others chose meanwhile.
        """
        return cache / PLACES / self._digest("")[:16]

    def record(self) -> dict[str, Any]:
        """The profile as an entry keeps it and `argosy.server.profiles.sources.entry` reads it back."""
        return {"id": self.id, "name": self.name, "tags": dict(self.tags)}

    def _digest(self, text: str) -> str:
        return hashlib.sha256(json.dumps([text, asdict(self)], sort_keys=True).encode()).hexdigest()


class Choose(Protocol):
    """Chooses how a model runs."""

    def __call__(self, source: Source, name: str, network: Path | None = None, /) -> ChosenProfile | None:
        """The profile of a checkpoint, or of a network.

        Args:
            source: the folder.
            name: what the model will be called.
            network: the ONNX file in it that is meant; None means the checkpoint.

        Returns:
            None where another form of the model in the folder is the better one, or OpenVINO for a network.

        Raises:
            InvalidModelEntry: nothing can run the checkpoint; the message says what would.
        """
        ...


class Substitute(Protocol):
    """Says what is served instead where the cache lacks the entry of the chosen profile, and cannot be written."""

    def __call__(self, made: Sequence[ModelEntry], chosen: ChosenProfile | None, /) -> ModelEntry | None:
        """The best of the entries that were made of the same source with other profiles; the operator is told.

        Args:
            made: what the cache has, at least one.
            chosen: as `Choose` said.

        Returns:
            None when none of them can be served here.
        """
        ...
