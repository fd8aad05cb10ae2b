"""Wiring of the supervisor process, the one behind `argosy serve`."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from argosy.app import residency
from argosy.app.deployment import overriding, without_effect
from argosy.app.jobs import build_jobs
from argosy.app.machine import interpreters, this_machine
from argosy.app.profile_options import serve_options
from argosy.app.sources import source_models
from argosy.app.worker_configuration import WorkerConfiguration
from argosy.core.errors import ConfigurationError, InvalidSetting
from argosy.core.network import is_loopback
from argosy.runtime.contract import RuntimeProcess
from argosy.runtime.triton.fence import ServerOptions
from argosy.runtime.triton.generation import WatchOptions
from argosy.runtime.triton.locate import LocateOptions, locate
from argosy.runtime.triton.native_models import needs_completion
from argosy.runtime.triton.remote import RemoteOptions, RemoteTriton
from argosy.runtime.triton.supervisor import SupervisorOptions, TritonSupervisor
from argosy.server.access.keys import StaticKeys, parse_keys, read_keys
from argosy.server.artifacts.adapters.folder import AdapterFolder, AdapterOptions, Scan
from argosy.server.artifacts.fetch.progress import Listener, quiet
from argosy.server.artifacts.library import Library
from argosy.server.artifacts.places import cache_directory, model_stores, run_directory
from argosy.server.artifacts.resolve import resolve, survey
from argosy.server.control.adapters import AdapterWatcher
from argosy.server.control.link import StatusPublisher
from argosy.server.control.listener import bind, reserve
from argosy.server.control.models import ServedModels
from argosy.server.control.residency.leases import Leases
from argosy.server.control.service import Service
from argosy.server.control.workers import GatewayWorkers, WorkerOptions, worker_command
from argosy.server.probe.host import Host, recommended_engine_threads, recommended_workers
from argosy.server.profiles import serving, wish
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
        entries: the models of the start, adapters last.
        adapters: where adapters are found, and what was found before the start; None when no folder is set.
        problems: model entries that were left out, a sentence each.
        warnings: what the operator said and the engines of these models cannot do, a sentence each.
        choices: the profile of every entry, and why.
        keys: API key by name, empty when everybody may ask.
    """

    settings: Settings
    host: Host
    entries: tuple[ModelEntry, ...]
    adapters: tuple[AdapterFolder, Scan] | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    choices: serving.Choices
    keys: Mapping[str, str]
    run_directory: Path
    cache: Path

    @property
    def url(self) -> str:
        """Where the gateway can be reached from this machine."""
        return f"http://{_LOOPBACK_NAME.get(self.settings.host, self.settings.host)}:{self.settings.port}"

    @property
    def grpc_address(self) -> str:
        """Where KServe's gRPC can be reached from this machine; empty when it is off."""
        settings = self.settings
        return f"{_LOOPBACK_NAME.get(settings.host, settings.host)}:{settings.grpc_port}" if settings.grpc_port else ""

    @property
    def secured(self) -> bool:
        """Whether requests need a key."""
        return bool(self.keys)


