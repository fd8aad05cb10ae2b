"""Triton's client scenarios: against Triton itself, and against Argosy in front of the same Triton.

What came of each is committed in `triton_scenarios.json`; with ARGOSY_WRITE_CONFORMANCE=1 the file is written anew, the
notes on why the two differ kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.triton_scenarios import PASSES, SCENARIOS, Endpoint, Scenario, outcome
from tests.conformance.triton_scenarios.server import MODEL_STORE, triton_server
from tests.e2e.running import free_port, serve

EXPECTATION = Path(__file__).with_name("triton_scenarios.json")
WRITE = os.environ.get("ARGOSY_WRITE_CONFORMANCE") == "1"
KEY = "a-key-of-the-judge-alone"


def committed() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = json.loads(EXPECTATION.read_text())
    return rows


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    with triton_server(tmp_path_factory.mktemp("triton")) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def argosy(triton: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """Argosy in front of `triton`, for the holder of an operator's key."""
    folder = tmp_path_factory.mktemp("argosy")
    grpc = free_port()
    arguments = ("--model-store", str(MODEL_STORE), "--triton-url", triton.grpc, "--grpc-port", str(grpc))
    with serve(folder, *arguments, environment={"ARGOSY_API_KEYS": f"judge@operator:{KEY}"}) as running:
        running.wait_ready()
        yield Endpoint(f"127.0.0.1:{running.port}", f"127.0.0.1:{grpc}", {"authorization": f"Bearer {KEY}"})


@pytest.fixture(scope="module")
def altered(argosy: Endpoint) -> dict[str, str]:
    """What comes of loading and unloading through Argosy, by scenario.

    Played before Triton plays any of it: a model that is loaded behind Argosy's back is away for Argosy for a moment.
    """
    return {scenario.name: outcome(scenario, argosy) for scenario in SCENARIOS if scenario.alters}


@pytest.fixture(scope="module")
def rows() -> Iterator[list[dict[str, str]]]:
    """What came of the scenarios, written down at the end when that is asked for."""
    found: list[dict[str, str]] = []
    yield found
    if WRITE and len(found) == len(SCENARIOS):
        EXPECTATION.write_text(json.dumps(found, indent=1) + "\n")


@pytest.mark.skipif(WRITE, reason="the rows are being written")
def test_every_scenario_is_committed() -> None:
    """The committed rows are those of the scenarios, in their order; where the two differ, a note says why."""
    rows = committed()
    assert [(row["scenario"], row["programs"]) for row in rows] == [(one.name, one.programs) for one in SCENARIOS]
    assert [row["scenario"] for row in rows if row["triton"] != PASSES] == []
    assert [row["scenario"] for row in rows if row["argosy"] != PASSES and not row["note"]] == []


@pytest.mark.triton
@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.name for scenario in SCENARIOS])
def test_scenario(
    scenario: Scenario, triton: Endpoint, argosy: Endpoint, altered: dict[str, str], rows: list[dict[str, str]]
) -> None:
    """Triton does what its clients count on; Argosy does too, or what the committed row says."""
    expected = next((row for row in committed() if row["scenario"] == scenario.name), {})
    row = {
        "scenario": scenario.name,
        "programs": scenario.programs,
        "triton": outcome(scenario, triton),
        "argosy": altered[scenario.name] if scenario.alters else outcome(scenario, argosy),
        "note": expected.get("note", ""),
    }
    rows.append(row)
    assert WRITE or row == expected
