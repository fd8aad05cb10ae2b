"""Which space a model and a machine make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from argosy.analysis import derive
from argosy.analysis.derive import Machine, Subject
from argosy.core.errors import InvalidSetting
from argosy.runtime.model_config import read_message
from argosy.server.artifacts.places import bundled_store
from argosy.server.dataplane.encode import BatchOptions
from argosy.store.entries import CONFIG_FILE, ModelEntry, read_entry
from tests.suites.echo_models import echo_tensors

MACHINE = Machine(processors=4, memory=16 << 30, precisions=("f32", "bf16"), engine_threads=4)


def subject(entry: ModelEntry, machine: Machine = MACHINE) -> Subject:
    return Subject(entry.spec, read_message(entry.directory / CONFIG_FILE), machine)


@pytest.fixture
def encoder() -> Subject:
    return subject(read_entry(bundled_store() / "all-minilm-l6-v2"))


@pytest.fixture
def language_model() -> Subject:
    return subject(read_entry(bundled_store() / "abacus"))


def test_an_encoder_is_searched_in_everything_that_moves_it(encoder: Subject) -> None:
    """Batching, delay, instances, threads, streams and the precisions that its accuracy is known for."""
    assert derive.derive(encoder).to_mapping() == {
        "max_batch_size": [64, 128, 256],
        "queue_delay_us": [0, 500, 2000, 5000],
        "instances": [1, 2, 4],
        "threads": [1, 2, 4],
        "streams": [1, 2, 4],
        "precision": ["f32", "bf16"],
        "cpu_pinning": ["true", "false"],
    }


def test_the_gateway_s_calls_fit_every_configuration(encoder: Subject) -> None:
    """A smaller batch size than the gateway's calls would refuse them."""
    assert BatchOptions().rows <= derive.GATEWAY_ROWS
    assert min(derive.derive(encoder).to_mapping()["max_batch_size"]) >= derive.GATEWAY_ROWS


def test_a_machine_without_bf16_is_not_asked_for_it(encoder: Subject) -> None:
    """What falls back to f32 is f32."""
    plain = replace(encoder, machine=replace(MACHINE, precisions=("f32",)))
    assert derive.derive(plain).to_mapping()["precision"] == ["f32"]
    assert derive.current(derive.derive(plain), plain).get("precision") == "f32"
    with pytest.raises(InvalidSetting, match="bf16"):
        derive.derive(plain, ["bf16"])


def test_a_coarser_precision_than_was_measured_is_not_tried(encoder: Subject) -> None:
    """Without a figure for bf16, a model built for f32 stays at f32."""
    spec = replace(encoder.spec, profile=replace(encoder.spec.profile, precision="f32"), accuracy={})
    unproven = replace(encoder, spec=spec)
    assert derive.derive(unproven).to_mapping()["precision"] == ["f32"]
    assert derive.derive(unproven, ["f32", "bf16"]).to_mapping()["precision"] == ["f32", "bf16"]


def test_a_language_model_is_searched_in_its_scheduler(language_model: Subject) -> None:
    """Sequences, tokens a step, cache within a quarter of the memory, threads."""
    found = derive.derive(language_model).to_mapping()
    assert list(found) == ["max_num_seqs", "max_num_batched_tokens", "kv_cache_gib", "threads"]
    assert found["kv_cache_gib"] == [1, 2, 4]
    small = replace(language_model, machine=replace(MACHINE, memory=8 << 30))
    assert derive.derive(small).to_mapping()["kv_cache_gib"] == [1, 2]


def test_the_current_config_is_a_point_of_the_space(encoder: Subject, language_model: Subject) -> None:
    """With the engines' own defaults where the config is silent."""
    assert derive.current(derive.derive(encoder), encoder).to_mapping() == {
        "max_batch_size": 64,
        "queue_delay_us": 0,
        "instances": 1,
        "threads": 4,
        "streams": 2,
        "precision": "bf16",
        "cpu_pinning": "true",
    }
    current = derive.current(derive.derive(language_model), language_model)
    assert current.to_mapping() == {
        "max_num_seqs": 64,
        "max_num_batched_tokens": 256,
        "kv_cache_gib": 1,
        "threads": 4,
    }


def test_a_file_changes_the_space(encoder: Subject, tmp_path: Path) -> None:
    """Values replace the derived ones, new settings are added, an empty list drops one."""
    path = tmp_path / "space.yaml"
    path.write_text("instances: [1]\nstreams: []\nquantization_group: [32, 128]\ncpu_pinning: [true]\n")
    found = derive.with_file(derive.derive(encoder), path, encoder).to_mapping()
    assert found["instances"] == [1]
    assert "streams" not in found
    assert found["quantization_group"] == [32, 128]
    assert found["cpu_pinning"] == ["true"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_batch_size: [8]", "64 or more"),
        ("kv_cache_gib: [1]", "no setting of the engine openvino"),
        ("instances: 2", "must be a list"),
        ("instances: [-1]", "whole numbers from 0"),
        ("instances: [1.5]", "whole numbers from 0"),
        ("[1, 2]", "list of values for each setting"),
        ("instances: [1", "cannot be read as YAML"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(encoder: Subject, tmp_path: Path, text: str, words: str) -> None:
    """The message says what to write."""
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(InvalidSetting, match=words):
        derive.with_file(derive.derive(encoder), path, encoder)


def test_an_echo_has_the_scheduler_alone(tmp_path: Path) -> None:
    """An engine without settings of its own is searched in Triton's."""
    assert list(derive.derive(subject(echo_tensors(tmp_path))).to_mapping()) == [
        "max_batch_size",
        "queue_delay_us",
        "instances",
    ]
