"""`docs/settings.md` says what the code says."""

from __future__ import annotations

import os

import pytest

from argosy.settings import declarations, variables
from argosy.settings.other_variables import OTHER_VARIABLES
from tests.unit.settings.written_settings import DOCUMENT, document

WRITE = os.environ.get("ARGOSY_WRITE_SETTINGS") == "1"


def test_the_page_is_what_the_code_says() -> None:
    """Written anew it is the same page; `make settings` writes it."""
    page = document()
    if WRITE:
        DOCUMENT.write_text(page)
    assert page == DOCUMENT.read_text(), "docs/settings.md is stale. Run: make settings"


@pytest.mark.parametrize("name", [name for name, _ in declarations()])
def test_every_setting_stands_on_the_page(name: str) -> None:
    """With each of its variables."""
    page = DOCUMENT.read_text()
    assert f"| `{name}`" in page
    assert all(f"`{variable}`" in page for variable in variables(name)[1:])


def test_every_known_variable_stands_on_the_page() -> None:
    """With its reason in the same row."""
    rows = DOCUMENT.read_text().splitlines()
    for variable in OTHER_VARIABLES:
        assert any(row.startswith(f"| `{variable.name}` | ") for row in rows), variable.name
