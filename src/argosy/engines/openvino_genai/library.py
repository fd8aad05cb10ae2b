"""What every process that holds a pipeline says to OpenVINO GenAI, and hears from it, alike."""

from __future__ import annotations

import openvino_genai as genai

from argosy.engines.contract import ConstraintKind

LIBRARY_ERRORS = (RuntimeError, ValueError, IndexError, OverflowError, MemoryError)
"""What C++ exceptions become on their way through pybind11."""

_FIELDS = {
    ConstraintKind.JSON_SCHEMA: "json_schema",
    ConstraintKind.REGEX: "regex",
    ConstraintKind.EBNF: "grammar",
    ConstraintKind.STRUCTURAL_TAG: "structural_tags_config",
}


def last_line(error: Exception) -> str:
    """Why the library raised: it puts the reason last, after the lines of its own source files."""
    return str(error).strip().rpartition("\n")[2]


def structured_output(kind: str, text: str) -> genai.StructuredOutputConfig:
    """The library's form; nothing is compiled or checked yet. `kind` is that of `ConstraintKind`."""
    return genai.StructuredOutputConfig(**{_FIELDS[ConstraintKind(kind)]: text})