def plan(loaded: Loaded, listener: Listener = quiet) -> Plan:
    """Decide everything that can be decided without starting anything; models that are not here are fetched.

    Args:
        loaded: the settings.
        listener: told how far fetching is.

    Raises:
        ConfigurationError: a model, key file, address or folder cannot be used; the message has the remedy.
    """
    settings = loaded.settings
    keys = _keys(settings)
    _refuse_open_address(settings, keys)
    _refuse_one_port(settings)
    cache = cache_directory(settings.cache, loaded.environment)
    host = this_machine(settings)
    substituted: list[str] = []
    sources = source_models(loaded, listener, host, substituted.append)
    selection = resolve(settings.models, model_stores(settings.model_store), cache, sources)
    adapters = _adapters(settings, selection.entries, cache)
    _refuse_shared_names(settings, selection.entries)
    found = adapters[1] if adapters is not None else Scan()
    choices = serving.choose(
        host,
        (*selection.entries, *found.entries),
        wish.parse(settings.model_profile),
        serve_options(settings),
        named=bool(settings.models),
    )
    entries, too_large = residency.choose(settings, choices.entries, host.memory)
    return Plan(
        settings=settings,
        host=host,
        entries=entries,
        adapters=adapters,
        problems=(
            *(problem.message for problem in selection.problems),
            *found.problems.values(),
            *choices.problems,
            *too_large,
        ),
        warnings=(*without_effect(loaded, entries), *substituted, *choices.warnings),
        choices=choices.of(entries),
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
    grpc_port = _reserve_grpc(settings, listener)
    # Not the run directory: that is entered only with its lock, and the link must exist before.
    scratch = Path(tempfile.mkdtemp(prefix="argosy-link-"))
    try:
        leases = Leases()
        publisher = StatusPublisher(scratch / "status.sock", runtime.suspect, leases)
        library = Library(chosen.entries, model_stores(settings.model_store))
        models = ServedModels(
            runtime,
            chosen.entries,
            library,
            publisher,
            drain_seconds=settings.drain_timeout,
            residency=residency.build(settings, runtime, publisher, leases, chosen.host.memory),
        )
        configuration = worker_configuration(chosen, scratch)
        options = WorkerOptions(
            command=worker_command("argosy.app.gateway"),
            count=configuration.workers,
            configuration=configuration.to_mapping(),
            grace=settings.drain_timeout + _WORKER_GRACE,
            environment=_worker_environment(scratch, configuration.workers),
        )
        workers = GatewayWorkers(options, listener, on_death=partial(forget_process, scratch / _COUNTS))
        watcher = _watcher(chosen, models, library, runtime)
        jobs = build_jobs(settings, chosen.cache, library, models)
        yield Service(runtime, models, publisher, workers, watcher, jobs)
    finally:
        listener.close()
        if grpc_port is not None:
            grpc_port.close()
        shutil.rmtree(scratch, ignore_errors=True)


def worker_configuration(chosen: Plan, scratch: Path) -> WorkerConfiguration:
    """What a gateway worker needs to know."""
    settings = chosen.settings
    return WorkerConfiguration(
        link=str(scratch / "status.sock"),
        workers=settings.workers or recommended_workers(chosen.host),
        keys=dict(chosen.keys),
        open_operator=is_loopback(settings.host),
        max_body_bytes=settings.max_body_bytes,
        max_concurrent=settings.max_concurrent,
        max_queue=settings.max_queue,
        max_queue_bytes=settings.max_queue_bytes,
        request_timeout=settings.request_timeout,
        drain_timeout=settings.drain_timeout,
        load_timeout=settings.load_timeout,
        grpc_host=settings.host,
        grpc_port=settings.grpc_port,
        log_level=settings.log_level,
        log_format=settings.log_format,
        log_requests=settings.log_requests,
        aliases=_aliases(chosen),
        max_model_len=settings.max_model_len,
        max_input_length=settings.max_input_length,
        max_batch_size=settings.max_batch_size,
        tritonserver=str(settings.tritonserver or ""),
        interpreters={engine: str(python) for engine, python in interpreters(settings).items()},
        gpu_memory_utilization=settings.gpu_memory_utilization,
        load_on_demand=settings.load_on_demand,
        load_queue_timeout=settings.load_queue_timeout,
    )


def _runtime(chosen: Plan) -> RuntimeProcess:
    """A Triton of our own, or the one the settings point to."""
    settings = chosen.settings
    if settings.triton_url:
        return RemoteTriton(chosen.entries, _remote_options(settings))
    installation = locate(LocateOptions(binary=settings.tritonserver))
    return TritonSupervisor(installation, residency.at_start(settings, chosen.entries), _supervisor_options(chosen))


def _remote_options(settings: Settings) -> RemoteOptions:
    return RemoteOptions(
        settings.triton_url, start_deadline=settings.start_timeout, load_deadline=settings.load_timeout
    )


def _supervisor_options(chosen: Plan) -> SupervisorOptions:
    settings = chosen.settings
    threads = settings.engine_threads or recommended_engine_threads(chosen.host)
    parameters = {"threads": str(threads), "cache_dir": str(chosen.cache / "compiled")}
    return SupervisorOptions(
        run_directory=chosen.run_directory,
        parameters=parameters,
        overriding=overriding(settings, threads, _tags(chosen)),
        server=ServerOptions(
            gpu=bool(chosen.host.gpus),
            complete_configs=needs_completion(chosen.entries),
            arguments=_triton_arguments(settings),
        ),
        watch=WatchOptions(load_deadline=settings.load_timeout),
        start_deadline=settings.start_timeout,
    )


def _refuse_shared_names(settings: Settings, models: Sequence[ModelEntry]) -> None:
    names = settings.served_model_name
    if not names:
        return
    if len(models) != 1:
        raise InvalidSetting(
            f"--served-model-name (NIM_SERVED_MODEL_NAME) names one model ({', '.join(names)}) and {len(models)} "
            "are served. Say which: argosy serve MODEL. Several are named as they are listed: argosy serve NAME=PATH."
        )


def _aliases(chosen: Plan) -> dict[str, str]:
    """The further names of the one model; its own name among them changes nothing."""
    own = [entry.name for entry in chosen.entries if entry.spec.parent is None]
    return {name: own[0] for name in chosen.settings.served_model_name if name not in own}


def _tags(chosen: Plan) -> dict[str, Mapping[str, str]]:
    return {choice.entry.name: choice.verdict.profile.tags for choice in chosen.choices.served}


def _triton_arguments(settings: Settings) -> tuple[str, ...]:
    return (f"--log-verbose={settings.triton_log_verbose}",) if settings.triton_log_verbose else ()


def _adapters(settings: Settings, models: Sequence[ModelEntry], cache: Path) -> tuple[AdapterFolder, Scan] | None:
    """The adapters' folder, looked at once."""
    if settings.peft_source is None:
        return None
    if settings.triton_url:
        raise InvalidSetting(
            "Adapters are served by a Triton of our own only: leave out --peft-source (NIM_PEFT_SOURCE) "
            "or --triton-url."
        )
    if not settings.peft_source.is_dir():
        raise InvalidSetting(
            f"The adapters' folder {settings.peft_source} (--peft-source, NIM_PEFT_SOURCE) does not exist; make it."
        )
    folder = adapter_folder(settings, models, cache)
    return folder, folder.scan()


def adapter_folder(settings: Settings, models: Sequence[ModelEntry], cache: Path) -> AdapterFolder:
    """The adapters' folder as the settings describe it; `models` are what is served beside them."""
    options = AdapterOptions(settings.peft_source or Path(), settings.max_loras, settings.max_lora_rank)
    stored = survey(model_stores(settings.model_store)).entries
    return AdapterFolder(options, models, cache, frozenset(entry.name for entry in (*models, *stored)))


def _watcher(chosen: Plan, models: ServedModels, library: Library, runtime: RuntimeProcess) -> AdapterWatcher | None:
    if chosen.adapters is None:
        return None
    folder, first = chosen.adapters
    interval = chosen.settings.peft_refresh_interval
    return AdapterWatcher(folder, models, library, runtime, first=first, interval=interval)


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


def _refuse_one_port(settings: Settings) -> None:
    if settings.grpc_port == settings.port:
        raise InvalidSetting(
            f"--port and --grpc-port are both {settings.port}. Give --grpc-port another one, or 0 for no gRPC."
        )


def _reserve_grpc(settings: Settings, listener: socket.socket) -> socket.socket | None:
    """Hold the port of gRPC for the workers; when it cannot be had the listener is closed."""
    if not settings.grpc_port:
        return None
    try:
        return reserve(settings.host, settings.grpc_port, "--grpc-port (0 for no gRPC)")
    except ConfigurationError:
        listener.close()
        raise


def _worker_environment(scratch: Path, workers: int) -> dict[str, str]:
    """Several workers count in files of one folder, so that each can answer for all."""
    # gRPC's library tells of every connection that ends, past our log and in a form of its own.
    environment = {"GRPC_VERBOSITY": "ERROR"}
    if workers == 1:
        return environment
    counts = scratch / _COUNTS
    counts.mkdir()
    return {**environment, "PROMETHEUS_MULTIPROC_DIR": str(counts)}
