from __future__ import annotations

import orjson
import pytest
from click.testing import CliRunner

from argosy.cli import group


def test_config_prints_values_and_origins_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """`argosy config --json` holds each setting with its value and origin."""
    monkeypatch.setenv("ARGOSY_PORT", "9000")
    result = CliRunner().invoke(group, ["config", "--json", "--workers", "3"])
    rows = {row["name"]: row for row in orjson.loads(result.output)["settings"]}
    assert (rows["port"]["value"], rows["port"]["origin"]) == ("9000", "ARGOSY_PORT")
    assert (rows["workers"]["value"], rows["workers"]["origin"]) == ("3", "flag --workers")


def test_config_prints_a_table_for_people() -> None:
    """Without --json the output is a table with every setting."""
    result = CliRunner().invoke(group, ["config"])
    assert result.exit_code == 0
    assert "max_body_bytes" in result.output


def test_a_bad_flag_is_a_usage_error() -> None:
    """A value out of range exits with 2 and says what was expected."""
    result = CliRunner().invoke(group, ["config", "--port", "0"])
    assert result.exit_code == 2
    assert "1 to 65535" in result.output
