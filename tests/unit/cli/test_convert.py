"""`argosy convert`: what is said of it, and what is refused before anything runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from argosy.app.conversion import find_source
from argosy.app.sources import source_models
from argosy.cli import group
from argosy.cli.convert import command
from argosy.core.errors import ArgosyError, MissingRequirement, NotCached
from argosy.server.artifacts.reference import HubReference
from argosy.settings import load
from tests.suites.hub_server import HubServer, Repository, serve_hub


def test_the_help_has_examples() -> None:
    """And is found among the verbs."""
    answer = CliRunner().invoke(group, ["convert", "--help"])
    assert answer.exit_code == 0
    assert "argosy convert ./my-llama --resume" in answer.output


@pytest.mark.parametrize(("text", "size"), [("8GiB", 8 << 30), ("512M", 512 << 20), ("2", 2 << 30), ("1.5G", 3 << 29)])
def test_sizes_are_read_with_their_units(text: str, size: int) -> None:
    """A bare number counts GiB."""
    (option,) = [param for param in command.params if param.name == "memory"]
    assert option.type.convert(text, option, None) == size


@pytest.mark.parametrize("size", ["much", "-1G", "8 bananas"])
def test_what_is_no_size_is_refused(size: str) -> None:
    """As a usage error that names the option."""
    answer = CliRunner().invoke(command, ["x", "--memory", size])
    assert answer.exit_code == 2
    assert "--memory" in answer.output


@pytest.mark.parametrize(
    ("interpreter", "said"), [("/nowhere/python", "no conversion environment"), (sys.executable, "lacks torch")]
)
def test_an_environment_without_the_exporters_is_told_how_to_make_one(
    tmp_path: Path, interpreter: str, said: str
) -> None:
    """The serving environment has no torch, and is not to have it."""
    arguments = [str(tmp_path), "--python", interpreter, "--cache", str(tmp_path)]
    answer = CliRunner().invoke(command, arguments)
    assert isinstance(answer.exception, ArgosyError)
    assert said in answer.exception.message
    assert "make convert-environment" in answer.exception.message


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub with weights without a network, and settings that lead to it and to a cache of the test's."""
    with serve_hub() as server:
        files = {"config.json": b"{}", "model.safetensors": b"\0" * 64, "pytorch_model.bin": b"pickle", "tool.py": b""}
        server.repositories["acme/weights"] = Repository(files)
        monkeypatch.setenv("HF_ENDPOINT", server.endpoint)
        monkeypatch.setenv("ARGOSY_CACHE", str(tmp_path / "cache"))
        yield server


@pytest.mark.parametrize("model", ["acme/weights", "hf://acme/weights"])
def test_a_source_is_fetched_once_and_named_after_itself(
    hub: HubServer, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may be converted of it is a folder then, offline too; code and pickles stay where they are."""
    monkeypatch.setattr("argosy.app.conversion.find_toolchain", lambda _: None)
    told: list[str] = []
    found = find_source(load(), model, Path(sys.executable), lambda event: told.append(event.file))
    assert sorted(path.name for path in found.path.iterdir()) == ["config.json", "model.safetensors"]
    assert found.name() == "weights"
    assert "model.safetensors" in told
    asked = len(hub.asked)
    again = find_source(load({"offline": True}), model, Path(sys.executable), lambda _: None)
    assert (again.path, len(hub.asked)) == (found.path, asked)


def test_offline_a_source_that_is_not_in_the_cache_is_refused(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that fetches it, and without a connection."""
    monkeypatch.setattr("argosy.app.conversion.find_toolchain", lambda _: None)
    answer = CliRunner().invoke(command, ["acme/weights", "--offline"])
    assert isinstance(answer.exception, NotCached)
    assert answer.exception.message.endswith("fill the cache with: argosy convert hf://acme/weights")
    assert hub.asked == []


def test_nothing_is_fetched_that_could_not_be_converted(hub: HubServer) -> None:
    """The environment comes first."""
    answer = CliRunner().invoke(command, ["acme/weights", "--python", sys.executable])
    assert isinstance(answer.exception, MissingRequirement)
    assert hub.asked == []


def test_programs_are_told_the_error_as_a_line(tmp_path: Path) -> None:
    """With its code; people read the sentence after it."""
    arguments = [str(tmp_path), "--python", sys.executable, "--cache", str(tmp_path), "--json", "--progress", "json"]
    answer = CliRunner().invoke(command, arguments)
    assert isinstance(answer.exception, MissingRequirement)
    assert json.loads(answer.stderr.splitlines()[0])["code"] == "missing_requirement"
    assert answer.stdout == ""


def test_of_a_source_with_both_the_weights_are_converted(hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serving takes the network; each is in the cache by itself."""
    monkeypatch.setattr("argosy.app.conversion.find_toolchain", lambda _: None)
    hub.repositories["acme/weights"].files["model.onnx"] = b"network"
    served = source_models(load()).fetch(HubReference("acme/weights"))
    found = find_source(load(), "acme/weights", Path(sys.executable), lambda _: None)
    assert [file.path for file in served.manifest.files] == ["config.json", "model.onnx"]
    assert sorted(path.name for path in found.path.iterdir()) == ["config.json", "model.safetensors"]
