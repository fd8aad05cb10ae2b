"""A conversion ordered over HTTP: a network of a hub becomes a proven model that the same server answers for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from tests.conversion.test_convert_and_serve import INTERPRETER
from tests.e2e.running import Running, serve
from tests.suites.echo_models import echo_tensors
from tests.suites.hub_server import HubServer, serve_hub
from tests.unit.server.artifacts.repositories import put_onnx

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not INTERPRETER.is_file(), reason="needs .work/convert: make convert-environment"),
]

SOURCE = "hf://acme/double/model.onnx"
ORDER = {"kind": "convert", "model": SOURCE, "name": "double", "precision": "fp32", "samples": 8, "load": True}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    with serve_hub() as server:
        put_onnx(server, tmp_path_factory.mktemp("hub"))
        yield server


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, hub: HubServer) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("job")
    echo_tensors(folder / "store", "echo")
    arguments = ["--model-store", str(folder / "store"), "--cache", str(folder / "cache"), "--workers", "2"]
    environment = {"HF_ENDPOINT": hub.endpoint, "ARGOSY_CONVERSION_PYTHON": str(INTERPRETER)}
    with serve(folder, *arguments, environment=environment) as service:
        service.wait_ready()
        yield service


def carried_out(running: Running, body: dict[str, Any]) -> dict[str, Any]:
    reply = running.post("/api/v1/jobs", body)
    assert reply.status_code == 202, reply.text
    address = reply.headers["location"]
    while (job := running.get(address).json())["state"] in {"queued", "running"}:
        time.sleep(0.2)
    found: dict[str, Any] = job
    return found


def events(running: Running, job: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    reply = httpx.get(running.url + job["links"]["events"], timeout=60, trust_env=False)
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in reply.text.split("\n\n") if block]
    return [(block["event"], json.loads(block["data"])) for block in blocks]


def test_a_model_of_a_hub_is_converted_proven_and_served_by_one_order(running: Running) -> None:
    """Its figures stand in the job, in argosy.yaml, in /v1/metadata and in the profiles; its answers are right."""
    job = carried_out(running, ORDER)
    assert job["state"] == "succeeded", job["error"]
    assert (job["result"]["entry"], job["result"]["profile"], job["result"]["loaded"]) == ("double", "fp32", True)
    assert job["progress"]["done"] == job["progress"]["total"] > 4
    told = events(running, job)
    assert {"download", "step", "state"} == {kind for kind, _ in told}
    assert any(data["file"] == "model.onnx_data" for kind, data in told if kind == "download")
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1.0, 0.0, 0.0, 0.0]}
    (output,) = running.post("/v2/models/double/infer", {"inputs": [tensor]}).json()["outputs"]
    assert output["data"] == [0.0, 1.0, 2.0, 3.0]
    proof = job["result"]["proof"]
    entry = yaml.safe_load((running.run_dir.parent / "store" / "double" / "argosy.yaml").read_text())
    assert entry["proof"]["figures"] == {name: round(value, 6) for name, value in proof["figures"].items()}
    shown = {**proof, "figures": entry["proof"]["figures"]}
    (info,) = [
        info for info in running.get("/v1/metadata").json()["modelInfo"] if info["shortName"].startswith("double:")
    ]
    assert info["proof"] == shown
    (model,) = running.get("/api/v1/profiles?model=double").json()["models"]
    assert [profile["proof"] for profile in model["profiles"]] == [shown]
    assert "</html>" in running.get(job["links"]["report"]).text


def test_an_order_for_a_name_that_is_taken_says_how_to_take_it(running: Running) -> None:
    """By the field, before anything runs."""
    refused = running.post("/api/v1/jobs", {**ORDER, "name": "echo"})
    assert (refused.status_code, refused.json()["param"]) == (400, "name")
    assert "'replace': true" in refused.json()["detail"]
