"""The name a model gets when the user gives none."""

from __future__ import annotations

import re
from pathlib import Path

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import NAME

_LONGEST = 64
_SAYS_NOTHING = re.compile(
    r"(openvino_)?model([_-](quantized|optimized|fp16|int8|q8|bf16))?|onnx|openvino|ir|"
    r"(model|saved)[._-]?(savedmodel|model)|export(ed)?|\d+|snapshots|\.*"
)
_SUFFIXES = (".gguf", ".onnx", ".xml", ".plan", ".engine")


def default_name(path: Path) -> str:
    """A name made from a file or folder name; folders above are asked when it says nothing (`onnx/model.onnx`).

    A snapshot in a Hugging Face cache is named after its repository.

    Raises:
        InvalidModelEntry: no part of the path makes a name; the message shows `name=path`.
    """
    absolute = path.absolute()
    stem = absolute.name.removesuffix(absolute.suffix) if absolute.suffix.lower() in _SUFFIXES else absolute.name
    for part in (stem, *(parent.name for parent in absolute.parents)):
        if part.startswith("models--"):
            part = part.rpartition("--")[2]  # noqa: PLW2901
        if _SAYS_NOTHING.fullmatch(part.lower()) or _is_revision(part):
            continue
        if NAME.fullmatch(name := normalise(part)):
            return name
    raise InvalidModelEntry(f"{path} does not suggest a model name; give one: my-model={path}")


def normalise(text: str) -> str:
    """`text` with what `core.models.NAME` does not allow replaced; empty when nothing is left."""
    lowered = re.sub(r"[^a-z0-9._-]+", "-", text.lower())
    return lowered.lstrip("._-")[:_LONGEST].rstrip("._-")


def _is_revision(part: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{40}", part) is not None
