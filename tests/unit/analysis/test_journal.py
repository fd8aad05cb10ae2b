"""The journal on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argosy.analysis.journal import JOURNAL_FILE, open_journal, read_trials
from argosy.analysis.space import Configuration
from argosy.core.errors import AlreadyRunning, InvalidSetting
from tests.suites.landscapes import level
from tests.suites.memory_disk import memory_folder

IDENTITY = {"model": "m", "space": {"instances": [1, 2]}, "concurrencies": [1, 16]}
ONE = Configuration.of({"instances": 1})
TWO = Configuration.of({"instances": 2})


def write_search(folder: Path) -> list[bytes]:
    """Two trials and one level of a third; returns the journal after each record."""
    journal = open_journal(folder, IDENTITY, resume=False)
    path = folder / JOURNAL_FILE
    stages = [path.read_bytes()]
    for configuration, failure in ((ONE, ""), (TWO, "does not load")):
        journal.begin(configuration, current=configuration == ONE)
        stages.append(path.read_bytes())
        if not failure:
            for concurrency in (1, 16):
                journal.add(level(concurrency))
                stages.append(path.read_bytes())
        journal.end(2.5, failure)
        stages.append(path.read_bytes())
    journal.begin(TWO, current=False)
    journal.add(level(1))
    stages.append(path.read_bytes())
    journal.close()
    return stages


def test_a_search_comes_back_as_it_was(tmp_path: Path) -> None:
    """Trials, failures, and the levels of the trial that was under way."""
    write_search(tmp_path)
    journal = open_journal(tmp_path, IDENTITY, resume=True)
    assert [(trial.configuration, trial.failure) for trial in journal.trials] == [(ONE, ""), (TWO, "does not load")]
    assert journal.trials[0].levels == (level(1), level(16))
    assert journal.trials[0].current
    assert journal.begun is not None
    assert journal.begun.levels == (level(1),)
    journal.close()
    assert len(read_trials(tmp_path / JOURNAL_FILE)) == 2


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_kill_at_any_byte_loses_no_finished_record(data: st.DataObject) -> None:
    """Cut anywhere, the journal opens with every record that was whole, and goes on from there."""
    with memory_folder() as folder:
        check_cut(folder, data)


def check_cut(folder: Path, data: st.DataObject) -> None:
    stages = write_search(folder)
    path = folder / JOURNAL_FILE
    whole = path.read_bytes()
    cut = data.draw(st.integers(len(stages[0]), len(whole)))
    path.write_bytes(whole[:cut])
    kept = max((stage for stage in stages if len(stage) <= cut), key=len)
    journal = open_journal(folder, IDENTITY, resume=True)
    assert path.read_bytes().startswith(kept)
    journal.begin(ONE, current=False)
    journal.add(level(1, 77.0))
    journal.end(1.0)
    journal.close()
    again = read_trials(path)
    assert again[-1].levels[-1].throughput == 77.0


def test_a_folder_with_a_search_is_not_overwritten(tmp_path: Path) -> None:
    """Hours of measuring are lost by no slip; the message has both ways out."""
    write_search(tmp_path)
    with pytest.raises(InvalidSetting, match=r"--resume.*--output"):
        open_journal(tmp_path, IDENTITY, resume=False)


def test_another_search_is_not_continued(tmp_path: Path) -> None:
    """Measurements of another space or model are not comparable; the message says what changed."""
    write_search(tmp_path)
    with pytest.raises(InvalidSetting, match="concurrencies, space changed"):
        open_journal(tmp_path, {**IDENTITY, "space": {}, "concurrencies": [4]}, resume=True)


def test_two_processes_do_not_share_a_journal(tmp_path: Path) -> None:
    """The second one is told."""
    journal = open_journal(tmp_path, IDENTITY, resume=False)
    with pytest.raises(AlreadyRunning, match="Another search"):
        open_journal(tmp_path, IDENTITY, resume=True)
    journal.close()


def test_resume_without_a_search_begins_one(tmp_path: Path) -> None:
    """A script may always say --resume."""
    journal = open_journal(tmp_path / "new", IDENTITY, resume=True)
    assert journal.trials == []
    journal.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """With the flag that names another."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSetting, match="--output"):
        open_journal(tmp_path / "file" / "inside", IDENTITY, resume=False)
