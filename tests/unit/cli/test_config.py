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


def test_config_tells_what_is_shadowed() -> None:
    """The value that counts, and the one that does not with where it stands."""
    environment = {"NIM_GPU_MEM_FRACTION": "0.8", "NIM_KVCACHE_PERCENT": "0.9", "COLUMNS": "200"}
    output = CliRunner(env=environment).invoke(group, ["config"]).output
    assert "not NIM_KVCACHE_PERCENT: 0.9" in output
    assert "warning: NIM_KVCACHE_PERCENT is shadowed by NIM_GPU_MEM_FRACTION." in output


def test_config_shows_a_configuration_that_would_be_refused() -> None:
    """With the reason, and exit code 1."""
    result = CliRunner(env={"NIM_SSL_MODE": "tls", "COLUMNS": "200"}).invoke(group, ["config"])
    assert result.exit_code == 1
    assert "refused: NIM_SSL_MODE=tls" in result.output
    document = orjson.loads(CliRunner(env={"NIM_SSL_MODE": "tls"}).invoke(group, ["config", "--json"]).output)
    assert "NIM_SSL_MODE" in document["refusals"][0]


def test_config_prints_the_schema() -> None:
    """`--schema` is JSON Schema."""
    schema = orjson.loads(CliRunner().invoke(group, ["config", "--schema"]).output)
    assert schema["properties"]["port"]["maximum"] == 65535


def test_a_bad_flag_is_a_usage_error() -> None:
    """A value out of range exits with 2 and says what was expected."""
    result = CliRunner().invoke(group, ["config", "--port", "0"])
    assert result.exit_code == 2
    assert "1 to 65535" in result.output


@pytest.mark.parametrize(("given", "value"), [("--chunked-prefill", "True"), ("--no-chunked-prefill", "False")])
def test_a_switch_that_nobody_need_set_has_two_flags(given: str, value: str) -> None:
    """On and off are both different from leaving it to the engine."""
    rows = orjson.loads(CliRunner().invoke(group, ["config", "--json", given]).output)["settings"]
    assert next(row["value"] for row in rows if row["name"] == "chunked_prefill") == value


@pytest.mark.parametrize("environment", [{"SHOW_CONFIG": "1"}, {"ARGOSY_SHOW_CONFIG": "true"}])
def test_serve_shows_its_configuration_and_ends(environment: dict[str, str]) -> None:
    """Nothing is started: the models named do not even exist."""
    result = CliRunner(env=environment | {"COLUMNS": "200"}).invoke(group, ["serve", "no-such-model", "--port", "9"])
    assert result.exit_code == 0, result.output
    assert "flag --port" in result.output
