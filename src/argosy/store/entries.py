"""Model store entries on disk: `<store>/<model>/{config.pbtxt, argosy.yaml, <version>/…}`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec

SPEC_FILE = "argosy.yaml"
CONFIG_FILE = "config.pbtxt"
_LARGEST_SPEC = 1 << 20


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model store entry as found on disk.

    Attributes:
        directory: holds `config.pbtxt`, `argosy.yaml` and numbered version folders.
        versions: numbers of the version folders, ascending, at least one.
    """

    spec: ModelSpec
    directory: Path
    versions: tuple[int, ...]

    @property
    def name(self) -> str:
        """What clients call the model."""
        return self.spec.name

    @property
    def newest(self) -> Path:
        """The folder of the highest version."""
        return self.directory / str(self.versions[-1])


def read_entry(directory: Path) -> ModelEntry:
    """The whole entry in `directory`.

    Raises:
        InvalidModelEntry: the entry is broken; the message names the file and the remedy.
    """
    spec = read_spec(directory)
    if not (directory / CONFIG_FILE).is_file():
        raise InvalidModelEntry(f"{directory} has no {CONFIG_FILE}; Triton needs one for every model.")
    return ModelEntry(spec, directory, versions(directory))


def read_spec(directory: Path) -> ModelSpec:
    """The spec of the entry in `directory`.

    Raises:
        InvalidModelEntry: `argosy.yaml` is missing, too large, not YAML, or says something wrong.
    """
    path = directory / SPEC_FILE
    try:
        if path.stat().st_size > _LARGEST_SPEC:
            raise InvalidModelEntry(f"{path} is larger than 1 MiB; it should hold a page of settings.")
        data: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidModelEntry(f"{directory} has no {SPEC_FILE}; it is not a model store entry.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidModelEntry(f"{path} cannot be read as YAML: {error}.") from error
    if not isinstance(data, dict):
        raise InvalidModelEntry(f"{path} must hold a mapping of settings.")
    return ModelSpec.from_mapping(data)


def versions(directory: Path) -> tuple[int, ...]:
    """Numbers of the version folders of the entry in `directory`, ascending.

    Raises:
        InvalidModelEntry: there is none.
    """
    found = sorted(
        int(child.name)
        for child in directory.iterdir()
        if child.is_dir() and child.name.isdecimal() and int(child.name)
    )
    if not found:
        raise InvalidModelEntry(f"{directory} has no version folder; put the model's files in {directory / '1'}.")
    return tuple(found)


def list_entries(store: Path) -> list[Path]:
    """Directories in `store` that hold an `argosy.yaml`, by name."""
    if not store.is_dir():
        return []
    return sorted(child for child in store.iterdir() if (child / SPEC_FILE).is_file())
