"""Eleven models of all kinds go through `argosy convert`, and one server then answers as the originals did."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import yaml

from argosy.app.conversion import build_conversion
from argosy.conversion.plan import ConversionRequest
from argosy.conversion.proof import thresholds
from argosy.conversion.proof.thresholds import Bound
from argosy.conversion.sources.kinds import Kind
from argosy.core.errors import ProofFailed
from argosy.store.entries import read_entry
from tests.conversion.asked import LABELS, NEW_TOKENS, PASSAGES, QUERY, TEXTS
from tests.e2e.running import Running, serve
from tests.suites.small_disk import run_on_small_disk, visible

ROOT = Path(__file__).parents[2]
INTERPRETER = ROOT / ".work" / "convert" / "bin" / "python"
ORIGINALS = Path(__file__).with_name("tiny_originals.py")
PROFILES = {
    "encoder": "auto",
    "llama": "int8",
    "mistral": "int4",
    "classifier": "bf16",
    "cross-encoder": "fp32",
    "qwen2": "bf16",
    "tagger": "fp32",
    "segformer": "bf16",
    "yolos": "bf16",
    "resnet": "bf16",
    "unet": "fp32",
}
"""The slowest first. Every profile is built at least once."""
UNET_STEPS = ("load", "export", "optimise", "build-fp32", "validate-fp32", "package")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not INTERPRETER.is_file(), reason="needs .work/convert: make convert-environment"),
]


@dataclass(frozen=True)
class Conversions:
    """What the commands made.

    Attributes:
        answers: what the original libraries said, by model.
        reports: what `argosy convert --json` printed, by model.
        served: the server with all of them.
    """

    folder: Path
    answers: Mapping[str, Any]
    reports: Mapping[str, Mapping[str, Any]]
    served: Running


@pytest.fixture(scope="module")
def conversions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversions]:
    folder = tmp_path_factory.mktemp("conversion")
    originals = subprocess.run([INTERPRETER, ORIGINALS, folder], capture_output=True, cwd=ROOT, check=False)
    assert originals.returncode == 0, originals.stderr.decode()[-4000:]
    with ThreadPoolExecutor(max_workers=2) as two:
        reports = dict(zip(PROFILES, two.map(lambda name: convert(folder, name), PROFILES), strict=True))
    with serve(folder, "--model-store", str(folder / "store"), "--cache", str(folder / "cache")) as running:
        running.wait_ready()
        yield Conversions(folder, json.loads((folder / "answers.json").read_text()), reports, running)


def convert(folder: Path, name: str) -> Mapping[str, Any]:
    source = folder / name / ("unet.onnx" if name == "unet" else "")
    command = [sys.executable, "-m", "argosy", "convert", str(source), "--name", name, "--precision", PROFILES[name]]
    command += ["--output", str(folder / "store"), "--cache", str(folder / "cache"), "--json"]
    if name == "encoder":
        command += ["--samples", "32", "--calibration", str(calibration(folder / "calibration.txt"))]
    else:
        command += ["--samples", "12"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ARGOSY_", "NIM_"))}
    finished = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert finished.returncode == 0, finished.stderr.decode()[-4000:]
    report: Mapping[str, Any] = json.loads(finished.stdout)
    return report


def calibration(path: Path) -> Path:
    """Sentences in the words that will be asked about: a random network has learnt nothing of any other word."""
    words = " ".join(TEXTS).split()
    chance = random.Random(5)  # noqa: S311 - variety, not secrecy
    path.write_text("\n".join(" ".join(chance.choices(words, k=chance.randint(2, 10))) for _ in range(64)))
    return path


def test_an_encoder_gives_the_originals_vectors(conversions: Conversions) -> None:
    """Cosine to transformers' mean-pooled vectors at least 0.98, the bound of the proof."""
    reply = conversions.served.post("/v1/embeddings", {"model": "encoder", "input": TEXTS}).json()
    vectors = np.array([item["embedding"] for item in reply["data"]])
    cosines = (vectors * np.array(conversions.answers["encoder"])).sum(axis=1)
    assert cosines.min() >= 0.98


def test_a_cross_encoder_gives_the_originals_logits(conversions: Conversions) -> None:
    """Within 3 % of their range, in the same order."""
    wanted = np.array(conversions.answers["cross-encoder"])
    body = {"model": "cross-encoder", "query": {"text": QUERY}, "passages": [{"text": text} for text in PASSAGES]}
    rankings = conversions.served.post("/v1/ranking", body).json()["rankings"]
    found = {item["index"]: item["logit"] for item in rankings}
    assert [item["index"] for item in rankings] == np.argsort(-wanted).tolist()
    np.testing.assert_allclose([found[index] for index in range(len(wanted))], wanted, atol=0.03 * np.ptp(wanted))


