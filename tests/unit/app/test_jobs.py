"""What jobs are told of their server, and what the server learns of them."""

from __future__ import annotations

from pathlib import Path

from argosy.app.jobs import _environment, build_jobs
from argosy.server.artifacts.library import Library
from argosy.server.jobs.job import Job, JobKind, JobState
from argosy.server.jobs.store import JobStore
from argosy.settings import load
from tests.suites.echo_models import echo_tensors


class Nobody:
    """A `ModelRepository` that is not asked."""

    async def load(self, name: str) -> None:
        raise AssertionError(name)


def test_a_job_is_told_what_its_server_was_told(tmp_path: Path) -> None:
    """By flags, by arguments passed through, or by variables; no key goes with it."""
    said = {
        "ARGOSY_API_KEYS": "a-secret-key-0123456789",
        "NIM_PASSTHROUGH_ARGS": "--engine-threads 3",
        "HF_TOKEN": "hf_token",
        "TRITONSERVER_BIN": "/opt/tritonserver",
    }
    flags = {"model_store": (tmp_path / "a", tmp_path / "b"), "offline": True, "load_timeout": 7.5}
    server = load(flags, said, tmp_path).settings
    told = {**said, **_environment(server, tmp_path / "cache")}
    job = load({}, told, tmp_path).settings
    for name in ("model_store", "offline", "load_timeout", "engine_threads", "tritonserver", "hub_endpoint"):
        assert getattr(job, name) == getattr(server, name), name
    assert job.hub_token is not None
    assert job.hub_token.reveal() == "hf_token"
    assert job.cache == tmp_path / "cache"
    assert job.api_keys == ()
    assert "a-secret-key-0123456789" not in str(_environment(server, tmp_path))


async def test_what_an_earlier_job_made_is_known_by_name(tmp_path: Path) -> None:
    """Also where no model store is configured, so that it went to the cache."""
    settings = load({"port": 8123}, {}, tmp_path).settings
    entry = echo_tensors(tmp_path / "cache" / "converted", "made")
    store = JobStore(tmp_path / "cache" / "jobs" / "8123")
    store.open()
    request = {"kind": "convert", "model": "org/made"}
    result = {"directory": str(entry.directory)}
    store.save(Job("0" * 19, JobKind.CONVERT, request, "made", "", state=JobState.SUCCEEDED, result=result))
    store.close()
    library = Library((), ())
    office = build_jobs(settings, tmp_path / "cache", library, Nobody())
    await office.start()
    assert library.find("made") == entry
    await office.stop()
