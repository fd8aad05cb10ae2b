"""What a configuration search will do, decided before anything is started."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from argosy.analysis import derive, knobs
from argosy.analysis.goal import Goal
from argosy.analysis.load.closed_loop import LoopOptions
from argosy.analysis.load.inputs import Inputs, from_file, made_up
from argosy.analysis.space import Configuration, Space
from argosy.analysis.study import Budget
from argosy.app.deployment import overriding
from argosy.app.sources import source_models
from argosy.core.errors import InvalidSetting
from argosy.runtime.model_config import from_message, read_message
from argosy.server.artifacts.fetch.progress import Listener, quiet
from argosy.server.artifacts.places import cache_directory, model_stores
from argosy.server.artifacts.resolve import resolve
from argosy.server.probe.host import Host, probe, recommended_engine_threads
from argosy.settings import Loaded, Settings
from argosy.store.entries import CONFIG_FILE, SPEC_FILE, ModelEntry

_LEAST_TRIALS = 12
_MOST_TRIALS = 32


@dataclass(frozen=True, slots=True)
class AnalysisOptions:
    """What is asked of a search.

    Attributes:
        model: as an argument of `argosy serve`.
        budget: None of both limits means a quarter of the space, 12 to 32 configurations.
        precisions: empty for those that suit the model.
        space: file that changes the space, or None.
        inputs: file of JSON lines, or None for made-up inputs.
        rows: in each made-up request.
        seed: of the search.
        arguments: of the command line that would ask for the same, for the report.
    """

    model: str
    output: Path
    goal: Goal = field(default_factory=Goal)
    budget: Budget = field(default_factory=Budget)
    concurrencies: tuple[int, ...] = (1, 4, 16, 64)
    precisions: tuple[str, ...] = ()
    space: Path | None = None
    inputs: Path | None = None
    rows: int = 1
    resume: bool = False
    seed: int = 0
    arguments: tuple[str, ...] = ()
    loop: LoopOptions = field(default_factory=LoopOptions)


@dataclass(frozen=True, slots=True)
class Analysis:
    """A search that is ready to begin.

    Attributes:
        budget: as used; see `AnalysisOptions.budget`.
        warnings: sentences for the operator.
    """

    options: AnalysisOptions
    entry: ModelEntry
    machine: derive.Machine
    space: Space
    current: Configuration
    inputs: Inputs
    budget: Budget
    load_timeout: float
    tritonserver: Path | None
    gpu: bool
    openvino: str
    warnings: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """What must stay the same for measurements to be comparable. The goal is not part of it."""
        options = self.options
        return {
            "model": self.entry.name,
            "config": _digest((self.entry.directory / CONFIG_FILE).read_bytes()),
            "files": _digest(_listing(self.entry).encode()),
            "space": self.space.to_mapping(),
            "concurrencies": list(options.concurrencies),
            "inputs": _digest(options.inputs.read_bytes()) if options.inputs is not None else "made up",
            "rows": options.rows,
            "measurement": asdict(options.loop),
            "machine": self.machine.description,
            "openvino": self.openvino,
        }


def prepare(loaded: Loaded, options: AnalysisOptions, listener: Listener = quiet) -> Analysis:
    """Decide everything that can be decided without starting anything; a model that is not here is fetched.

    Args:
        loaded: the settings.
        options: what is asked.
        listener: told how far fetching is.

    Raises:
        ConfigurationError: the model, a file or a value cannot be used.
    """
    settings = loaded.settings
    entry = _entry(loaded, options.model, listener)
    host = probe()
    machine = machine_of(host, settings.engine_threads)
    message = read_message(entry.directory / CONFIG_FILE)
    subject = derive.Subject(entry.spec, message, machine)
    space = derive.derive(subject, options.precisions)
    if options.space is not None:
        space = derive.with_file(space, options.space, subject)
    size = space.size
    if not space.dimensions or not size:
        raise InvalidSetting(f"There is nothing to search for {entry.name!r}; list values with --space FILE.")
    config = from_message(message)
    if not 1 <= options.rows <= max(1, config.max_batch_size):
        raise InvalidSetting(f"--rows must be from 1 to {max(1, config.max_batch_size)} for {entry.name!r}.")
    inputs = (
        from_file(options.inputs, entry.spec, config)
        if options.inputs is not None
        else made_up(entry.spec, config, options.rows)
    )
    budget = options.budget
    if budget.trials is None and budget.seconds is None:
        budget = Budget(trials=min(size, max(_LEAST_TRIALS, min(_MOST_TRIALS, size // 4))))
    return Analysis(
        options=options,
        entry=entry,
        machine=machine,
        space=space,
        current=derive.current(space, subject),
        inputs=inputs,
        budget=budget,
        load_timeout=settings.load_timeout,
        tritonserver=settings.tritonserver,
        gpu=bool(host.gpus),
        openvino=host.openvino,
        warnings=_overruled(settings, machine, entry, space),
    )


def _entry(loaded: Loaded, model: str, listener: Listener) -> ModelEntry:
    cache = cache_directory(loaded.settings.cache, loaded.environment)
    stores = model_stores(loaded.settings.model_store)
    return resolve([model], stores, cache, source_models(loaded, listener)).entries[0]


def _overruled(settings: Settings, machine: derive.Machine, entry: ModelEntry, space: Space) -> tuple[str, ...]:
    """What the server's settings say anyway, whatever is found."""
    overrides = overriding(settings, machine.engine_threads)(entry)
    fields = {
        knobs.MAX_BATCH_SIZE: overrides.max_batch_size,
        knobs.QUEUE_DELAY: overrides.max_queue_delay,
        knobs.INSTANCES: overrides.instances,
    }
    said = {*overrides.parameters, *(name for name, value in fields.items() if value is not None)}
    names = [name for name in space.to_mapping() if name in said]
    if not names:
        return ()
    return (f"The server's settings decide {', '.join(names)}, whatever is found here; `argosy config` says where.",)


def machine_of(host: Host, engine_threads: int = 0) -> derive.Machine:
    """What the search needs to know of the machine; `engine_threads` is the setting, 0 for the recommendation."""
    processor = host.cpu_model or host.architecture
    return derive.Machine(
        processors=host.cores,
        memory=host.memory,
        precisions=("f32", *(("bf16",) if "bf16" in host.features else ())),
        engine_threads=engine_threads or recommended_engine_threads(host),
        description=f"{processor}, {host.cores} processors, {host.memory / (1 << 30):.0f} GiB",
    )


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _listing(entry: ModelEntry) -> str:
    """The spec, and name, size and time of every file of the newest version."""
    files = sorted(path for path in entry.newest.rglob("*") if path.is_file())
    lines = [f"{path.relative_to(entry.newest)} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
    return "\n".join([(entry.directory / SPEC_FILE).read_text(encoding="utf-8"), *lines])
