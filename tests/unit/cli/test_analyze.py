"""`argosy analyze`, as far as it goes without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from argosy.cli.analyze import command
from argosy.cli.analyze_types import LEVELS, SIZE, WORDS
from argosy.core.errors import ArgosyError
from tests.suites.echo_models import echo_tensors


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (SIZE, "800MiB", 800 << 20),
        (SIZE, "2 GB", 2_000_000_000),
        (SIZE, "1.5k", 1500),
        (LEVELS, "16, 1,4,4", (1, 4, 16)),
        (WORDS, "f32, bf16,f32", ("f32", "bf16")),
    ],
)
def test_values_are_read_as_people_write_them(kind: click.ParamType[Any], text: str, expected: object) -> None:
    """Units with or without i, blanks, repeats."""
    assert kind.convert(text, None, None) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ("--memory", "much"),
        ("--memory", "0"),
        ("--concurrency", "0"),
        ("--concurrency", "1,x"),
        ("--budget", "0"),
        ("--p99-ms", "0"),
        ("--url", "http://127.0.0.1:1"),
        ("--objective", "beauty"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With click's exit code, and without a search."""
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(command, ["echo", *arguments]).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder is made for it."""
    echo_tensors(tmp_path / "store")
    monkeypatch.setenv("ARGOSY_MODEL_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(command, ["absent"])
    assert isinstance(result.exception, ArgosyError)
    assert "absent" in result.exception.message
    assert not (tmp_path / "analysis-absent").exists()
