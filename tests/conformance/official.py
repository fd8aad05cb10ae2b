"""The tests by the official `openai` client, and what came of them in this session or in one of their own."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

import pytest

from tests.conformance.judging import ROOT, Verdict

MODULES = ("test_openai_client", "test_openai_features", "test_openai_errors")
_SECONDS = 600


class TestName(NamedTuple):
    """A test, whatever its parameters."""

    __test__ = False

    module: str
    name: str


def sentences() -> dict[TestName, str]:
    """What each test demands, in the order of the modules."""
    found = {}
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    for module in MODULES:
        tree = ast.parse(Path(__file__).with_name(f"{module}.py").read_text())
        tests = [node for node in tree.body if isinstance(node, kinds) and node.name.startswith("test_")]
        found |= {TestName(module, node.name): " ".join((ast.get_docstring(node) or "").split()) for node in tests}
    return found


class Outcomes:
    """What came of tests, all parameters of one together: one that fails is enough, one that is skipped too."""

    def __init__(self) -> None:
        self._found: dict[TestName, Verdict] = {}

    def note(self, test: TestName, outcome: str) -> None:
        """A phase of the test ended as pytest calls it: `passed`, `failed` or `skipped`."""
        verdict = Verdict("passes" if outcome == "passed" else "fails", outcome)
        if test not in self._found or verdict.outcome == "fails":
            self._found[test] = verdict

    def of(self, tests: Iterable[TestName]) -> dict[TestName, Verdict]:
        """What came of the tests that were run."""
        return {test: self._found[test] for test in tests if test in self._found}


OUTCOMES = pytest.StashKey[Outcomes]()
"""Where a session keeps those of its own tests; see `conftest`."""


def outcomes(config: pytest.Config, folder: Path) -> dict[TestName, Verdict]:
    """What came of every test; where this session did not run them all, they are run in one of their own.

    Args:
        config: of this session.
        folder: for the report of the other.
    """
    wanted = sentences()
    heard = config.stash.get(OUTCOMES, Outcomes()).of(wanted)
    return heard if heard.keys() == wanted.keys() else _run(folder / "openai.xml").of(wanted)


def _run(report: Path) -> Outcomes:
    files = [f"tests/conformance/{module}.py" for module in MODULES]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", *files]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert report.exists(), (run.stdout + run.stderr)[-3000:]
    found = Outcomes()
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - what pytest has just written
        bad = any(child.tag in {"failure", "error", "skipped"} for child in case)
        test = TestName(case.attrib["classname"].rpartition(".")[2], case.attrib["name"].partition("[")[0])
        found.note(test, "failed" if bad else "passed")
    return found
