"""The words of a request, and how the command line spells them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from argosy.server.jobs.job import JobKind


class Form(StrEnum):
    """What a word's value becomes on the command line."""

    VALUE = "value"
    SWITCH = "switch"
    LIST = "list"
    FILE = "file"
    STORE = "store"


WORDS: Mapping[JobKind, Mapping[str, Form]] = {
    JobKind.CONVERT: {
        "name": Form.VALUE,
        "precision": Form.VALUE,
        "engine": Form.VALUE,
        "task": Form.VALUE,
        "calibration": Form.FILE,
        "samples": Form.VALUE,
        "memory": Form.VALUE,
        "timeout": Form.VALUE,
        "output": Form.STORE,
        "max_batch": Form.VALUE,
        "max_dimension": Form.VALUE,
        "workspace": Form.VALUE,
        "hardware_compatible": Form.SWITCH,
        "resume": Form.SWITCH,
        "keep_work": Form.SWITCH,
        "replace": Form.SWITCH,
    },
    JobKind.ANALYZE: {
        "objective": Form.VALUE,
        "p99_ms": Form.VALUE,
        "memory": Form.VALUE,
        "min_throughput": Form.VALUE,
        "budget": Form.VALUE,
        "minutes": Form.VALUE,
        "concurrency": Form.LIST,
        "precisions": Form.LIST,
        "space": Form.FILE,
        "inputs": Form.FILE,
        "rows": Form.VALUE,
        "seed": Form.VALUE,
        "apply": Form.SWITCH,
    },
}
"""What each command takes beside the model; `kind`, `model` and `load` belong to the job."""

OF_EVERY_JOB = frozenset({"kind", "model", "load"})


def flag(word: str) -> str:
    """The word on the command line."""
    return "--" + word.replace("_", "-")


def spell(word: str, form: Form, value: object) -> str:
    """One argument; a value that begins with a dash is none of its own."""
    if form is Form.SWITCH:
        return flag(word)
    if form is Form.LIST and isinstance(value, list):
        return f"{flag(word)}={','.join(map(str, value))}"
    return f"{flag(word)}={value}"
