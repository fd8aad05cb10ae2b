"""Wiring of jobs: what they may read, what they run, and what they act on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from argosy.app.places import conversion_work, converted_store
from argosy.server.artifacts.library import Library
from argosy.server.artifacts.places import model_stores
from argosy.server.control.repository import ModelRepository
from argosy.server.control.workers import worker_command
from argosy.server.jobs.desk import JobDesk
from argosy.server.jobs.intake import Intake, Places
from argosy.server.jobs.job import Job, JobKind
from argosy.server.jobs.linked import JobOffice
from argosy.server.jobs.outcome import REPORT
from argosy.server.jobs.process import ChildOptions
from argosy.server.jobs.runner import Surroundings
from argosy.server.jobs.store import JobStore
from argosy.settings import Settings
from argosy.store.entries import read_entry

_NOT_FOR_JOBS = ("ARGOSY_API_KEYS", "NIM_PASSTHROUGH_ARGS")
"""Secrets that no job needs, and what would win over what is said here."""
_TOLD = (
    "offline",
    "hub_endpoint",
    "max_parallel_downloads",
    "engine_threads",
    "load_timeout",
)
"""Settings that jobs share with the server, whose values are written as they are read."""


def build_jobs(settings: Settings, cache: Path, library: Library, repository: ModelRepository) -> JobOffice:
    """The jobs of one server, kept in the cache by the port that it listens on.

    Args:
        settings: of the server.
        cache: the model cache.
        library: the models that are known.
        repository: loads them.
    """
    stores = model_stores(settings.model_store)
    places = Places(stores, converted_store(settings.model_store, cache), cache, settings.job_folders)
    child = ChildOptions(worker_command("argosy"), _environment(settings, cache))

    def page(job: Job, folder: Path) -> Path:
        if job.kind is JobKind.ANALYZE:
            return folder / "analysis" / REPORT
        return conversion_work(cache, job.name) / REPORT

    def take(directory: Path) -> None:
        entry = read_entry(directory)
        # What lies in a store is found there, whoever made it.
        if directory.parent not in {store.absolute() for store in stores}:
            library.put(entry)

    desk = JobDesk(
        JobStore(cache / "jobs" / str(settings.port)),
        Intake(places, library),
        child,
        Surroundings(page, repository.load, take),
    )
    return JobOffice(desk)


def _environment(settings: Settings, cache: Path) -> Mapping[str, str]:
    """What the commands are told: what the server was, whatever it was told by. An empty variable counts as absent."""
    told = {f"ARGOSY_{name.upper()}": _text(getattr(settings, name)) for name in _TOLD}
    return {
        **dict.fromkeys(_NOT_FOR_JOBS, ""),
        **told,
        "ARGOSY_CACHE": str(cache.absolute()),
        "ARGOSY_MODEL_STORE": os.pathsep.join(str(store.absolute()) for store in settings.model_store),
        "ARGOSY_HUB_TOKEN": settings.hub_token.reveal() if settings.hub_token is not None else "",
        "ARGOSY_CONVERSION_PYTHON": _text(settings.conversion_python),
        "ARGOSY_TRITONSERVER": _text(settings.tritonserver),
    }


def _text(value: object) -> str:
    if isinstance(value, Path):
        return str(value.absolute())
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
