"""`argosy convert`: what is said of it, and what is refused before anything runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from argosy.cli import group
from argosy.cli.convert import command
from argosy.core.errors import ArgosyError


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
