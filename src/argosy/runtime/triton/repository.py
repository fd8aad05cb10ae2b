"""Render the private model repository that Triton reads: configs copied and completed, model files linked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from argosy.runtime.triton.native_models import host_parameters
from argosy.runtime.triton.overrides import ConfigOverrides, override
from argosy.store.entries import CONFIG_FILE, ModelEntry

Overriding = Callable[[ModelEntry], ConfigOverrides]
"""What an operator says over the config of a model."""


def no_overrides(_: ModelEntry) -> ConfigOverrides:
    """Every model's config stays as it is."""
    return ConfigOverrides()


def render_repository(
    directory: Path,
    entries: Iterable[ModelEntry],
    parameters: Mapping[str, str],
    overriding: Overriding = no_overrides,
) -> Path:
    """Write the repository of `entries` into `directory`, replacing what was there.

    Args:
        directory: made readable by this user only.
        entries: each becomes a folder named like the model.
        parameters: what the host must know (threads, …), appended to every `config.pbtxt`; an entry's own
            parameter of the same name wins.
        overriding: what wins over each entry's own config.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    for entry in entries:
        render_model(directory, entry, parameters, overriding)
    return directory


def render_model(
    directory: Path, entry: ModelEntry, parameters: Mapping[str, str], overriding: Overriding = no_overrides
) -> Path:
    """Write one model's folder into the repository at `directory`, replacing what was there."""
    model = directory / entry.name
    shutil.rmtree(model, ignore_errors=True)
    model.mkdir(mode=0o700)
    # The spec is for the host, label files are for Triton.
    for file in entry.directory.iterdir():
        if file.is_file() and file.name != CONFIG_FILE:
            (model / file.name).symlink_to(file.resolve())
    for version in entry.versions:
        (model / str(version)).symlink_to((entry.directory / str(version)).resolve(), target_is_directory=True)
    wanted = overriding(entry)
    wanted = replace(wanted, parameters=host_parameters(entry, wanted.parameters))
    text = override((entry.directory / CONFIG_FILE).read_text(encoding="utf-8"), wanted)
    # Written last and renamed: Triton takes a folder for a model when it sees the config.
    staged = model / f".{CONFIG_FILE}"
    staged.write_text(complete_config(text, host_parameters(entry, parameters)), encoding="utf-8")
    staged.rename(model / CONFIG_FILE)
    return model


def remove_model(directory: Path, name: str) -> None:
    """Take one model's folder out of the repository; links are removed, never what they point to."""
    shutil.rmtree(directory / name, ignore_errors=True)


def complete_config(text: str, parameters: Mapping[str, str]) -> str:
    """`config.pbtxt` with the host's parameters put before the entry's own, so that the entry's win.

    Triton's text format keeps the last value of a repeated map key.
    """
    lines = [
        f"parameters {{ key: {json.dumps(key)} value {{ string_value: {json.dumps(value)} }} }}"
        for key, value in sorted(parameters.items())
    ]
    if not lines:
        return text
    return "\n".join(["# The host's parameters; the model's own config follows.", *lines, "", text])
