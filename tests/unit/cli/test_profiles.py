"""`argosy profiles`, its aliases, and `argosy serve --dry-run`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from argosy.cli import group
from argosy.core.errors import InvalidSetting, NotCached
from argosy.server.artifacts.fetch.fetch import Fetcher, FetchOptions
from argosy.server.artifacts.places import bundled_store
from argosy.server.artifacts.reference import HubReference
from tests.suites.hosts import DATA
from tests.suites.hub_server import Repository, serve_hub

MODEL = str(DATA / "models" / "llama-1b")


def run(*arguments: str, **variables: str) -> Result:
    return CliRunner(env={"COLUMNS": "250", **variables}).invoke(group, arguments)


def host(name: str) -> tuple[str, str]:
    return ("--host", str(DATA / "hosts" / f"{name}.json"))


def test_the_table_marks_what_is_chosen_and_explains_the_rest() -> None:
    """One line for the machine, one for each profile, one for the choice."""
    result = run("profiles", MODEL, *host("t4"))
    assert result.exit_code == 0
    assert "GPU 0: T4 16GB, 15.0 GiB, 14.6 free, compute capability 7.5" in result.output
    chosen = next(line for line in result.output.splitlines() if "➜" in line)
    assert "vllm-fp16-tp1-pp1-throughput" in chosen
    assert "needs compute capability 8.9, has 7.5" in result.output
    assert "vllm-fp16-tp1-pp1-throughput: the best ranked of 4 that run here, of 26." in result.output


@pytest.mark.parametrize(("machine", "taken"), [("this-machine", "nothing")])
def test_what_is_served_without_a_build_step_is_told(machine: str, taken: str) -> None:
    """Where the best has to be built first."""
    assert f"As the files are, argosy serve takes {taken}." in run("profiles", MODEL, *host(machine)).output
    assert "As the files are" not in run("profiles", MODEL, *host("t4")).output


def test_json_has_the_same_for_programs() -> None:
    """With the arithmetic in bytes."""
    document = json.loads(run("profiles", MODEL, "--json", *host("laptop-8gb")).output)
    (model,) = document["models"]
    by_name = {profile["name"]: profile for profile in model["profiles"]}
    low = by_name["vllm-bf16-tp1-pp1-throughput"]
    assert low["status"] == "low_memory"
    assert low["reasons"][0]["remedy"] == f"--max-model-len {low['max_model_len']}"
    assert low["memory"]["needed"] > low["memory"]["usable"]
    assert model["selected"] == by_name["vllm-fp8-tp1-pp1-throughput"]["id"]
    assert document["host"]["gpus"][0]["name"] == "NVIDIA GeForce RTX 4060 Laptop GPU"


def test_a_shorter_context_makes_little_memory_enough() -> None:
    """By the flag or its NIM variable."""
    for result in (
        run("profiles", MODEL, "--json", "--max-model-len", "8192", *host("laptop-8gb")),
        run("profiles", MODEL, "--json", *host("laptop-8gb"), NIM_MAX_MODEL_LEN="8192"),
    ):
        (model,) = json.loads(result.output)["models"]
        assert not [profile for profile in model["profiles"] if profile["status"] == "low_memory"]


def test_without_a_model_the_whole_store_is_meant() -> None:
    """On this machine every bundled model has its profile."""
    document = json.loads(run("profiles", "--json").output)
    assert [model["model"] for model in document["models"]] == [
        "abacus",
        "all-minilm-l6-v2",
        "minilm-reranker",
        "minilm-sentiment",
    ]
    assert all(model["selected"] for model in document["models"])


@pytest.mark.parametrize("verb", ["list-model-profiles", "list-profiles"])
def test_nims_verbs_print_nims_form(verb: str) -> None:
    """Both names."""
    result = run(verb, MODEL, *host("t4"))
    assert result.exit_code == 0
    assert result.output.splitlines()[:2] == ["SYSTEM INFO", "- Free GPUs:"]
    assert "- Incompatible with system:" in result.output


def test_a_manifest_file_is_judged_in_place_of_a_model(tmp_path: Path) -> None:
    """As NIM's `-m` has it."""
    file = tmp_path / "model_manifest.yaml"
    file.write_text(f"{'a' * 64}: {{model: org/x, tags: {{llm_engine: vllm, precision: fp16, tp: '1'}}}}")
    result = run("list-model-profiles", "-m", str(file), *host("t4"))
    assert f"  - {'a' * 64} (vllm-fp16-tp1)" in result.output


@pytest.mark.parametrize("variable", ["ARGOSY_MODEL_PROFILE", "NIM_MODEL_PROFILE", "NIM_TAGS_SELECTOR"])
def test_tags_narrow_the_list(variable: str) -> None:
    """From the variable of each dialect."""
    result = run("profiles", MODEL, "--json", **{variable: "precision=int8,engine=openvino_genai"})
    (model,) = json.loads(result.output)["models"]
    assert [profile["name"] for profile in model["profiles"]] == ["openvino_genai-int8"]


def test_an_unknown_profile_is_an_error_that_lists_what_there_is() -> None:
    """Before anything is started."""
    for verb in (("profiles", MODEL), ("serve", "abacus", "--dry-run")):
        result = run(*verb, "--model-profile", "nonsense")
        assert isinstance(result.exception, InvalidSetting)
        assert "No profile is 'nonsense'" in result.exception.message


def test_a_dry_run_says_what_would_be_served_and_starts_nothing() -> None:
    """Exit code 0; the reason and the memory stand beside the profile."""
    result = run("serve", "abacus", "--dry-run", "--port", "1", "--model-profile", "openvino_genai-f32-fp16")
    assert result.exit_code == 0
    assert f"abacus: {bundled_store() / 'abacus'}" in result.output
    assert "(openvino_genai-f32-fp16)" in result.output
    assert "Why: asked for by --model-profile; compatible: weights 0.01" in result.output
    assert "Starting Triton" not in result.output


def test_a_model_of_a_hub_is_judged_once_it_is_in_the_cache(tmp_path: Path) -> None:
    """It is never fetched to be judged; the error says how it is."""
    config = (DATA / "models" / "llama-1b" / "config.json").read_bytes()
    arguments = ("profiles", "org/llama", "--json", *host("t4"), "--cache", str(tmp_path))
    with serve_hub() as hub:
        hub.repositories["org/llama"] = Repository({"config.json": config, "model.safetensors": bytes(1 << 20)})
        result = run(*arguments, ARGOSY_HUB_ENDPOINT=hub.endpoint)
        assert isinstance(result.exception, NotCached)
        assert "argosy pull org/llama" in result.exception.message
        assert not hub.asked
        Fetcher(tmp_path, FetchOptions(endpoint=hub.endpoint)).fetch(HubReference("org/llama"))
    (model,) = json.loads(run(*arguments).output)["models"]
    assert (model["model"], len(model["profiles"])) == ("llama", 26)
    assert model["profiles"][0]["memory"]["weights"] == 1 << 20


def test_help_has_examples() -> None:
    """Each verb shows a command line."""
    assert "argosy profiles ./Llama-3.1-8B --host h100.json" in run("profiles", "--help").output
    assert "argosy list-model-profiles -m" in run("list-model-profiles", "--help").output
    assert "--dry-run" in run("serve", "--help").output
