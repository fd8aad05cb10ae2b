"""Folders when the settings do not say."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from argosy.server.artifacts.places import bundled_store, cache_directory, model_stores, run_directory


@pytest.mark.parametrize(
    ("configured", "environment", "expected"),
    [
        (Path("/c"), {"XDG_CACHE_HOME": "/x"}, "/c"),
        (None, {"XDG_CACHE_HOME": "/x", "HOME": "/h"}, "/x/argosy"),
        (None, {"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/argosy"),
        (None, {"HOME": "/h"}, "/h/.cache/argosy"),
    ],
)
def test_cache(configured: Path | None, environment: dict[str, str], expected: str) -> None:
    """The setting, else the user's cache folder; a relative XDG path is ignored, as its specification says."""
    assert cache_directory(configured, environment) == Path(expected)


def test_run_directory(tmp_path: Path) -> None:
    """The setting, else the user's run-time folder where it can be written, else a temporary one; one for each port."""
    assert run_directory(tmp_path, 1, {"XDG_RUNTIME_DIR": "/x"}) == tmp_path
    assert run_directory(None, 1, {"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "argosy" / "1"
    for environment in ({}, {"XDG_RUNTIME_DIR": str(tmp_path / "nothing")}):
        temporary = run_directory(None, 1, environment)
        assert temporary.is_relative_to(tempfile.gettempdir())
        assert temporary != run_directory(None, 2, environment)


def test_stores() -> None:
    """The configured stores, else the bundled one."""
    assert model_stores([Path("/a"), Path("/b")]) == (Path("/a"), Path("/b"))
    assert model_stores([]) == (bundled_store(),)
    assert bundled_store().is_dir()
