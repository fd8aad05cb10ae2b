from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from argosy.app.supervisor import plan, worker_configuration
from argosy.core.errors import InvalidSetting
from argosy.settings import load
from tests.suites.adapter_folders import adapter, pair
from tests.suites.echo_models import echo_chat


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    echo_chat(tmp_path / "store")
    adapter(tmp_path / "peft" / "loud")
    adapter(tmp_path / "peft" / "high", tensors=pair(rank=64), r=64)
    return {
        "ARGOSY_MODEL_STORE": str(tmp_path / "store"),
        "ARGOSY_CACHE": str(tmp_path / "cache"),
        "NIM_PEFT_SOURCE": str(tmp_path / "peft"),
    }


def test_adapters_are_served_beside_the_models(environment: dict[str, str], tmp_path: Path) -> None:
    """A broken one is a problem with its remedy, and no more."""
    chosen = plan(load({}, environment, tmp_path))
    assert [entry.name for entry in chosen.entries] == ["parrot", "loud"]
    (problem,) = chosen.problems
    assert "--max-lora-rank" in problem


def test_the_limits_of_adapters_are_settings(environment: dict[str, str], tmp_path: Path) -> None:
    """NIM's names set them."""
    chosen = plan(load({}, {**environment, "NIM_MAX_LORA_RANK": "64", "NIM_MAX_GPU_LORAS": "1"}, tmp_path))
    assert [entry.name for entry in chosen.entries] == ["parrot", "high"]
    assert "--max-loras" in chosen.problems[0]


def test_without_a_folder_no_adapter_is_looked_for(environment: dict[str, str], tmp_path: Path) -> None:
    """Nothing is served that nobody asked for."""
    del environment["NIM_PEFT_SOURCE"]
    chosen = plan(load({}, environment, tmp_path))
    assert chosen.adapters is None
    assert [entry.name for entry in chosen.entries] == ["parrot"]


def test_a_folder_that_does_not_exist_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    """A typing error must not look like a folder without adapters."""
    shutil.rmtree(tmp_path / "peft")
    with pytest.raises(InvalidSetting, match="NIM_PEFT_SOURCE"):
        plan(load({}, environment, tmp_path))


def test_adapters_need_a_triton_of_our_own(environment: dict[str, str], tmp_path: Path) -> None:
    """Another one cannot read the entries made of them."""
    with pytest.raises(InvalidSetting, match="--triton-url"):
        plan(load({}, {**environment, "TRITON_SERVER_URL": "elsewhere:8001"}, tmp_path))


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", True), ("0.0.0.0", False)])
def test_everybody_is_an_operator_on_loopback_only(
    environment: dict[str, str], tmp_path: Path, host: str, expected: bool
) -> None:
    """An open address without keys serves everybody and obeys nobody."""
    chosen = plan(load({"host": host, "insecure": True}, environment, tmp_path))
    assert worker_configuration(chosen, tmp_path).open_operator is expected


def test_the_one_model_may_have_further_names(environment: dict[str, str], tmp_path: Path) -> None:
    """NIM's variable, several separated by commas; its own name among them changes nothing, adapters do not count."""
    named = {**environment, "NIM_SERVED_MODEL_NAME": "org/parrot, parrot"}
    chosen = plan(load({}, named, tmp_path))
    assert len(chosen.entries) == 2
    assert worker_configuration(chosen, tmp_path).aliases == {"org/parrot": "parrot"}


def test_further_names_for_several_models_are_refused(environment: dict[str, str], tmp_path: Path) -> None:
    """Nobody could know which is meant."""
    echo_chat(tmp_path / "store", "second")
    with pytest.raises(InvalidSetting, match=r"NIM_SERVED_MODEL_NAME.*argosy serve MODEL"):
        plan(load({}, {**environment, "NIM_SERVED_MODEL_NAME": "org/parrot"}, tmp_path))


def test_what_an_engine_cannot_do_is_a_warning_of_the_plan(environment: dict[str, str], tmp_path: Path) -> None:
    """`argosy serve` prints it before anything starts."""
    chosen = plan(load({}, {**environment, "NIM_TENSOR_PARALLEL_SIZE": "2"}, tmp_path))
    assert chosen.warnings == ("tensor_parallel_size=2 (NIM_TENSOR_PARALLEL_SIZE) has no effect on echo.",)


def test_limits_reach_the_gateway(environment: dict[str, str], tmp_path: Path) -> None:
    """It tells clients the length, and sends no call larger than a batch."""
    said = {"NIM_MAX_MODEL_LEN": "64", "NIM_MAX_INPUT_LENGTH": "32", "NIM_MAX_BATCH_SIZE": "8"}
    configuration = worker_configuration(plan(load({}, {**environment, **said}, tmp_path)), tmp_path)
    assert configuration.max_model_len == 64
    assert configuration.max_input_length == 32
    assert configuration.max_batch_size == 8
