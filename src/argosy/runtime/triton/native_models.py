"""Models of Triton's own backends: whether they can run on the Triton here, and what they are told by the host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from argosy.core.errors import InvalidModelEntry
from argosy.engines.native import NATIVE, REMEDY
from argosy.runtime.model_config import read_config
from argosy.runtime.triton.locate import TritonInstallation
from argosy.store.entries import CONFIG_FILE, ModelEntry

THREADS = "threads"
"""The host's parameter for the processor threads of an engine."""


def obstacle(entry: ModelEntry, installation: TritonInstallation, *, completes: bool) -> str:
    """Why the model cannot be loaded here, with the remedy; empty when nothing is known to stand in its way.

    Args:
        entry: the model.
        installation: the Triton that would load it.
        completes: whether that was started so that it completes configs (`needs_completion`).
    """
    engine = entry.spec.engine
    if engine not in NATIVE:
        return ""
    if engine not in installation.native:
        has = ", ".join(("python", *sorted(installation.native)))
        return f"needs Triton's backend {engine!r}, and {installation.binary} has: {has}. {REMEDY}."
    if not completes and _is_incomplete(entry):
        return (
            f"its {CONFIG_FILE} names no inputs, and this Triton was started without completing configs: start Argosy "
            "with this model among the others, or write its inputs and outputs down"
        )
    return ""


def needs_completion(entries: Iterable[ModelEntry]) -> bool:
    """Whether a model's config leaves its tensors to the backend, as that of a TensorRT engine from elsewhere does."""
    return any(entry.spec.engine in NATIVE and _is_incomplete(entry) for entry in entries)


def host_parameters(entry: ModelEntry, parameters: Mapping[str, str]) -> dict[str, str]:
    """The host's parameters in the words of the entry's backend; what that has no word for is left out."""
    native = NATIVE.get(entry.spec.engine)
    if native is None:
        return dict(parameters)
    return {native.threads: parameters[THREADS]} if native.threads and THREADS in parameters else {}


def _is_incomplete(entry: ModelEntry) -> bool:
    try:
        config = read_config(entry.directory / CONFIG_FILE)
    except InvalidModelEntry:
        # Triton says what is wrong with it when the model is loaded.
        return False
    return not config.inputs or not config.outputs