def test_a_classifier_gives_the_originals_classes(conversions: Conversions) -> None:
    """The same best label for every text, and its probability within 0.1: weights and activations have 8 bits."""
    wanted = np.array(conversions.answers["classifier"])
    data = conversions.served.post("/v1/classify", {"model": "classifier", "input": TEXTS}).json()["data"]
    assert [item["label"] for item in data] == [LABELS[index] for index in wanted.argmax(axis=1)]
    np.testing.assert_allclose([item["probs"] for item in data], wanted, atol=0.1)


@pytest.mark.parametrize("model", ["llama", "qwen2", "mistral"])
def test_a_decoder_writes_the_originals_words(conversions: Conversions, model: str) -> None:
    """Every greedy answer is the one that transformers' generate gives, letter by letter."""
    body = {"model": model, "prompt": TEXTS, "max_tokens": NEW_TOKENS, "temperature": 0}
    choices = conversions.served.post("/v1/completions", body).json()["choices"]
    assert [choice["text"] for choice in choices] == conversions.answers[model]


@pytest.mark.parametrize(("model", "taken", "given"), [("resnet", "pixel_values", "logits"), ("unet", "image", "mask")])
def test_an_image_network_gives_the_originals_numbers(
    conversions: Conversions, model: str, taken: str, given: str
) -> None:
    """Over KServe v2, within 3 % of the norm."""
    pictures = np.load(conversions.folder / "pictures.npy")
    tensor = {"name": taken, "datatype": "FP32", "shape": list(pictures.shape), "data": pictures.reshape(-1).tolist()}
    (output,) = conversions.served.post(f"/v2/models/{model}/infer", {"inputs": [tensor]}).json()["outputs"]
    wanted = np.array(conversions.answers[model])
    found = np.array(output["data"]).reshape(output["shape"])
    assert output["name"] == given
    assert found.shape == wanted.shape
    assert np.linalg.norm(found - wanted) <= 0.03 * np.linalg.norm(wanted)


