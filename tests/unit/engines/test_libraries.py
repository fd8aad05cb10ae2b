"""Engines' libraries, which need not be installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import MissingRequirement
from argosy.engines.libraries import load


@pytest.mark.parametrize("code", [None, "import gone", "import ctypes\nctypes.CDLL('libgone.so.1')"])
def test_what_cannot_be_imported_is_named_with_the_remedy(
    code: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it is not there, or lacks a module or a shared library of its own."""
    if code is not None:
        (tmp_path / "absent_library.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingRequirement, match=r"The engine needs absent_library \(.*pip install 'argosy\[own\]'"):
        load("absent_library.part" if code is None else "absent_library", "The engine", "'argosy[own]'")
