"""Wiring of the supervisor process, the one behind `argosy serve`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from argosy.app.worker_configuration import WorkerConfiguration
from argosy.core.errors import InvalidSetting
from argosy.runtime.contract import RuntimeProcess
from argosy.runtime.triton.fence import ServerOptions
from argosy.runtime.triton.generation import WatchOptions
from argosy.runtime.triton.locate import LocateOptions, locate
from argosy.runtime.triton.remote import RemoteOptions, RemoteTriton
from argosy.runtime.triton.supervisor import SupervisorOptions, TritonSupervisor
from argosy.server.access.keys import StaticKeys, parse_keys, read_keys
from argosy.server.artifacts.places import cache_directory, model_stores, run_directory
from argosy.server.artifacts.resolve import resolve
from argosy.server.control.link import StatusPublisher
from argosy.server.control.listener import bind, is_loopback
from argosy.server.control.service import Service
from argosy.server.control.workers import GatewayWorkers, WorkerOptions, worker_command
from argosy.server.probe.host import Host, probe, recommended_engine_threads, recommended_workers
from argosy.settings import Loaded, Settings
from argosy.store.entries import ModelEntry
from argosy.telemetry.metrics import forget_process

# A worker ends its streams within two seconds after its drain; what needs longer is stuck.
_WORKER_GRACE = 5.0
_COUNTS = "metrics"
_LOOPBACK_NAME = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  how to reach an address from this machine


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be served and how, decided before anything is started.

    Attributes:
        keys: API key by name, empty when everybody may ask.
        problems: model entries that were left out, a sentence each.
    """

    settings: Settings
    host: Host
    entries: tuple[ModelEntry, ...]
    problems: tuple[str, ...]
    keys: Mapping[str, str]
    run_directory: Path
    cache: Path

    @property
    def url(self) -> str:
        """Where the gateway can be reached from this machine."""
        return f"http://{_LOOPBACK_NAME.get(self.settings.host, self.settings.host)}:{self.settings.port}"

    @property
    def secured(self) -> bool:
        """Whether requests need a key."""
        return bool(self.keys)


def plan(loaded: Loaded) -> Plan:
    """Decide everything that can be decided without starting anything.

    Raises:
        ConfigurationError: a model, key file, address or folder cannot be used; the message has the remedy.
    """
    settings = loaded.settings
    keys = _keys(settings)
    _refuse_open_address(settings, keys)
    cache = cache_directory(settings.cache, loaded.environment)
    selection = resolve(settings.models, model_stores(settings.model_store), cache)
    return Plan(
        settings=settings,
        host=probe(),
        entries=selection.entries,
        problems=tuple(problem.message for problem in selection.problems),
        keys=keys,
        run_directory=run_directory(settings.run_directory, settings.port, loaded.environment),
        cache=cache,
    )


@contextmanager
def build_service(chosen: Plan) -> Iterator[Service]:
    """The wired service; its port is bound on entry, and everything temporary is removed on exit.

    Raises:
        AddressInUse: another process listens on the port.
        MissingRequirement: there is no usable Triton.
    """
    settings = chosen.settings
    runtime = _runtime(chosen)
    listener = bind(settings.host, settings.port)
    # Not the run directory: that is entered only with its lock, and the link must exist before.
    scratch = Path(tempfile.mkdtemp(prefix="argosy-link-"))
    try:
        publisher = StatusPublisher(scratch / "status.sock", runtime.suspect)
        configuration = worker_configuration(chosen, scratch)
        options = WorkerOptions(
            command=worker_command("argosy.app.gateway"),
            count=configuration.workers,
            configuration=configuration.to_mapping(),
            grace=settings.drain_timeout + _WORKER_GRACE,
            environment=_worker_environment(scratch, configuration.workers),
        )
        workers = GatewayWorkers(options, listener, on_death=partial(forget_process, scratch / _COUNTS))
        yield Service(runtime, publisher, workers)
    finally:
        listener.close()
        shutil.rmtree(scratch, ignore_errors=True)


def worker_configuration(chosen: Plan, scratch: Path) -> WorkerConfiguration:
    """What a gateway worker needs to know."""
    settings = chosen.settings
    return WorkerConfiguration(
        entries=tuple(str(entry.directory) for entry in chosen.entries),
        link=str(scratch / "status.sock"),
        workers=settings.workers or recommended_workers(chosen.host),
        keys=dict(chosen.keys),
        max_body_bytes=settings.max_body_bytes,
        max_concurrent=settings.max_concurrent,
        max_queue=settings.max_queue,
        max_queue_bytes=settings.max_queue_bytes,
        request_timeout=settings.request_timeout,
        drain_timeout=settings.drain_timeout,
        log_level=settings.log_level,
        log_format=settings.log_format,
        log_requests=settings.log_requests,
    )


def _runtime(chosen: Plan) -> RuntimeProcess:
    """A Triton of our own, or the one the settings point to."""
    settings = chosen.settings
    if settings.triton_url:
        return RemoteTriton(chosen.entries, RemoteOptions(settings.triton_url, start_deadline=settings.start_timeout))
    installation = locate(LocateOptions(binary=settings.tritonserver))
    return TritonSupervisor(installation, chosen.entries, _supervisor_options(chosen))


def _supervisor_options(chosen: Plan) -> SupervisorOptions:
    settings = chosen.settings
    threads = settings.engine_threads or recommended_engine_threads(chosen.host)
    parameters = {"threads": str(threads), "cache_dir": str(chosen.cache / "compiled")}
    return SupervisorOptions(
        run_directory=chosen.run_directory,
        parameters=parameters,
        server=ServerOptions(gpu=bool(chosen.host.gpus)),
        watch=WatchOptions(load_deadline=settings.load_timeout),
        start_deadline=settings.start_timeout,
    )


def _keys(settings: Settings) -> dict[str, str]:
    keys = parse_keys(key.reveal() for key in settings.api_keys)
    if settings.api_keys_file is not None:
        keys |= read_keys(settings.api_keys_file)
    if keys:
        # Refuses keys that are too short here, where the operator sees it, rather than in a worker.
        StaticKeys(keys)
    return keys


def _refuse_open_address(settings: Settings, keys: Mapping[str, str]) -> None:
    if keys or settings.insecure or is_loopback(settings.host):
        return
    raise InvalidSetting(
        f"{settings.host} can be reached from other machines, and no API key is set. Give --api-keys-file FILE "
        "(or ARGOSY_API_KEYS), listen on 127.0.0.1, or say --insecure if anyone may use it."
    )


def _worker_environment(scratch: Path, workers: int) -> dict[str, str]:
    """Several workers count in files of one folder, so that each can answer for all."""
    if workers == 1:
        return {}
    counts = scratch / _COUNTS
    counts.mkdir()
    return {"PROMETHEUS_MULTIPROC_DIR": str(counts)}
