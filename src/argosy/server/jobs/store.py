"""The records of jobs on disk, so that a server that starts again knows what it was told and how far it came.

    <cache>/jobs/<port>/lock               held by the server that owns them
    <cache>/jobs/<port>/<id>/job.json      the record; replaced whole
    <cache>/jobs/<port>/<id>/events.jsonl  what happened, one line each
    <cache>/jobs/<port>/<id>/output.json   what the command printed
    <cache>/jobs/<port>/<id>/log.txt       what else it said
    <cache>/jobs/<port>/<id>/report.html   the page about it
    <cache>/jobs/<port>/<id>/analysis/     journal of a configuration search

A job is known by its record: a folder without one is left of a job that was never acknowledged, and is removed.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
from pathlib import Path

import orjson

from argosy.core import disk
from argosy.core.errors import Unavailable
from argosy.server.jobs.job import Job

log = logging.getLogger(__name__)

ID = re.compile(r"[0-9a-f]{19}")
_RECORD = "job.json"
_LARGEST_RECORD = 16 << 20
_REMEDY = "Make room, or give the server another folder: --cache FOLDER."


class JobStore:
    """The folder of one server's jobs. Nothing is written before `open`.

    Args:
        directory: made by `open`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = -1

    @property
    def exists(self) -> bool:
        """Whether some server has had jobs here."""
        return self._directory.is_dir()

    @property
    def is_open(self) -> bool:
        """Whether this process owns the jobs."""
        return self._lock >= 0

    def open(self) -> None:
        """Own the jobs until `close`, or until this process dies.

        Raises:
            Unavailable: the folder cannot be written, or another server owns it.
        """
        if self.is_open:
            return
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _lock(self._directory / "lock")
        except BlockingIOError:
            raise Unavailable(
                f"Another server owns the jobs in {self._directory}. Send jobs to that one, or give this one another "
                "folder: --cache FOLDER."
            ) from None
        except OSError as error:
            raise Unavailable(
                f"The folder of the jobs, {self._directory}, cannot be written: {error.strerror}. {_REMEDY}"
            ) from error

    def close(self) -> None:
        """Own them no longer; idempotent."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def folder(self, identifier: str) -> Path:
        """The folder of one job; `identifier` is one of ours."""
        if ID.fullmatch(identifier) is None:
            raise ValueError(f"{identifier!r} is not the id of a job")
        return self._directory / identifier

    def save(self, job: Job) -> None:
        """Put the record on the disk, all of it or nothing.

        Raises:
            StorageFull, ConfigurationError: it cannot be written; the former record stands.
        """
        folder = self.folder(job.id)
        with disk.writing(folder, _REMEDY):
            folder.mkdir(exist_ok=True, mode=0o700)
            staged = folder / f"{_RECORD}.new"
            with staged.open("wb") as file:
                file.write(orjson.dumps(job.to_mapping(), option=orjson.OPT_INDENT_2))
                file.flush()
                os.fsync(file.fileno())
            staged.replace(folder / _RECORD)
            _flush(folder)
            _flush(self._directory)

    def load(self) -> list[Job]:
        """Every job, oldest first; a record that cannot be read is told in the log and left alone.

        Raises:
            Unavailable: the folder cannot be read.
        """
        try:
            folders = sorted(folder for folder in self._directory.iterdir() if ID.fullmatch(folder.name))
        except OSError as error:
            raise Unavailable(
                f"The folder of the jobs, {self._directory}, cannot be read: {error.strerror}. {_REMEDY}"
            ) from error
        jobs = []
        for folder in folders:
            if not os.path.lexists(folder / _RECORD):
                self.remove(folder.name)
            elif (job := _read(folder / _RECORD)) is not None:
                jobs.append(job)
        return jobs

    def remove(self, identifier: str) -> None:
        """Forget a job and everything about it; the record goes first."""
        folder = self.folder(identifier)
        try:
            (folder / _RECORD).unlink(missing_ok=True)
        except OSError as error:
            log.warning("The job %s cannot be removed: %s", identifier, error.strerror)
            return
        shutil.rmtree(folder, ignore_errors=True)


def _lock(path: Path) -> int:
    """Hold the file until the descriptor that is returned is closed.

    Raises:
        BlockingIOError: another process holds it.
        OSError: it cannot be opened, or its file system has no locks.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _read(path: Path) -> Job | None:
    try:
        with path.open("rb") as file:
            job = Job.from_mapping(orjson.loads(file.read(_LARGEST_RECORD)))
    except (OSError, ValueError) as error:
        log.warning("The record of a job %s cannot be read and is left alone: %s", path, error)
        return None
    if job.id != path.parent.name or not isinstance(job.request.get("model"), str):
        log.warning("The record of a job %s is not that of this folder's job and is left alone.", path)
        return None
    return job


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
