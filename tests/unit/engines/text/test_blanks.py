"""White space between the parts of JSON is counted, white space inside strings is not."""

from __future__ import annotations

import pytest

from argosy.engines.text.blanks import MOST_BLANKS, BlankRun


@pytest.mark.parametrize("text", [" " * MOST_BLANKS + "{", "\n " * (MOST_BLANKS // 2), (" " * 100 + ",") * 5])
def test_indentation_is_allowed(text: str) -> None:
    """As many blanks as the deepest indentation, over and over."""
    assert not BlankRun(strings=True).too_long(text)


@pytest.mark.parametrize("strings", [True, False])
def test_a_run_is_counted_across_pieces(strings: bool) -> None:
    """One blank too many is too many, however the text is cut."""
    run = BlankRun(strings=strings)
    assert not any(run.too_long(" ") for _ in range(MOST_BLANKS))
    assert run.too_long("\n")


def test_blanks_inside_strings_are_text() -> None:
    """A string may hold any number of blanks, after escaped quotes and backslashes too; after its end they count."""
    run = BlankRun(strings=True)
    assert not run.too_long('{"a": "\\"\\\\' + " " * 1000)
    assert not run.too_long('\\" ' + " " * 1000 + '"')
    assert run.too_long(" " * (MOST_BLANKS + 1))


def test_without_strings_all_blanks_count() -> None:
    """Where quotes may mean anything, a run of blanks is one wherever it stands."""
    assert BlankRun(strings=False).too_long('"' + " " * (MOST_BLANKS + 1))
