"""Every variable that people know sets something, is refused with a reason, or is told to have no effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.errors import InvalidSetting
from argosy.settings import declarations, load, variables
from argosy.settings.other_variables import OTHER_VARIABLES, Disposition
from argosy.settings.sources import CONFIG_VARIABLE, PASSTHROUGH

PROMISED = [
    line
    for line in (Path(__file__).parent / "promised_variables.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
SETTING_VARIABLES = {variable for name, _ in declarations() for variable in variables(name)} | {PASSTHROUGH}
_TRIED = ("true", "2", "0.5", "latency", "json", "127.0.0.1:9000", "int8", "fcfs", "debug", "https://hub.example")


def other(name: str) -> Disposition | None:
    return next((variable.disposition for variable in OTHER_VARIABLES if variable.matches(name)), None)


@pytest.mark.parametrize("name", PROMISED)
def test_a_promised_variable_has_one_disposition(name: str) -> None:
    """It is a setting's, or known for a reason, and never both."""
    assert (name in SETTING_VARIABLES) != (other(name) is not None)


@pytest.mark.parametrize("name", [name for name in PROMISED if name in SETTING_VARIABLES - {PASSTHROUGH}])
def test_a_variable_that_is_accepted_sets_something(name: str, tmp_path: Path) -> None:
    """Some value of it makes a setting differ from its default, and says so as the origin."""
    origins = [origin for value in _TRIED for origin in _origins(name, value, tmp_path)]
    assert name in origins


@pytest.mark.parametrize("name", [name for name in PROMISED if other(name) is Disposition.REFUSED])
def test_a_variable_that_must_not_be_ignored_refuses_the_start(name: str, tmp_path: Path) -> None:
    """The message names it and says what to do."""
    with pytest.raises(InvalidSetting, match=name) as caught:
        load({}, {name: "7"}, tmp_path)
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("name", [name for name in PROMISED if other(name) is Disposition.UNUSED])
def test_a_variable_without_effect_is_told(name: str, tmp_path: Path) -> None:
    """One warning, with the name and the reason."""
    (warning,) = load({}, {name: "7"}, tmp_path).warnings
    assert warning.startswith(f"{name} has no effect: ")


@pytest.mark.parametrize("name", [name for name in PROMISED if other(name) is Disposition.INHERITED])
def test_a_variable_that_others_read_is_left_to_them(name: str, tmp_path: Path) -> None:
    """Nothing is said of it."""
    assert load({}, {name: "7"}, tmp_path).warnings == ()


def test_every_known_variable_is_in_one_place_only() -> None:
    """None is a setting's as well."""
    names = [variable.name for variable in OTHER_VARIABLES]
    assert len(names) == len(set(names))
    assert not SETTING_VARIABLES & set(names)
    assert CONFIG_VARIABLE not in names


@pytest.mark.parametrize(
    "environment",
    [
        {"NIM_TRUST_CUSTOM_CODE": "0"},
        {"NIM_SSL_MODE": "disabled", "NIM_SSL_CERT_PATH": "/certificates/tls.crt"},
        {"NIM_NUM_COMPUTE_NODES": "1", "NIM_NODE_RANK": "0", "NIM_LEADER_ROLE": "1", "NIM_MULTI_NODE": "0"},
        {"NIM_REWARD_MODEL": "false", "NIM_ENABLE_AUTO_TOOL_CHOICE": "1", "NIM_GUIDED_DECODING_BACKEND": "xgrammar"},
        {"NIM_ENABLE_OTEL": "0", "OTEL_TRACES_EXPORTER": "none", "NIM_SSL_KEY_PATH": ""},
    ],
)
def test_a_value_that_asks_for_what_is_so_anyway_is_passed_over(environment: dict[str, str], tmp_path: Path) -> None:
    """Neither a refusal nor a warning."""
    assert load({}, environment, tmp_path).warnings == ()


def test_a_certificate_without_a_word_on_tls_refuses_the_start(tmp_path: Path) -> None:
    """Who names a certificate believes the connection to be encrypted."""
    with pytest.raises(InvalidSetting, match=r"NIM_SSL_CERT_PATH.*proxy"):
        load({}, {"NIM_SSL_CERT_PATH": "/certificates/tls.crt"}, tmp_path)


def test_all_refusals_are_told_at_once(tmp_path: Path) -> None:
    """And `argosy config` may look at a configuration that would be refused."""
    environment = {"NIM_SSL_MODE": "tls", "NIM_TRUST_CUSTOM_CODE": "1"}
    with pytest.raises(InvalidSetting, match=r"NIM_SSL_MODE.*NIM_TRUST_CUSTOM_CODE"):
        load({}, environment, tmp_path)
    assert len(load({}, environment, tmp_path, refuse=False).refusals) == 2


def _origins(name: str, value: str, directory: Path) -> list[str]:
    try:
        return list(load({}, {name: value}, directory).origins.values())
    except InvalidSetting:
        return []
