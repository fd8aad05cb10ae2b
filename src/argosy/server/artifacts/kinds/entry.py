"""A folder that already is a model store entry, named by its path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec
from argosy.engines.native import NATIVE, backend_of
from argosy.engines.tensorrt_llm.options import WORKER_PYTHON
from argosy.server.artifacts.plan import Plan
from argosy.server.artifacts.readers.config_text import read_outline
from argosy.server.artifacts.source import Source
from argosy.store.entries import CONFIG_FILE, ModelEntry, read_entry

_NAME = re.compile(r'^name\s*:\s*"[^"]*"', re.MULTILINE)
# Fields that cannot make Triton run or read anything but the engine's backend and the version folders.
_FIELDS = frozenset(
    {
        *("name", "backend", "max_batch_size", "input", "output", "instance_group", "version_policy", "parameters"),
        *("dynamic_batching", "sequence_batching", "model_transaction_policy", "response_cache", "metric_tags"),
    }
)
_NATIVE_FIELDS = _FIELDS | {"optimization"}
_DANGEROUS_PARAMETERS = frozenset({"EXECUTION_ENV_PATH", WORKER_PYTHON})
_DANGEROUS_OPTION = re.compile(
    r"trt_\w*(path|plugin|dump|prefix)\w*|cache_dir|load_config|gpu_external_\w+|user_compute_stream"
)
"""Of execution accelerators: libraries that are loaded, places that are written to, and addresses of functions, which
Triton hands on to ONNX Runtime's CUDA provider as they are.
"""
_CODE = frozenset({".py", ".pyc", ".so", ".sh", ".pt", ".pth", ".pkl", ".pickle", ".gz", ".tar", ".zip"})


def read_foreign_entry(directory: Path) -> ModelEntry:
    """The entry in `directory`, which somebody else wrote.

    Raises:
        InvalidModelEntry: it is broken, holds code, or asks Triton for another backend than its engine's.
    """
    entry = read_entry(directory)
    _check_config(directory / CONFIG_FILE, entry, Source(directory).text(CONFIG_FILE) or "")
    for path in _version_files(entry):
        if path.suffix.lower() in _CODE:
            raise InvalidModelEntry(f"{path} may hold code, which is never run for a model; remove it from the entry.")
    return entry


def _check_config(path: Path, entry: ModelEntry, config: str) -> None:
    outline = read_outline(config)
    backend = backend_of(entry.spec.engine)
    if outline.fields.count("backend") != 1 or outline.backend != backend:
        raise InvalidModelEntry(
            f'{path} must say backend: "{backend}", once; other backends can run code that came with the model.'
        )
    native = entry.spec.engine in NATIVE
    if strangers := sorted(set(outline.fields) - (_NATIVE_FIELDS if native else _FIELDS)):
        raise InvalidModelEntry(
            f"{path} has fields that are not allowed in an entry given by path: {', '.join(strangers)}."
        )
    dangerous = _DANGEROUS_PARAMETERS & outline.texts
    if native:
        dangerous |= {text for text in outline.texts if _DANGEROUS_OPTION.fullmatch(text)}
    if found := sorted(dangerous):
        raise InvalidModelEntry(
            f"{path} sets {', '.join(found)}, which makes Triton run code that came with the model."
        )


def plan_renamed(directory: Path, name: str, origin: Mapping[str, Any]) -> Plan:
    """The entry in `directory` under another name; only its newest version.

    Raises:
        InvalidModelEntry: as `read_foreign_entry`.
    """
    entry = read_foreign_entry(directory)
    config = Source(directory).text(CONFIG_FILE) or ""
    files = {
        path.relative_to(entry.newest).as_posix(): path for path in _version_files(entry) if _is_newest(entry, path)
    }
    spec: ModelSpec = replace(entry.spec, name=name, source={**entry.spec.source, **origin})
    return Plan(spec, renamed_config(config, name), files)


def renamed_config(config: str, name: str) -> str:
    """The text of a `config.pbtxt` for the same model under another name."""
    renamed, count = _NAME.subn(f'name: "{name}"', config, count=1)
    return renamed if count else f'name: "{name}"\n{config}'


def _version_files(entry: ModelEntry) -> Iterator[Path]:
    source = Source(entry.directory)
    for version in entry.versions:
        for path in sorted((entry.directory / str(version)).rglob("*")):
            if not path.is_dir() and source.find(path.relative_to(entry.directory).as_posix()) is not None:
                yield path


def _is_newest(entry: ModelEntry, path: Path) -> bool:
    return path.is_relative_to(entry.newest)
