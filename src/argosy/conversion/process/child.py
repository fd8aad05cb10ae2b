"""Lets another interpreter run a module of Argosy without its packages: the entry of every step.

    python -I child.py MODULE REQUEST ANSWER OUTPUT

The interpreter of the conversion environment has torch and not Argosy. Only the package `argosy` itself is made
importable there, so that none of the serving environment's libraries is found by accident.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parents[2]


def main(module: str, request: str, answer_file: str, output: str) -> int:
    """Run `perform(request, output folder)` of a step's module; its answer, or what went wrong, becomes a file."""
    _find_argosy()
    try:
        asked = json.loads(Path(request).read_text(encoding="utf-8"))
        answer: dict[str, Any] = importlib.import_module(module).perform(asked, Path(output).absolute())
    except Exception as error:  # noqa: BLE001 - every failure of a step is told to whoever runs it
        traceback.print_exc()
        answer = {"error": {"kind": type(error).__name__, "message": _message(error)}}
    written = Path(f"{answer_file}.new")
    written.write_text(json.dumps(answer), encoding="utf-8")
    written.replace(answer_file)
    sys.stdout.flush()
    return 1 if "error" in answer else 0


def _find_argosy() -> None:
    if "argosy" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "argosy", _PACKAGE / "__init__.py", submodule_search_locations=[str(_PACKAGE)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{_PACKAGE} holds no package")
    package = importlib.util.module_from_spec(spec)
    sys.modules["argosy"] = package
    spec.loader.exec_module(package)


def _message(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "ran out of the memory it was given"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    text = str(getattr(error, "message", None) or error).strip()
    return text[:1000] if text else type(error).__name__


if __name__ == "__main__":
    code = main(*sys.argv[1:5])
    # Engines keep threads that would otherwise hold the process for seconds.
    os._exit(code)
