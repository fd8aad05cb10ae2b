"""Steps in real children of this interpreter: done once, told of, and their failures named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from argosy.conversion.events import Event, Phase
from argosy.conversion.journal import Journal
from argosy.conversion.plan import package_step
from argosy.conversion.process.run import Limits
from argosy.conversion.stepping import Step, StepRunner
from argosy.conversion.toolchain import Runs, Toolchain
from argosy.core.errors import ConversionFailed, InvalidModelEntry, InvalidSetting

ENTRY = {"name": "m", "spec": "schema: 1\n", "config": 'name: "m"\n', "texts": {}}


class Conversion:
    """A runner and what it told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.weights = folder / "weights.bin"
        self.weights.write_bytes(b"weights")

    def runner(self, interpreter: Path = Path(sys.executable)) -> StepRunner:
        toolchain = Toolchain(interpreter, {"serving": {"python": "3"}})
        limits = Limits(memory=1 << 30, seconds=60)
        return StepRunner(Journal(self.folder / "work"), toolchain, limits, self.events.append, total=1)

    def step(self, *, replace: bool = False) -> Step:
        entry: dict[str, Any] = {**ENTRY, "files": {"weights.bin": str(self.weights)}}
        return package_step(self.folder / "store", entry, {}, replace=replace)


@pytest.fixture
def conversion(tmp_path: Path) -> Conversion:
    return Conversion(tmp_path)


async def test_a_step_runs_in_a_child_and_leaves_what_it_was_given(conversion: Conversion) -> None:
    """Request, inputs with hashes and versions, log, and a script that says how."""
    done = await conversion.runner().run(conversion.step())
    assert done.answer == {"directory": str(conversion.folder / "store" / "m")}
    assert done.usage is not None
    assert [event.phase for event in conversion.events] == [Phase.STARTED, Phase.FINISHED]
    folder = conversion.folder / "work" / "package"
    inputs = json.loads((folder / "inputs.json").read_text())
    assert inputs["versions"] == {"python": "3"}
    assert str(conversion.weights) in inputs["reads"]
    assert (folder / "log.txt").is_file()


async def test_a_finished_step_is_not_done_again(conversion: Conversion) -> None:
    """Unless something that it read has changed."""
    await conversion.runner().run(conversion.step(replace=True))
    again = await conversion.runner().run(conversion.step(replace=True))
    assert again.usage is None
    assert conversion.events[-1].phase is Phase.REUSED
    conversion.weights.write_bytes(b"others")
    assert (await conversion.runner().run(conversion.step(replace=True))).usage is not None


async def test_a_steps_own_refusal_keeps_its_kind(conversion: Conversion) -> None:
    """So that it is told apart from a step that broke."""
    await conversion.runner().run(conversion.step())
    conversion.weights.write_bytes(b"others")
    with pytest.raises(InvalidModelEntry, match="--replace"):
        await conversion.runner().run(conversion.step())


async def test_a_setting_that_a_step_refuses_is_the_users_affair(conversion: Conversion) -> None:
    """Not one profile's: no other is tried, as TensorRT's shapes are the same for each."""
    interpreter = conversion.folder / "interpreter"
    interpreter.write_text(
        """#!/bin/sh
while [ "$#" -gt 2 ]; do shift; done
echo '{"error": {"kind": "InvalidSetting", "message": "say --max-dimension"}}' > "$1"
exit 1
"""
    )
    interpreter.chmod(0o700)
    runner = conversion.runner(interpreter)
    with pytest.raises(InvalidSetting, match=r"\Asay --max-dimension\Z"):
        await runner.run(Step("build-fp32", "argosy.conversion.steps.build_tensorrt", Runs.CONVERSION, {}))


async def test_a_broken_step_is_named_with_its_log(conversion: Conversion) -> None:
    """What it raised, and where to read more."""
    step = Step("export", "argosy.conversion.steps.package", Runs.SERVING, {"name": "m"})
    with pytest.raises(ConversionFailed, match=r"The step 'export' failed: 'spec'") as failure:
        await conversion.runner().run(step)
    assert str(conversion.folder / "work" / "export" / "log.txt") in failure.value.message
    assert conversion.events[-1].phase is Phase.FAILED


async def test_the_script_does_the_step_again(conversion: Conversion) -> None:
    """By itself, from what lies beside it."""
    await conversion.runner().run(conversion.step(replace=True))
    script = conversion.folder / "work" / "package" / "reproduce.sh"
    again = subprocess.run([script, conversion.folder / "again"], capture_output=True, check=True)  # noqa: ASYNC221
    assert json.loads(again.stdout) == {"directory": str(conversion.folder / "store" / "m")}
