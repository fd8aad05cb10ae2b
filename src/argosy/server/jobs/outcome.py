"""From what a command left behind to what its job says of it."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from argosy.server.jobs.job import JobKind, JobProblem
from argosy.server.jobs.process import OUTPUT, Ending

REPORT = "report.html"
_LARGEST_OUTPUT = 32 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job.

    Attributes:
        result: its figures, or None.
        problem: why it failed, or None.
    """

    result: Mapping[str, Any] | None
    problem: JobProblem | None


def outcome(kind: JobKind, name: str, folder: Path, ending: Ending, told: JobProblem | None) -> Outcome:
    """What a command that has ended came to.

    Args:
        kind: what it did.
        name: of the model.
        folder: of the job; the command's output is there.
        ending: how it ended.
        told: the error that it named, or None.
    """
    if ending.late:
        return Outcome(None, JobProblem("deadline_exceeded", "The job took longer than a job may, and was ended."))
    report = _output(folder) if told is None else None
    if report is None:
        return Outcome(None, told or JobProblem("job_failed", ending.sentence))
    if kind is JobKind.CONVERT:
        result = _converted(name, report)
        return Outcome(result, None if ending.code == 0 else JobProblem("job_failed", ending.sentence))
    return Outcome(_analyzed(report), _shortfall(report, ending))


class Pages:
    """The page that a command writes about its work, told apart from one of an earlier run.

    Args:
        page: where the command writes it.
        folder: of the job, which keeps a copy.
    """

    def __init__(self, page: Path, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self._before = _mark(page)

    def keep(self) -> bool:
        """Copy the page if it is new; whether there is one."""
        if _mark(self._page) in {None, self._before}:
            return (self._folder / REPORT).exists()
        staged = self._folder / f"{REPORT}.new"
        with contextlib.suppress(OSError):
            shutil.copyfile(self._page, staged)
            staged.replace(self._folder / REPORT)
        return (self._folder / REPORT).exists()


def _mark(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - two fields of one look
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _output(folder: Path) -> dict[str, Any] | None:
    try:
        with (folder / OUTPUT).open("rb") as file:
            found = orjson.loads(file.read(_LARGEST_OUTPUT))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _converted(name: str, report: Mapping[str, Any]) -> dict[str, Any]:
    chosen = next((row for row in report["profiles"] if row["profile"] == report["chosen"]), None)
    return {
        "entry": name,
        "profile": report["chosen"],
        "proof": None
        if chosen is None
        else {
            "passed": True,
            "reference": report["reference"],
            "samples": report["samples"],
            "figures": chosen["figures"],
            "thresholds": report["thresholds"],
        },
        "profiles": report["profiles"],
        "remarks": report["remarks"],
        "loaded": False,
        "load_problem": "",
    }


def _analyzed(report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": report["model"],
        "verdict": report["verdict"],
        "unit": report["unit"],
        "measured": report["measured"],
        "best": report["best"],
        "current": report["current"],
        "gain": report["gain"],
        "worth_applying": report["worth_applying"],
        "config": report["config"],
        "applied": report["applied"],
        "loaded": False,
        "load_problem": "",
    }


def _shortfall(report: Mapping[str, Any], ending: Ending) -> JobProblem | None:
    """Why a search that has its report did not reach what it was for."""
    if ending.code == 0:
        return None
    if report["best"] is None:
        return JobProblem("nothing_found", report["verdict"])
    if report["applied"] is not None:
        return JobProblem("rolled_back", str(report["applied"].get("message") or report["verdict"]))
    return JobProblem("job_failed", ending.sentence)