def infer(conversions: Conversions, model: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a KServe request by name."""
    datatypes = {"float32": "FP32", "int64": "INT64"}
    tensors = [
        {"name": name, "datatype": datatypes[str(value.dtype)], "shape": value.shape, "data": value.ravel().tolist()}
        for name, value in inputs.items()
    ]
    answer = conversions.served.post(f"/v2/models/{model}/infer", {"inputs": tensors})
    assert answer.status_code == 200, answer.text
    return {each["name"]: np.reshape(each["data"], each["shape"]) for each in answer.json()["outputs"]}


def test_a_token_classifier_gives_the_originals_classes(conversions: Conversions) -> None:
    """One request with texts of several lengths; the places behind a text's end say nothing and are left out."""
    wanted = conversions.answers["tagger"]
    inputs = {name: np.array(values, dtype=np.int64) for name, values in wanted["inputs"].items()}
    found = infer(conversions, "tagger", inputs)["logits"]
    real = inputs["attention_mask"] == 1
    assert found.shape == (len(TEXTS), inputs["input_ids"].shape[1], len(LABELS))
    assert len(set(found[real].argmax(axis=-1))) == len(LABELS)
    np.testing.assert_allclose(found[real], np.array(wanted["logits"])[real], atol=1e-3)


def test_a_segmenter_gives_the_originals_classes(conversions: Conversions) -> None:
    """The same best class for 98 of 100 pixels, and the scores within 5 % of the norm: the network runs in bf16."""
    found = infer(conversions, "segformer", {"pixel_values": np.load(conversions.folder / "pictures.npy")})["logits"]
    wanted = np.array(conversions.answers["segformer"]["logits"])
    assert found.shape == wanted.shape
    assert len(set(wanted.argmax(axis=1).ravel())) > 1
    assert (found.argmax(axis=1) == wanted.argmax(axis=1)).mean() >= 0.98
    assert np.linalg.norm(found - wanted) <= 0.05 * np.linalg.norm(wanted)


def test_a_detector_gives_the_originals_boxes(conversions: Conversions) -> None:
    """The same best class for every query, and each corner of its box within 2 % of the picture's side."""
    found = infer(conversions, "yolos", {"pixel_values": np.load(conversions.folder / "pictures.npy")})
    wanted = {name: np.array(values) for name, values in conversions.answers["yolos"].items()}
    assert len(set(wanted["logits"].argmax(axis=-1).ravel())) > 1
    assert np.ptp(wanted["pred_boxes"], axis=(0, 1)).min() > 0.1
    np.testing.assert_array_equal(found["logits"].argmax(axis=-1), wanted["logits"].argmax(axis=-1))
    np.testing.assert_allclose(found["pred_boxes"], wanted["pred_boxes"], atol=0.02)


@pytest.mark.parametrize("model", PROFILES)
def test_the_entry_says_how_it_was_proven(conversions: Conversions, model: str) -> None:
    """Figures, bounds and the chosen profile stand in argosy.yaml as in the report beside it."""
    report = conversions.reports[model]
    entry = Path(report["entry"])
    spec = yaml.safe_load((entry / "argosy.yaml").read_text())
    (chosen,) = [profile for profile in report["profiles"] if profile["profile"] == report["chosen"]]
    assert chosen["outcome"] == "passed"
    assert spec["proof"]["passed"] is True
    assert spec["proof"]["thresholds"] == report["thresholds"]
    assert spec["proof"]["figures"] == {name: round(value, 6) for name, value in chosen["figures"].items()}
    written = json.loads((entry / "report.json").read_text())
    assert written == {key: value for key, value in report.items() if key != "entry"}
    assert "</html>" in (entry / "report.html").read_text()


def test_a_step_can_be_repeated_by_its_script(conversions: Conversions) -> None:
    """What a conversion leaves behind says how each step was done; its request, versions and log are there."""
    step = conversions.folder / "cache" / "conversions" / "unet" / "load"
    done = subprocess.run([step / "reproduce.sh", conversions.folder / "again"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == json.loads((step / "answer.json").read_text())
    assert json.loads((step / "inputs.json").read_text())["versions"]["torch"]
    assert (step / "log.txt").is_file()


def test_c2_a_conversion_that_is_killed_at_every_step_goes_on_where_it_was(conversions: Conversions) -> None:
    """Not one of its processes lives on, the store shows nothing, no finished step is repeated, one entry comes out."""
    folder = conversions.folder / "killed"
    command = [*unet_command(conversions, folder), "--resume"]
    for step in UNET_STEPS:
        kill_in(command, folder / "cache" / "conversions" / "unet" / step / "log.txt")
        assert visible(folder / "store") in ([], ["unet"] if step == "package" else [])
        check_entries(folder / "store")
    finished = subprocess.run(command, capture_output=True, check=False)
    assert finished.returncode == 0, finished.stderr.decode()[-4000:]
    steps = {each["step"]: each["reused"] for each in json.loads(finished.stdout)["steps"]}
    assert steps == dict.fromkeys(UNET_STEPS[:-1], True)
    assert visible(folder / "store") == ["unet"]
    check_entries(folder / "store")


def test_r3_a_disk_that_is_full_at_every_step_stops_a_conversion_that_then_goes_on(conversions: Conversions) -> None:
    """R3: a tmpfs of 4 MiB holds work folder and store; see `tests.conversion.full_disk`."""
    source = conversions.folder / "unet" / "unet.onnx"
    printed = run_on_small_disk(
        conversions.folder / "disk", 4, "tests.conversion.full_disk", str(source), str(INTERPRETER), timeout=600
    )
    assert set(json.loads(printed)) == {*UNET_STEPS, "report"}


def test_c3_a_conversion_that_is_told_to_end_does_so_within_seconds(conversions: Conversions) -> None:
    """No step lives on, the store shows nothing, and the message says how to go on."""
    folder = conversions.folder / "cancelled"
    process = subprocess.Popen(unet_command(conversions, folder), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for(folder / "cache" / "conversions" / "unet" / "optimise" / "log.txt", process)
    steps = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert b"--resume" in said
    assert not [step for step in steps if step.is_running() and step.status() != psutil.STATUS_ZOMBIE]
    assert not (folder / "store").exists()


async def test_c4_what_falls_short_is_not_packaged_and_the_report_is_kept(
    conversions: Conversions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is real but the bound, which nothing can meet."""
    monkeypatch.setitem(thresholds.THRESHOLDS, Kind.NETWORK, (Bound("relative_error", most=-1.0),))  # type: ignore[misc]
    folder = conversions.folder / "rejected"
    request = ConversionRequest(
        conversions.folder / "unet" / "unet.onnx",
        "unet",
        folder / "store",
        folder / "work",
        precision="fp32",
        samples=8,
    )
    with pytest.raises(ProofFailed, match=r"relative_error is .*, and must be <= -1"):
        await build_conversion(request, INTERPRETER, lambda _: None).run()
    report = json.loads((folder / "work" / "report.json").read_text())
    assert (report["passed"], report["chosen"]) == (False, "")
    assert report["profiles"][0]["outcome"] == "rejected"
    assert not (folder / "store").exists()


def unet_command(conversions: Conversions, folder: Path) -> list[str]:
    command = [sys.executable, "-m", "argosy", "convert", str(conversions.folder / "unet" / "unet.onnx")]
    command += ["--name", "unet", "--precision", "fp32", "--samples", "8", "--json"]
    return [*command, "--output", str(folder / "store"), "--cache", str(folder / "cache")]


def kill_in(command: list[str], begun: Path) -> None:
    """SIGKILL the conversion as soon as it has begun a step; what it started is gone soon after."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(begun, process)
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
    assert psutil.wait_procs(family, timeout=30)[1] == []


def check_entries(store: Path) -> None:
    """Every entry that is visible has the files that its report counts."""
    for name in visible(store):
        entry = read_entry(store / name)
        report = json.loads((entry.directory / "report.json").read_text())
        (size,) = [each["bytes"] for each in report["profiles"] if each["profile"] == report["chosen"]]
        assert sum(path.stat().st_size for path in entry.newest.glob("openvino_model.*")) == size


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    while not path.exists():
        assert process.poll() is None, f"the conversion ended before {path}"
        time.sleep(0.01)
