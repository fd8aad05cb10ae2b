"""A conversion from beginning to end."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from argosy.conversion.artifacts import Artifacts, Draft
from argosy.conversion.builds import Build, build_for
from argosy.conversion.calibration import Samples, samples
from argosy.conversion.events import Observe
from argosy.conversion.journal import Journal, combined, sha256
from argosy.conversion.plan import (
    NETWORK_FILE,
    ConversionRequest,
    Material,
    export_step,
    load_step,
    optimise_step,
    package_step,
)
from argosy.conversion.process.run import Limits
from argosy.conversion.profiles import AUTO, BuildProfile, Target, build_profiles, refuse_kind, refuse_target
from argosy.conversion.proof.verdict import Outcome, Verdict, choose, judge, proof_mapping
from argosy.conversion.publish import refuse_existing
from argosy.conversion.report.report import Report, write_report
from argosy.conversion.requirements import available
from argosy.conversion.sources.admission import Admitted, admit
from argosy.conversion.sources.kinds import Kind
from argosy.conversion.stepping import Done, StepRunner
from argosy.conversion.toolchain import Toolchain
from argosy.core.errors import ConversionFailed, ProofFailed
from argosy.core.models import check_name

_FIXED_STEPS = 4
_GPU_TASKS = 1024
"""Processes and threads of a step that drives a GPU: its libraries start one for each processor, several times over."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A conversion that ended well.

    Attributes:
        entry: folder of the new model store entry.
        report: the figures, also in `report.json` and `report.html` there.
    """

    entry: Path
    report: Report


@dataclass(frozen=True, slots=True)
class _Built:
    """A profile that was built, and what was found out about it."""

    profile: BuildProfile
    verdict: Verdict
    draft: Draft | None = None


class Conversion:
    """Converts one model. Callable from a command and from a service alike.

    Guarantees: every step runs in a child within its limits; when `run` is cancelled the child's whole tree is gone
    within five seconds; a model store never shows a part of an entry; a profile that its proof rejects is never
    packaged; the report is written whatever the proofs say.
    """

    def __init__(
        self, request: ConversionRequest, toolchain: Toolchain, artifacts: Artifacts, observe: Observe
    ) -> None:
        # Steps start in folders of their own.
        self._request = replace(
            request, source=request.source.absolute(), store=request.store.absolute(), work=request.work.absolute()
        )
        self._toolchain = toolchain
        self._artifacts = artifacts
        self._observe = observe
        self._journal = Journal(self._request.work)
        self._build: Build = build_for(self._request, toolchain, artifacts)

    async def run(self) -> Converted:
        """Do all of it.

        Raises:
            InvalidModelEntry: the model may not be converted, or there is an entry of this name.
            InvalidSetting: the engine has no such profile.
            MissingRequirement: the engine's builder is not installed.
            ConversionFailed: a step failed or passed a limit.
            ProofFailed: nothing that was built is right enough; the report has the figures.
            StorageFull: a disk is full; the message names the folder and how to go on.
            ConfigurationError: a folder cannot be written.
        """
        request = self._request
        check_name(request.name)
        refuse_target(request.target)
        if not request.resume:
            # One that goes on may find what it published itself; see `publish`.
            refuse_existing(request.store / request.name, replace=request.replace)
        admitted = await asyncio.to_thread(admit, request.source, request.task, self._artifacts)
        refuse_kind(request.target, admitted.kind)
        profiles = build_profiles(admitted.kind, request.precision, request.target)
        profiles = available(request.target, profiles, request.precision, self._toolchain)
        chosen = samples(admitted.kind, request.calibration, request.samples)
        with self._journal.held():
            if not request.resume:
                await asyncio.to_thread(self._journal.clear)
            return await self._convert(admitted, profiles, chosen)

    async def _convert(self, admitted: Admitted, profiles: tuple[BuildProfile, ...], chosen: Samples) -> Converted:
        runner = self._runner(admitted, len(profiles))
        loaded = await runner.run(load_step(admitted))
        exported = await runner.run(export_step(admitted, loaded, chosen))
        network = await self._network(runner, admitted, exported)
        material = Material(admitted, loaded, exported, network, chosen)
        built = [await self._prove(runner, material, profile) for profile in profiles]
        winner = choose(each.verdict for each in built)
        report = self._report(admitted, runner, built, winner, exported, chosen)
        with self._journal.writing():
            pages = await asyncio.to_thread(write_report, report, self._request.work)
        if winner is None:
            raise _nothing_passed(built, pages["report.html"])
        best = next(each for each in built if each.verdict is winner)
        entry = await self._package(runner, best, report, pages)
        await asyncio.to_thread(self._tidy)
        return Converted(entry, report)

    def _runner(self, admitted: Admitted, profiles: int) -> StepRunner:
        total = _FIXED_STEPS + self._build.steps * profiles - (admitted.kind is Kind.DECODER)
        limits = Limits(self._request.memory, self._request.seconds)
        if self._request.target is not Target.OPENVINO and self._toolchain.gpus:
            limits = replace(limits, processes=_GPU_TASKS)
        return StepRunner(
            self._journal, self._toolchain, limits, self._observe, total=total, threads=self._request.threads
        )

    async def _network(self, runner: StepRunner, admitted: Admitted, exported: Done) -> Path:
        """The network that profiles are built from; language models are exported in the engine's own form."""
        if admitted.kind is Kind.DECODER:
            return exported.output / "network" / NETWORK_FILE
        return (await runner.run(optimise_step(exported))).output / "model.onnx"

    async def _prove(self, runner: StepRunner, material: Material, profile: BuildProfile) -> _Built:
        """Build one profile and compare it. While others may still pass, a profile that fails rules out itself only."""
        try:
            product = await self._build.build(runner, material, profile, self._origin(material.admitted))
            draft = self._labelled(product.draft, material.admitted, profile)
            answer = (await runner.run(product.validate(self._entry(draft)))).answer
        except ConversionFailed as error:
            if self._request.precision != AUTO:
                raise
            return _Built(profile, Verdict(profile.name, Outcome.FAILED, reasons=(error.message,)))
        verdict = judge(profile.name, material.admitted.kind, answer, product.size)
        if not verdict.passed:
            runner.reject(f"validate-{profile.name}", "; ".join(verdict.reasons))
        return _Built(profile, verdict, draft)

    def _labelled(self, draft: Draft, admitted: Admitted, profile: BuildProfile) -> Draft:
        """The entry with the profile it was built as."""
        spec = replace(
            draft.spec,
            profile=profile.spec,
            license=admitted.license,
            description=f"{admitted.kind.value} converted from {self._request.source.name}",
        )
        return _Drafted(spec, draft.config, draft.files, draft.texts)

    def _origin(self, admitted: Admitted) -> dict[str, Any]:
        weights = [sha256(path) for name, path in sorted(admitted.files.items()) if not name.endswith(".json")]
        return {"kind": "converted", "id": self._request.source.name, "sha256": combined(weights)}

    def _entry(self, draft: Draft) -> dict[str, Any]:
        return {
            "name": self._request.name,
            "spec": self._artifacts.render(draft.spec),
            "config": draft.config,
            "files": {name: str(path) for name, path in draft.files.items()},
            "texts": dict(draft.texts),
        }

    def _report(
        self,
        admitted: Admitted,
        runner: StepRunner,
        built: list[_Built],
        winner: Verdict | None,
        exported: Done,
        chosen: Samples,
    ) -> Report:
        return Report(
            name=self._request.name,
            source=self._request.source.name,
            kind=admitted.kind,
            engine=self._request.target.value,
            precision=self._request.precision,
            chosen=winner.profile if winner is not None else "",
            verdicts=tuple(each.verdict for each in built),
            reference=str(exported.answer["reference"]),
            samples=int(exported.answer["judged"]),
            generated=chosen.generated,
            steps=tuple(runner.records),
            versions=self._toolchain.versions,
            date=dt.datetime.now(dt.UTC).date().isoformat(),
        )

    async def _package(self, runner: StepRunner, best: _Built, report: Report, pages: Mapping[str, Path]) -> Path:
        assert best.draft is not None  # noqa: S101 - what passed was drafted
        proof = proof_mapping(best.verdict, report.kind, report.reference, report.samples, report.date)
        accuracy = {"reference": report.reference, "samples": report.samples, **proof["figures"]}
        spec = replace(best.draft.spec, accuracy=accuracy, proof=proof)
        entry = self._entry(_Drafted(spec, best.draft.config, best.draft.files, best.draft.texts))
        # What an earlier run published may have been removed since.
        shutil.rmtree(self._journal.step("package").path, ignore_errors=True)
        step = package_step(self._request.store, entry, pages, replace=self._request.replace)
        return Path((await runner.run(step)).answer["directory"])

    def _tidy(self) -> None:
        if not self._request.keep_work:
            self._journal.drop_outputs()


@dataclass(frozen=True, slots=True)
class _Drafted:
    """A `Draft` of our own."""

    spec: Any
    config: str
    files: Mapping[str, Path]
    texts: Mapping[str, str]


def _nothing_passed(built: list[_Built], page: Path) -> ProofFailed:
    said = "; ".join(f"{each.profile.name}: {', '.join(each.verdict.reasons)}" for each in built)
    return ProofFailed(f"Nothing that was built is right enough to be served. {said}. The report: {page}")
