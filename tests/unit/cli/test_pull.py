"""`argosy pull`, `create-model-store` and `download-to-cache` against a hub on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from argosy.cli import group
from tests.suites.hub_server import HubServer, Repository, serve_hub
from tests.unit.server.artifacts.onnx_bytes import matmul
from tests.unit.server.artifacts.repositories import put_onnx


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub with one ONNX network; the settings lead to it and to a cache of the test's own."""
    with serve_hub() as server:
        put_onnx(server, tmp_path / "work")
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        monkeypatch.setenv("ARGOSY_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("COLUMNS", "400")
        yield server


def argosy(*arguments: str) -> Result:
    return CliRunner().invoke(group, list(arguments))


def events(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [orjson.loads(line) for line in result.stdout.splitlines()]


def test_pull_tells_programs_how_far_it_is(hub: HubServer) -> None:
    """One JSON object a line: every file as it is done, and at the end where the entry is."""
    told = events(argosy("pull", "acme/double", "--json"))
    files = {event["file"] for event in told if event["event"] == "file-done"}
    assert files == {"model.onnx", "model.onnx_data"}
    assert told[-1]["model"] == "double"
    assert (Path(told[-1]["directory"]) / "argosy.yaml").is_file()
    assert told[-1]["version"] == hub.repositories["acme/double"].commit


def test_pull_says_what_serves_the_model(hub: HubServer, tmp_path: Path) -> None:
    """The last line can be run as it stands, with the hash that pins a file on a web server."""
    data = matmul(tmp_path / "sum.onnx").read_bytes()
    hub.files["/sum.onnx"] = data
    digest = hashlib.sha256(data).hexdigest()
    result = argosy("pull", f"mine={hub.endpoint}/sum.onnx", "--sha256", digest)
    assert f"argosy serve mine={hub.endpoint}/sum.onnx#sha256={digest} --offline" in result.output


def test_pull_points_weights_to_the_converter(hub: HubServer) -> None:
    """Weights without a network are kept, and the command that converts what is in the cache is named."""
    hub.repositories["acme/raw"] = Repository({"config.json": b"{}", "model.safetensors": b"weights"})
    (done,) = [event for event in events(argosy("pull", "acme/raw", "--json")) if event["event"] == "done"]
    folder = Path(done["message"].partition("argosy convert ")[2].split(" ")[0])
    assert done["model"] is None
    assert (folder / "model.safetensors").read_bytes() == b"weights"


def test_verify_finds_a_changed_byte(hub: HubServer, tmp_path: Path) -> None:
    """Nobody is asked: what is in the cache is read and compared with its hashes."""
    argosy("pull", "acme/double")
    hub.asked.clear()
    assert "as it was fetched" in argosy("pull", "acme/double", "--verify").output
    blob = max((tmp_path / "cache" / "blobs").rglob("*/*/*"), key=lambda path: path.stat().st_size)
    blob.write_bytes(b"x" + blob.read_bytes()[1:])
    result = argosy("pull", "acme/double", "--verify")
    assert result.exit_code != 0
    assert hub.asked == []


def test_a_source_that_is_not_there(hub: HubServer) -> None:
    """The error names the repository; nothing is left in the cache."""
    result = argosy("pull", "acme/nothing")
    assert result.exit_code != 0
    assert "acme/nothing" in str(result.exception or result.output)


def test_r8_a_store_keeps_its_entry(hub: HubServer, tmp_path: Path) -> None:
    """R8: the second of two writers of one entry is told, and the first entry stays as it is."""
    command = ["create-model-store", "--model-repo", "hf://acme/double", "--model-store", str(tmp_path / "store")]
    assert argosy(*command).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*")}
    assert argosy(*command).exit_code != 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*")} == before


def test_a_profile_that_the_source_does_not_have(hub: HubServer, tmp_path: Path) -> None:
    """Nothing is written when the files are not the profile asked for."""
    command = ["create-model-store", "--model-repo", "hf://acme/double", "--model-store", str(tmp_path / "store")]
    assert argosy(*command, "--profile", "tensorrt-fp8").exit_code != 0
    assert not (tmp_path / "store").exists()


def test_download_to_cache_takes_the_configured_model(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """NIM_MODEL_NAME names what is fetched."""
    monkeypatch.setenv("NIM_MODEL_NAME", "hf://acme/double")
    assert events(argosy("download-to-cache", "--all", "--json"))[-1]["model"] == "double"
