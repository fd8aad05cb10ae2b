from __future__ import annotations

from pathlib import Path

import pytest

import argosy
from argosy.settings import declarations


@pytest.mark.parametrize("name", [name for name, _ in declarations()])
def test_every_setting_is_read_by_somebody(name: str) -> None:
    """A flag or variable that is accepted and changes nothing would be a lie."""
    package = Path(argosy.__file__).parent
    assert any(f"settings.{name}" in path.read_text() for path in package.rglob("*.py"))
