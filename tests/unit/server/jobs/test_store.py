"""Records on disk: whole or not at all, and one owner."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from argosy.core.errors import StorageFull, Unavailable
from argosy.server.jobs.job import Job, JobKind
from argosy.server.jobs.store import JobStore

JOB = Job("00000000001aaaaaaaa", JobKind.ANALYZE, {"kind": "analyze", "model": "m"}, "m", "now")


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    opened = JobStore(tmp_path / "jobs" / "8000")
    opened.open()
    return opened


def test_nothing_is_written_before_somebody_needs_it(tmp_path: Path) -> None:
    """A server that is never given a job leaves no folder."""
    assert not JobStore(tmp_path / "jobs" / "8000").exists
    assert list(tmp_path.iterdir()) == []


def test_jobs_come_back_oldest_first(store: JobStore) -> None:
    """As they were saved last."""
    later = replace(JOB, id="00000000002aaaaaaaa")
    store.save(later)
    store.save(JOB)
    store.save(replace(JOB, interruptions=1))
    assert store.load() == [replace(JOB, interruptions=1), later]


def test_a_second_owner_is_refused_until_the_first_is_gone(store: JobStore, tmp_path: Path) -> None:
    """With what to do instead."""
    second = JobStore(tmp_path / "jobs" / "8000")
    with pytest.raises(Unavailable, match="--cache"):
        second.open()
    store.close()
    second.open()
    assert second.is_open


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    """As an answer to whoever asks for a job."""
    (tmp_path / "jobs").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        JobStore(tmp_path / "jobs" / "8000").open()


def test_a_job_that_was_never_acknowledged_leaves_nothing(store: JobStore, tmp_path: Path) -> None:
    """A folder without a record is removed; anything else in the folder is left alone."""
    (tmp_path / "jobs" / "8000" / "00000000003aaaaaaaa").mkdir()
    (tmp_path / "jobs" / "8000" / "mine").mkdir()
    assert store.load() == []
    assert sorted(path.name for path in (tmp_path / "jobs" / "8000").iterdir()) == ["lock", "mine"]


def test_a_record_that_cannot_be_read_is_left_alone(
    store: JobStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are there."""
    store.save(JOB)
    broken = replace(JOB, id="00000000004aaaaaaaa")
    store.save(broken)
    (store.folder(broken.id) / "job.json").write_text("{")
    assert store.load() == [JOB]
    assert "left alone" in caplog.text
    assert (store.folder(broken.id) / "job.json").exists()


@pytest.mark.parametrize("damage", [{"id": "../../8001"}, {"id": "0" * 19}, {"request": {}}, {"steps": [{"name": 1}]}])
def test_a_record_that_is_not_its_folders_is_left_alone(
    store: JobStore, caplog: pytest.LogCaptureFixture, damage: dict[str, object]
) -> None:
    """No id from a file leads anywhere, and nothing of a wrong form is shown."""
    store.save(JOB)
    (store.folder(JOB.id) / "job.json").write_text(json.dumps({**JOB.to_mapping(), **damage}))
    assert store.load() == []
    assert "left alone" in caplog.text


def test_a_file_system_without_locks_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an answer to whoever asks for a job; nothing stays open."""

    def refuse(_handle: int, _how: int) -> None:
        raise OSError(37, "No locks available")

    before = psutil.Process().num_fds()
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(Unavailable, match="No locks available"):
        JobStore(tmp_path / "jobs").open()
    assert psutil.Process().num_fds() == before


def test_a_folder_that_is_gone_says_so(store: JobStore, tmp_path: Path) -> None:
    """The server goes on without jobs."""
    shutil.rmtree(tmp_path / "jobs")
    with pytest.raises(Unavailable, match="cannot be read"):
        store.load()


def test_a_full_disk_leaves_the_former_record(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as what it is."""
    store.save(JOB)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFull, match="--cache"):
        store.save(replace(JOB, interruptions=1))
    assert store.load() == [JOB]


@pytest.mark.parametrize("identifier", ["../8001", "", "x", "0" * 18, "0" * 20, "/etc"])
def test_an_id_never_leads_out_of_the_folder(store: JobStore, identifier: str) -> None:
    """What is none of ours has no folder."""
    with pytest.raises(ValueError, match="is not the id of a job"):
        store.folder(identifier)
