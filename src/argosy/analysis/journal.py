"""The search's memory on disk: one JSON line for each measurement, on the disk before the next one begins.

A process that is killed loses the measurement that was under way and nothing else. A line that was not finished is cut
off when the journal is opened again.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from argosy.analysis.space import Configuration
from argosy.analysis.trial import Level, Trial
from argosy.core import disk
from argosy.core.errors import AlreadyRunning, InvalidSetting

JOURNAL_FILE = "journal.jsonl"
_SCHEMA = 1


@dataclass(slots=True)
class Journal:
    """The trials of one search. Made by `open_journal`; close it to let others continue the search.

    Attributes:
        trials: those that are finished, in order.
        begun: the one that was under way when the last process ended, with the levels it had; or None.
    """

    path: Path
    handle: int
    trials: list[Trial] = field(default_factory=list)
    begun: Trial | None = None

    def begin(self, configuration: Configuration, *, current: bool) -> Trial:
        """Note that a trial begins; the one that was under way goes on when it is the same."""
        if self.begun is None:
            self.begun = Trial(len(self.trials) + 1, configuration, current, ())
            self.write({"kind": "begin", "trial": self.begun.to_mapping()})
        return self.begun

    def add(self, level: Level) -> None:
        """Note one level of the trial that was begun."""
        trial = self._under_way()
        self.begun = replace(trial, levels=(*trial.levels, level))
        self.write({"kind": "level", "level": level.to_mapping()})

    def end(self, seconds: float, failure: str = "") -> Trial:
        """Note that the trial is over; returns it."""
        trial = replace(self._under_way(), seconds=seconds, failure=failure)
        self.write({"kind": "end", "seconds": seconds, "failure": failure})
        self.trials.append(trial)
        self.begun = None
        return trial

    def close(self) -> None:
        """Let go of the file; idempotent."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1

    def _under_way(self) -> Trial:
        if self.begun is None:
            raise ValueError("no trial was begun")
        return self.begun

    def write(self, record: Mapping[str, Any]) -> None:
        """Put one record on the disk.

        Raises:
            StorageFull, ConfigurationError: it cannot be written; what was measured before is kept.
        """
        with disk.writing(self.path.parent, "What was measured is kept: make room and go on with --resume."):
            _write(self.handle, orjson.dumps(record) + b"\n")
            os.fdatasync(self.handle)


def open_journal(folder: Path, identity: Mapping[str, Any], *, resume: bool) -> Journal:
    """The journal of `folder`, new or continued, held by this process alone.

    Args:
        folder: made when missing.
        identity: what must be the same for measurements to be comparable; plain JSON data.
        resume: go on with the search that is there; without one there a new one begins.

    Raises:
        InvalidSetting: the folder cannot be written, holds a search and `resume` was not asked for, or holds the search
            of something else.
        AlreadyRunning: another process searches there.
    """
    path = folder / JOURNAL_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise InvalidSetting(
            f"The folder {folder} cannot be written ({error.strerror}); name another: --output."
        ) from error
    try:
        _lock(handle, folder)
        journal = Journal(path, handle)
        records = _read(handle)
        if records:
            _check(folder, records[0], identity, resume=resume)
            _replay(journal, records[1:])
        else:
            journal.write({"kind": "search", "schema": _SCHEMA, "identity": dict(identity)})
    except BaseException:
        os.close(handle)
        raise
    return journal


def read_trials(path: Path) -> list[Trial]:
    """The finished trials in a journal that nobody writes."""
    journal = Journal(path, -1)
    _replay(journal, _records(path.read_bytes())[0][1:])
    return journal.trials


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyRunning(f"Another search writes to {folder}. Wait for it, or name another folder.") from None


def _read(handle: int) -> list[dict[str, Any]]:
    """Every whole record; what follows them is cut off, so that the next record begins on a line of its own."""
    data = os.pread(handle, os.fstat(handle).st_size, 0)
    records, whole = _records(data)
    os.ftruncate(handle, whole)
    os.lseek(handle, whole, os.SEEK_SET)
    return records


def _records(data: bytes) -> tuple[list[dict[str, Any]], int]:
    records: list[dict[str, Any]] = []
    whole = 0
    while (end := data.find(b"\n", whole)) >= 0:
        try:
            records.append(orjson.loads(data[whole:end]))
        except orjson.JSONDecodeError:
            break
        whole = end + 1
    return records, whole


def _check(folder: Path, first: Mapping[str, Any], identity: Mapping[str, Any], *, resume: bool) -> None:
    if first.get("kind") != "search" or first.get("schema") != _SCHEMA:
        raise InvalidSetting(f"{folder / JOURNAL_FILE} is not a search of this version; name another folder: --output.")
    if not resume:
        raise InvalidSetting(
            f"{folder} holds a search already. Continue it with --resume, or name another folder: --output."
        )
    before = first["identity"]
    # Through JSON, as the one on disk went.
    now = orjson.loads(orjson.dumps(dict(identity)))
    changed = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    if changed:
        raise InvalidSetting(
            f"The search in {folder} cannot go on: {', '.join(changed)} changed since it began. "
            "Begin anew in another folder: --output."
        )


def _replay(journal: Journal, records: list[dict[str, Any]]) -> None:
    for record in records:
        match record["kind"]:
            case "begin":
                journal.begun = Trial.from_mapping(record["trial"])
            case "level" if journal.begun is not None:
                level = Level.from_mapping(record["level"])
                journal.begun = replace(journal.begun, levels=(*journal.begun.levels, level))
            case "end" if journal.begun is not None:
                journal.trials.append(
                    replace(journal.begun, seconds=float(record["seconds"]), failure=str(record["failure"]))
                )
                journal.begun = None
            case _:
                raise InvalidSetting(f"{journal.path} is damaged; begin anew in another folder: --output.")


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
