from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from argosy.core.errors import InvalidSetting
from argosy.settings import Secret, declarations, load, variables


def test_a_flag_beats_our_variable_beats_an_alias_beats_the_file_beats_the_default(tmp_path: Path) -> None:
    """The order of sources is flag, ARGOSY_*, NIM_*, argosy.toml, default."""
    (tmp_path / "argosy.toml").write_text("port = 1\n")
    environment: dict[str, str] = {}
    assert load({}, environment, tmp_path / "elsewhere").settings.port == 8000
    assert load({}, environment, tmp_path).settings.port == 1
    environment["NIM_HTTP_API_PORT"] = "2"
    assert load({}, environment, tmp_path).settings.port == 2
    environment["ARGOSY_PORT"] = "3"
    assert load({}, environment, tmp_path).settings.port == 3
    assert load({"port": 4}, environment, tmp_path).settings.port == 4


def test_the_grpc_port_has_the_names_of_others(tmp_path: Path) -> None:
    """NIM's and Triton's variables set it, and 0 turns it off."""
    assert load({}, {}, tmp_path).settings.grpc_port == 8001
    assert load({}, {"NIM_TRITON_GRPC_PORT": "9001"}, tmp_path).settings.grpc_port == 9001
    assert load({}, {"NIM_GRPC_API_PORT": "9002", "NIM_TRITON_GRPC_PORT": "9001"}, tmp_path).settings.grpc_port == 9002
    assert load({}, {"ARGOSY_GRPC_PORT": "0"}, tmp_path).settings.grpc_port == 0


def test_every_value_says_where_it_came_from(tmp_path: Path) -> None:
    """Origins name the flag, the variable or the file."""
    (tmp_path / "argosy.toml").write_text("workers = 2\n")
    loaded = load({"port": 9000}, {"NIM_LOG_LEVEL": "WARNING"}, tmp_path)
    assert loaded.origins["port"] == "flag --port"
    assert loaded.origins["log_level"] == "NIM_LOG_LEVEL"
    assert loaded.origins["workers"] == str(tmp_path / "argosy.toml")
    assert loaded.origins["host"] == "default"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("ARGOSY_PORT", "eighty", "whole number"),
        ("ARGOSY_PORT", "70000", "1 to 65535"),
        ("ARGOSY_INSECURE", "perhaps", "true or false"),
        ("NIM_LOG_LEVEL", "LOUD", "one of"),
        ("ARGOSY_DRAIN_TIMEOUT", "-1", "0 to 3600"),
    ],
)
def test_a_bad_value_is_refused_and_named(variable: str, value: str, expected: str, tmp_path: Path) -> None:
    """A value that cannot be used stops the start and names the variable."""
    with pytest.raises(InvalidSetting, match=expected) as caught:
        load({}, {variable: value}, tmp_path)
    assert variable in caught.value.message


def test_an_unknown_variable_is_warned_of_with_the_nearest_name(tmp_path: Path) -> None:
    """A misspelt variable is named in a warning together with the right spelling."""
    (warning,) = load({}, {"ARGOSY_PROT": "1", "PATH": "/bin"}, tmp_path).warnings
    assert "ARGOSY_PROT" in warning
    assert "ARGOSY_PORT" in warning


def test_an_unknown_key_in_the_file_is_warned_of(tmp_path: Path) -> None:
    """A misspelt key in argosy.toml is named in a warning."""
    (tmp_path / "argosy.toml").write_text("prot = 1\n")
    (warning,) = load({}, {}, tmp_path).warnings
    assert "prot" in warning


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    """argosy.toml that is not TOML stops the start."""
    (tmp_path / "argosy.toml").write_text("port = \n")
    with pytest.raises(InvalidSetting, match="TOML"):
        load({}, {}, tmp_path)


def test_a_named_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    """ARGOSY_CONFIG must name a file that exists."""
    with pytest.raises(InvalidSetting, match="does not exist"):
        load({}, {"ARGOSY_CONFIG": str(tmp_path / "no.toml")}, tmp_path)


def test_the_log_switch_of_nim_becomes_our_word(tmp_path: Path) -> None:
    """NIM_JSONL_LOGGING=1 means JSON lines."""
    assert load({}, {"NIM_JSONL_LOGGING": "1"}, tmp_path).settings.log_format == "json"


def test_secrets_do_not_show_themselves(tmp_path: Path) -> None:
    """Neither repr nor the config table holds a key."""
    loaded = load({}, {"ARGOSY_API_KEYS": "hush-hush, second"}, tmp_path)
    assert [key.reveal() for key in loaded.settings.api_keys] == ["hush-hush", "second"]
    assert "hush" not in repr(loaded.settings) + str(loaded.rows())
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")


def test_no_variable_sets_two_settings() -> None:
    """Each variable belongs to one setting; only one with an address and a port in it belongs to both."""
    names = Counter(variable for name, _ in declarations() for variable in variables(name))
    assert {name for name, count in names.items() if count > 1} == {"NIM_BIND_ADDR", "NIM_SERVER_BIND_ADDR"}
