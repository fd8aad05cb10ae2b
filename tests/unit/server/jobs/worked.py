"""A desk over a small program that stands where `argosy` does: it tells, waits, fails or ends as its model says."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from argosy.core.errors import ArgosyError
from argosy.server.artifacts.library import Library
from argosy.server.jobs.desk import DeskOptions, JobDesk
from argosy.server.jobs.intake import Intake, Places
from argosy.server.jobs.job import Job
from argosy.server.jobs.process import ChildOptions
from argosy.server.jobs.runner import Surroundings
from argosy.server.jobs.store import JobStore

PROGRAM = """
import json, os, pathlib, signal, sys, time

*words, model = sys.argv[1:]
name = pathlib.Path(model).stem
work = pathlib.Path(os.environ["WORK"])

def tell(**said):
    print(json.dumps(said), file=sys.stderr, flush=True)

def step(name, phase, message=""):
    tell(event="step", step=name, phase=phase, total=2, seconds=0.5, message=message)

with (work / "ran").open("a") as ran:
    ran.write(" ".join(words) + "\\n")
(work / "pid").write_text(str(os.getpid()))
tell(event="download", source=model, file="weights", bytes=1, total=2, message="")
step("load", "started")
if name == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if name in ("slow", "stubborn"):
    (work / "waits").touch()
    time.sleep(600)
if name == "broken":
    tell(event="error", code="proof_failed", message="It is not right enough.")
    (work / "report.html").write_text("<html>why</html>")
    sys.exit(1)
if name == "crashing":
    print("out of luck", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
print("by the way", file=sys.stderr)
step("load", "finished")
step("build", "finished", "x" * 5000)
(work / "report.html").write_text("<html>figures</html>")
row = {"profile": "fp32", "outcome": "passed", "figures": {"cosine": 1.0}, "reasons": [], "speed": 1.0}
print(json.dumps({
    "chosen": "fp32", "profiles": [row], "reference": "onnxruntime", "samples": 4, "thresholds": {"cosine": ">= 0.9"},
    "remarks": [],
}))
"""


class Worked:
    """A desk, its folder, and what its jobs acted on."""

    def __init__(self, root: Path, options: DeskOptions | None = None, longest: float = 60.0) -> None:
        self.root = root
        self.loaded: list[str] = []
        self.taken: list[Path] = []
        self.load_error: ArgosyError | None = None
        for name in ("models", "work", "store"):
            (root / name).mkdir(exist_ok=True)
        (root / "program.py").write_text(PROGRAM)
        self._options = options
        self._child = ChildOptions(
            (sys.executable, "-I", str(root / "program.py")), {"WORK": str(root / "work")}, grace=0.5, longest=longest
        )
        self.desk = self.another()

    def another(self) -> JobDesk:
        """A desk over the same folder, as the next server would have it."""
        places = Places((self.root / "store",), self.root / "store", self.root / "cache", (self.root / "models",))
        surroundings = Surroundings(lambda _job, _folder: self.root / "work" / "report.html", self._load, self._take)
        intake = Intake(places, Library((), places.stores))
        return JobDesk(
            JobStore(self.root / "cache" / "jobs" / "8000"), intake, self._child, surroundings, self._options
        )

    async def order(self, does: str, **words: Any) -> Job:
        """A job that does what its model's name says."""
        return await self.desk.submit(self.request(does, **words), "ann")

    def request(self, does: str, **words: Any) -> Mapping[str, Any]:
        model = self.root / "models" / f"{does}.onnx"
        model.touch()
        return {"kind": "convert", "model": str(model), **words}

    async def ended(self, job: Job) -> Job:
        """The job in its final state."""
        number = 0
        async with asyncio.timeout(30):
            while True:
                events, more = await self.desk.events(job.id, number, 5.0)
                number = events[-1].number if events else number
                if not more:
                    return await self.desk.job(job.id)

    async def waiting(self) -> int:
        """The process of the job that runs, once it waits."""
        async with asyncio.timeout(30):
            while not (self.root / "work" / "waits").exists():
                await asyncio.sleep(0.01)
        (self.root / "work" / "waits").unlink()
        return int((self.root / "work" / "pid").read_text())

    @property
    def runs(self) -> list[str]:
        """The words of every run."""
        path = self.root / "work" / "ran"
        return path.read_text().splitlines() if path.exists() else []

    async def _load(self, name: str) -> None:
        if self.load_error is not None:
            raise self.load_error
        self.loaded.append(name)

    def _take(self, directory: Path) -> None:
        self.taken.append(directory)


def plain(job: Job) -> Job:
    """A job as the list has it."""
    return replace(job, steps=(), result=None)
