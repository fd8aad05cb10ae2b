"""The search at work: a Triton of its own, the journal, the report, and what is applied in the end."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from argosy.analysis.apply import Applied, Change, Gauge, apply
from argosy.analysis.goal import outcome
from argosy.analysis.journal import Journal, open_journal
from argosy.analysis.report.document import Report
from argosy.analysis.report.page import render
from argosy.analysis.rig import BenchGauge, Scratch, TrialFailed, TritonBench, config_with
from argosy.analysis.running_server import RunningServer, ServerGauge
from argosy.analysis.search.proposer import Proposer
from argosy.analysis.study import OnProgress, Study
from argosy.analysis.trial import Trial
from argosy.app.analysis.plan import Analysis
from argosy.app.analysis.scratch import scratch_folder
from argosy.core import disk
from argosy.core.errors import InvalidSetting, RuntimeFailure
from argosy.runtime.triton.client import TritonClient
from argosy.runtime.triton.fence import ServerOptions
from argosy.runtime.triton.generation import WatchOptions
from argosy.runtime.triton.locate import LocateOptions, locate
from argosy.runtime.triton.supervisor import SupervisorOptions, TritonSupervisor
from argosy.store.entries import CONFIG_FILE

_WATCH_SECONDS = 30.0
"""Between two canaries: a canary is a request that the measurement did not send."""
_EXIT_SECONDS = 2.0
"""Between TERM and KILL: nobody waits for an answer of a Triton that is only measured."""
_LOAD_MARGIN = 10.0
"""More than the server itself gives a load, so that its own answer comes first."""


@dataclass(frozen=True, slots=True)
class Target:
    """A running server that the best configuration is for.

    Attributes:
        key_file: holds an operator's API key, or None where there are no keys.
    """

    url: str
    key_file: Path | None = None

    def key(self) -> str:
        """The key; empty without a file.

        Raises:
            InvalidSetting: the file cannot be read, or holds more than a key.
        """
        if self.key_file is None:
            return ""
        try:
            key = self.key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSetting(f"--key-file: {self.key_file} cannot be read: {error}.") from error
        if not key.isascii() or not key.isprintable() or len(key.split()) != 1:
            raise InvalidSetting(f"--key-file: {self.key_file} must hold one API key and nothing else.")
        return key


@contextmanager
def journal_of(analysis: Analysis) -> Iterator[Journal]:
    """The journal in the output folder, held by this process.

    Raises:
        InvalidSetting: the folder cannot be used, or holds another search.
        AlreadyRunning: another process searches there.
    """
    options = analysis.options
    journal = open_journal(options.output, analysis.identity, resume=options.resume)
    try:
        yield journal
    finally:
        journal.close()


@asynccontextmanager
async def bench_of(analysis: Analysis) -> AsyncIterator[TritonBench]:
    """A Triton for measuring, in a folder that is removed with it.

    Raises:
        MissingRequirement: there is no usable Triton.
    """
    with scratch_folder() as scratch:
        installation = locate(LocateOptions(binary=analysis.tritonserver))
        parameters = {"threads": str(analysis.machine.engine_threads), "cache_dir": str(scratch / "compiled")}
        supervision = SupervisorOptions(
            run_directory=scratch / "run",
            parameters=parameters,
            server=ServerOptions(gpu=analysis.gpu),
            watch=WatchOptions(load_deadline=analysis.load_timeout, canary_interval=_WATCH_SECONDS),
            exit_grace=_EXIT_SECONDS,
        )

        def launch() -> Scratch:
            return Scratch(TritonSupervisor(installation, (), supervision), TritonClient())

        async with TritonBench(launch, analysis.entry, analysis.inputs, scratch, analysis.options.loop) as bench:
            yield bench


def study_of(analysis: Analysis, bench: TritonBench, journal: Journal, on_progress: OnProgress) -> Study:
    """The search over the bench, from where the journal is."""
    return Study(
        bench,
        journal,
        Proposer(analysis.space, analysis.options.goal, analysis.options.seed),
        analysis.budget,
        analysis.current,
        analysis.options.concurrencies,
        on_progress=on_progress,
    )


def host_facts(analysis: Analysis) -> Mapping[str, Any]:
    """What a reader of the report must know of the machine."""
    return {
        "machine": analysis.machine.description,
        "precisions": list(analysis.machine.precisions),
        "openvino": analysis.openvino,
    }


async def search(analysis: Analysis, on_progress: OnProgress) -> Report:
    """Search within the budget; everything measured is in the journal, also when this is cancelled.

    Raises:
        InvalidSetting: the output folder cannot be used, or holds another search.
        MissingRequirement: there is no usable Triton.
    """
    with journal_of(analysis) as journal:
        async with bench_of(analysis) as bench:
            await study_of(analysis, bench, journal, on_progress).run()
        return report_of(analysis, journal)


def report_of(analysis: Analysis, journal: Journal) -> Report:
    """What the journal comes to under the goal."""
    trials = tuple(journal.trials)
    best = outcome(analysis.options.goal, trials).best
    options = analysis.options
    return Report(
        spec=analysis.entry.spec,
        goal=options.goal,
        space=analysis.space,
        concurrencies=options.concurrencies,
        trials=trials,
        config="" if best is None else config_of(analysis, best.trial),
        host=host_facts(analysis),
        command=shlex.join(["argosy", "analyze", *options.arguments, "--resume", "--apply"]),
        made=datetime.now().astimezone(),
    )


def config_of(analysis: Analysis, trial: Trial) -> str:
    """The `config.pbtxt` that the trial measured."""
    if trial.current:
        return (analysis.entry.directory / CONFIG_FILE).read_text(encoding="utf-8")
    return config_with(analysis.entry, trial.configuration)


def write_report(analysis: Analysis, report: Report) -> None:
    """Write `report.json` and `report.html` into the output folder, in place of earlier ones.

    Raises:
        StorageFull, ConfigurationError: the folder cannot be written.
    """
    data = orjson.dumps(report.to_mapping(), option=orjson.OPT_INDENT_2) + b"\n"
    folder = analysis.options.output
    with disk.writing(folder, "What was measured is kept: make room and write the report again with --resume."):
        for name, content in (("report.json", data), ("report.html", render(report).encode())):
            staged = folder / f".{name}"
            staged.write_bytes(content)
            staged.replace(folder / name)


async def apply_best(analysis: Analysis, report: Report, target: Target | None) -> tuple[Applied, Report]:
    """Put the best configuration into the model store, and into the running server when one is named.

    Returns:
        What was done, and the report with it.

    Raises:
        InvalidSetting: the config changed since the search, or the target cannot be used.
        RuntimeFailure: the former config cannot be measured; nothing was changed.
        ConfigurationError: the store cannot be written.
    """
    best = report.outcome.best
    if best is None or best.level is None:
        raise InvalidSetting("There is no configuration that could be applied.")
    directory = analysis.entry.directory
    old = (directory / CONFIG_FILE).read_text(encoding="utf-8")
    change = Change(analysis.entry.name, directory, old, report.config)
    try:
        async with _gauge(analysis, best.level.concurrency, target) as (gauge, server):
            applied = await apply(change, analysis.options.goal, gauge, server)
    except TrialFailed as error:
        raise RuntimeFailure(f"The current config cannot be measured, so nothing was changed: {error}") from error
    return applied, replace(report, applied=applied.to_mapping())


@asynccontextmanager
async def _gauge(
    analysis: Analysis, concurrency: int, target: Target | None
) -> AsyncIterator[tuple[Gauge, RunningServer | None]]:
    """What measures before and after: the running server when there is one, else a Triton of our own."""
    if target is None:
        async with bench_of(analysis) as bench:
            yield BenchGauge(bench, concurrency), None
        return
    server = RunningServer(target.url, target.key(), load_timeout=analysis.load_timeout + _LOAD_MARGIN)
    try:
        yield ServerGauge(server, analysis.entry.spec, analysis.inputs, concurrency, analysis.options.loop), server
    finally:
        await server.close()
