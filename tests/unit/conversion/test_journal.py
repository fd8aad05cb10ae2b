"""Which steps count as done."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.conversion.journal import Journal
from argosy.core.errors import ConfigurationError

INPUTS = {"versions": {"torch": "1"}}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(tmp_path / "work")
    folder = made.open("build", {"a": 1}, INPUTS)
    (folder.output / "network.bin").write_bytes(b"weights")
    made.close("build", {"answer": {"bytes": 7}})
    return made


def test_a_finished_step_is_found_with_its_answer(journal: Journal) -> None:
    """As long as it would be asked the same."""
    found = journal.finished("build", INPUTS)
    assert found is not None
    assert found["answer"] == {"bytes": 7}


def test_other_inputs_are_another_step(journal: Journal) -> None:
    """A newer library, for one."""
    assert journal.finished("build", {"versions": {"torch": "2"}}) is None


def test_a_step_whose_files_changed_is_not_done(journal: Journal) -> None:
    """Nor one whose files are gone."""
    (journal.step("build").output / "network.bin").write_bytes(b"other")
    assert journal.finished("build", INPUTS) is None
    journal.drop_outputs()
    assert journal.finished("build", INPUTS) is None


def test_a_step_that_was_begun_again_is_not_done(journal: Journal) -> None:
    """What a killed one left is not taken for a result."""
    journal.open("build", {"a": 1}, INPUTS)
    assert journal.finished("build", INPUTS) is None


def test_one_conversion_at_a_time_works_in_a_folder(journal: Journal) -> None:
    """The second is told, and does not wait."""
    with journal.held(), pytest.raises(ConfigurationError, match="under way"), journal.held():
        pass
    with journal.held():
        pass
