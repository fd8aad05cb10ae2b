"""Progress for programs."""

from __future__ import annotations

import json

import pytest

from argosy.analysis.goal import Goal, outcome
from argosy.analysis.space import Configuration
from argosy.analysis.study import Progress, Step
from argosy.analysis.trial import Level, Trial
from argosy.cli.progress_lines import ProgressLines
from argosy.conversion.events import Event, Phase
from argosy.core.errors import MissingRequirement
from argosy.server.artifacts.fetch import progress as fetching

LEVEL = Level(4, 1234.5, 1234.5, 1.0, 2.0, 3.25, 0.0, 0.1, 1 << 20, 0.01, True, 100, 3.0)


def told(capfd: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """The lines on standard error; nothing stands on standard output."""
    written = capfd.readouterr()
    assert written.out == ""
    return [json.loads(line) for line in written.err.splitlines()]


def test_a_step_of_a_conversion_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    """With its phase, time and message."""
    ProgressLines().on_event(Event("build-int8", Phase.FAILED, 3, 8, 1.23456, "no memory\nat all"))
    assert told(capfd) == [
        {
            "event": "step",
            "step": "build-int8",
            "phase": "failed",
            "total": 8,
            "seconds": 1.235,
            "message": "no memory\nat all",
        }
    ]


def test_a_trial_of_a_search_is_a_step(capfd: pytest.CaptureFixture[str]) -> None:
    """Begun, measured at every level, ended, with the best so far."""
    trial = Trial(1, Configuration.of({"instances": 2}), False, ())
    measured = Trial(1, trial.configuration, False, (LEVEL,), seconds=9.0)
    lines = ProgressLines()
    lines.on_progress(Progress(Step.BEGUN, trial, None, outcome(Goal(), ()), 12))
    lines.on_progress(Progress(Step.LEVEL, measured, LEVEL, outcome(Goal(), ()), 12))
    lines.on_progress(Progress(Step.ENDED, measured, None, outcome(Goal(), (measured,)), 12))
    found = told(capfd)
    assert [(line["step"], line["phase"], line["total"]) for line in found] == [
        ("trial-1", "started", 12),
        ("trial-1", "started", 12),
        ("trial-1", "finished", 12),
    ]
    assert found[0]["message"] == str(trial.configuration)
    assert found[1]["message"] == "4 in flight: 1,234.5/s, p99 3.2 ms"
    assert found[2]["message"] == "best so far: 4 in flight: 1,234.5/s, p99 3.2 ms"


def test_a_download_does_not_tell_every_block(capfd: pytest.CaptureFixture[str]) -> None:
    """Its beginning and end, and what is news between them."""
    lines = ProgressLines()
    lines.on_fetch(fetching.Event(fetching.Step.FILE, "hf://a/b", "weights", 0, 100))
    for done in range(1, 100):
        lines.on_fetch(fetching.Event(fetching.Step.PROGRESS, "hf://a/b", "weights", done, 100))
    lines.on_fetch(fetching.Event(fetching.Step.FILE_DONE, "hf://a/b", "weights", 100, 100))
    found = told(capfd)
    assert [line["bytes"] for line in found] == [0, 100]
    assert {line["event"] for line in found} == {"download"}


def test_an_error_is_told_with_its_code(capfd: pytest.CaptureFixture[str]) -> None:
    """And goes on to whoever prints it for people."""
    with pytest.raises(MissingRequirement), ProgressLines().failures():
        raise MissingRequirement("There is no torch.")
    assert told(capfd) == [{"event": "error", "code": "missing_requirement", "message": "There is no torch."}]
