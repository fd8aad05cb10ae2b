"""Models that are somewhere else: pulled from a hub and a web server on this machine, then served without either."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.e2e.running import Running, serve
from tests.suites.hub_server import TOKEN, HubServer, Repository, serve_hub
from tests.suites.tiny_models import write_tiny_gguf
from tests.unit.server.artifacts.repositories import put_onnx

DATA = Path(__file__).parents[1] / "data" / "saved_model"
NOWHERE = "http://127.0.0.1:9"
"""The discard port: whoever asks a hub there fails."""


def argosy(*arguments: str, hub: HubServer | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint if hub else NOWHERE, "HF_TOKEN": TOKEN}
    command = [sys.executable, "-m", "argosy", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=environment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources")


@pytest.fixture(scope="module")
def pulled(folder: Path) -> list[str]:
    """MODEL arguments whose sources are in the cache; what they came from is gone."""
    with serve_hub() as hub:
        put_onnx(hub, folder / "work")
        write_tiny_gguf(folder / "tiny.gguf")
        files = {"tiny.gguf": (folder / "tiny.gguf").read_bytes(), "other.gguf": b"", "README.md": b"# Tiny"}
        hub.repositories["acme/tiny-GGUF"] = Repository(files, gated=True)
        packed = packed_saved_model()
        hub.files["/scorer.tar.gz"] = packed
        web = f"{hub.endpoint}/scorer.tar.gz#sha256={hashlib.sha256(packed).hexdigest()}"
        models = ["acme/double", "reciter=hf://acme/tiny-GGUF@main/tiny.gguf", web]
        done = argosy("pull", "--json", "--cache", str(folder / "cache"), *models, hub=hub)
        assert done.returncode == 0, done.stderr
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert [event["model"] for event in events if event["event"] == "done"] == ["double", "reciter", "scorer"]
    return models


def packed_saved_model() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.add(DATA / "scorer", "scorer")
    return packed.getvalue()


@pytest.fixture(scope="module")
def running(folder: Path, pulled: list[str]) -> Iterator[Running]:
    """What was pulled, and a SavedModel folder, served offline from a cache that was moved."""
    shutil.move(folder / "cache", folder / "moved")
    shutil.copytree(DATA / "scorer", folder / "scorer-folder")
    arguments = [*pulled, f"local={folder / 'scorer-folder'}", "--cache", str(folder / "moved"), "--offline"]
    with serve(folder, *arguments, environment={"HF_ENDPOINT": NOWHERE}) as service:
        service.wait_ready()
        yield service


def infer(running: Running, model: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of a KServe request by name."""
    tensors = [
        {"name": name, "shape": value.shape, "datatype": "FP32", "data": value.ravel().tolist()}
        for name, value in inputs.items()
    ]
    answer = running.post(f"/v2/models/{model}/infer", {"inputs": tensors})
    assert answer.status_code == 200, answer.text
    return {each["name"]: np.reshape(each["data"], each["shape"]) for each in answer.json()["outputs"]}


def test_a_language_model_file_of_a_gated_repository(running: Running) -> None:
    """The reciter recites what the file that was pulled makes it say."""
    body = {"model": "reciter", "prompt": "Once", "max_tokens": 9, "temperature": 0}
    assert running.post("/v1/completions", body).json()["choices"][0]["text"] == " river stoneé cloud garden日"


def test_an_onnx_network_with_weights_beside_it(running: Running) -> None:
    """y = x times w, with w[i][j] = 4 i + j as the file beside the network holds it."""
    x = np.array([[1, 0, 2, 0]], dtype=np.float32)
    w = np.arange(16, dtype=np.float32).reshape(4, 4)
    np.testing.assert_allclose(infer(running, "double", x=x)["y"], x @ w, rtol=1e-6)


@pytest.mark.parametrize("model", ["scorer", "local"])
def test_a_saved_model_gives_tensorflows_numbers(running: Running, model: str) -> None:
    """From an archive on a web server and from a folder; in single precision, as bare networks run."""
    expected = np.load(DATA / "expected.npz")
    answer = infer(running, model, values=expected["values"], scale=expected["scale"])
    for name in ("scores", "total"):
        np.testing.assert_allclose(answer[name], expected[name], rtol=1e-4, atol=1e-5)


def test_a_source_that_was_never_pulled_is_refused_offline(folder: Path, pulled: list[str]) -> None:
    """The server does not start, and says how to fill the cache."""
    done = argosy("serve", "acme/never", "--offline", "--cache", str(folder / "empty"))
    assert done.returncode != 0
    assert "argosy pull hf://acme/never" in " ".join((done.stdout + done.stderr).split())


def test_a_store_entry_without_a_cache(tmp_path: Path) -> None:
    """`create-model-store` writes files and no links, and never over an entry that is there."""
    with serve_hub() as hub:
        put_onnx(hub, tmp_path / "work")
        command = ["create-model-store", "--model-repo", "hf://acme/double", "--model-store", str(tmp_path / "store")]
        command += ["--cache", str(tmp_path / "cache")]
        assert argosy(*command, hub=hub).returncode == 0
        again = argosy(*command, hub=hub)
    assert again.returncode != 0
    assert "exists already" in " ".join(again.stderr.split())
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_symlink()]
    shutil.rmtree(tmp_path / "cache")
    listed = argosy("models", "--store", str(tmp_path / "store"), "--json")
    assert "double" in listed.stdout


def test_download_to_cache_takes_what_nims_variables_name(tmp_path: Path) -> None:
    """NIM_MODEL_NAME and NIM_CACHE_PATH fill a cache as they do in a NIM container."""
    with serve_hub() as hub:
        put_onnx(hub, tmp_path / "work")
        environment = {"NIM_MODEL_NAME": "hf://acme/double", "NIM_CACHE_PATH": str(tmp_path / "cache")}
        environment |= {**os.environ, "HF_ENDPOINT": hub.endpoint}
        command = [sys.executable, "-m", "argosy", "download-to-cache", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["model"] == "double"
    assert list((tmp_path / "cache" / "manifests").iterdir())
