"""What an adopted entry will hold, decided before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from argosy.core.models import ModelSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """One entry to be built.

    Attributes:
        config: text of `config.pbtxt`.
        files: name in the version folder to the file it comes from.
        texts: name in the version folder to the text written there.
        copied: names in `files` that must be copied whatever their size.
        hashes: SHA-256 by name in `files`, for files whose content is known; an entry with any is written with a record
            of all its files (`integrity`).
    """

    spec: ModelSpec
    config: str
    files: Mapping[str, Path] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    copied: frozenset[str] = frozenset()
    hashes: Mapping[str, str] = field(default_factory=dict)
