"""`argosy models`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from argosy.cli.models import command
from argosy.server.artifacts.adopt import adopt
from tests.suites.adapter_folders import adapter
from tests.suites.echo_models import echo_chat
from tests.unit.server.artifacts.sources import gguf_file, tensor_network


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    adopt(gguf_file(tmp_path / "tiny.gguf"), tmp_path / "made")
    path = adopt(tensor_network(tmp_path / "double.xml"), tmp_path / "made").directory / "argosy.yaml"
    spec = yaml.safe_load(path.read_text())
    figures = {"cosine": {"mean": 0.99951, "minimum": 0.9991}, "sentences": 500, "note": "[bold]quiet[/]"}
    path.write_text(yaml.safe_dump({**spec, "accuracy": {"[x]": figures}}))
    return tmp_path / "made" / "store"


def test_the_table_has_every_model(store: Path) -> None:
    """One line a model, with figures in brief; text from files is not markup."""
    result = CliRunner().invoke(command, ["--store", str(store)])
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.output.splitlines()}
    assert {"double", "tiny"} <= set(lines)
    for word in ("tensor", "openvino", "f32", "[x].cosine.mean 0.9995"):
        assert word in lines["double"]
    for word in ("generate", "openvino_genai", "bf16/q8_0", "not measured"):
        assert word in lines["tiny"]


def test_json_has_everything(store: Path) -> None:
    """The JSON has sizes in bytes and the figures whole."""
    document = json.loads(CliRunner().invoke(command, ["--json", "--store", str(store)]).output)
    double, tiny = document["models"]
    assert (double["name"], double["versions"], tiny["task"]) == ("double", [1], "generate")
    assert double["accuracy"]["[x]"]["cosine"]["minimum"] == 0.9991
    assert tiny["bytes"] >= (store / "tiny/1/model.gguf").stat().st_size
    assert document["problems"] == []


def test_problems_are_told_with_their_remedy(store: Path) -> None:
    """A broken entry is listed and the others are shown."""
    (store / "tiny" / "config.pbtxt").unlink()
    result = CliRunner().invoke(command, ["--store", str(store)])
    assert result.exit_code == 0
    assert "problem:" in result.output
    assert "config.pbtxt" in result.output
    assert "double" in result.output
    document = json.loads(CliRunner().invoke(command, ["--json", "--store", str(store)]).output)
    assert document["problems"][0]["directory"] == str(store / "tiny")


def test_the_configured_store_is_the_default(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ARGOSY_MODEL_STORE is used when no flag is given."""
    monkeypatch.setenv("ARGOSY_MODEL_STORE", str(store))
    document = json.loads(CliRunner().invoke(command, ["--json"]).output)
    assert [model["name"] for model in document["models"]] == ["double", "tiny"]


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    """No table without models."""
    result = CliRunner().invoke(command, ["--store", str(tmp_path)])
    assert result.exit_code == 0
    assert "No models in" in result.output


def test_help_has_an_example() -> None:
    """The help shows a command line."""
    assert "argosy models --store" in CliRunner().invoke(command, ["--help"]).output


def test_adapters_follow_with_what_is_wrong_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the configured folder, for people and for programs."""
    echo_chat(tmp_path / "store")
    adapter(tmp_path / "peft" / "loud")
    adapter(tmp_path / "peft" / "high", r=64)
    monkeypatch.setenv("NIM_PEFT_SOURCE", str(tmp_path / "peft"))
    monkeypatch.setenv("COLUMNS", "200")
    output = CliRunner().invoke(command, ["--store", str(tmp_path / "store")]).output
    assert "adapter loud of parrot, rank 2" in output
    assert "--max-lora-rank" in output
    document = json.loads(CliRunner().invoke(command, ["--json", "--store", str(tmp_path / "store")]).output)
    high, loud = document["adapters"]
    assert loud == {"name": "loud", "parent": "parrot", "rank": 2, "problem": ""}
    assert "rank 64" in high["problem"]
