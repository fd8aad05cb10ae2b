from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.adapters.adopt import build, examine
from argosy.store.entries import ModelEntry, read_entry
from tests.suites.adapter_folders import HIDDEN, Shapes, adapter, pair
from tests.suites.echo_models import echo_chat, echo_tensors


@pytest.fixture
def base(tmp_path: Path) -> ModelEntry:
    """An echo model with the config of a decoder of two layers."""
    entry = echo_chat(tmp_path / "store")
    sizes = {"hidden_size": HIDDEN, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 12}
    (entry.newest / "config.json").write_text(json.dumps({**sizes, "num_key_value_heads": 1}))
    return entry


def test_an_adapter_becomes_an_entry_derived_from_its_base(base: ModelEntry, tmp_path: Path) -> None:
    """Its own name, its parent's files and the adapter beside them."""
    folder = adapter(tmp_path / "peft" / "loud")
    found = examine(folder, [base], 32)
    entry = build(found, tmp_path / "cache")
    assert (found.warning, found.config.rank) == ("", 2)
    assert (entry.name, entry.spec.parent, entry.spec.engine) == ("loud", "parrot", "echo")
    assert entry.spec.generate is not None
    assert entry.spec.generate.context_length == base.spec.generate.context_length  # type: ignore[union-attr]
    held = entry.newest / entry.spec.generate.adapter  # type: ignore[operator]
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (held / name).read_bytes() == (folder / name).read_bytes()
        assert not (held / name).is_symlink()
    assert (entry.newest / "config.json").is_file()
    assert 'name: "loud"' in (entry.directory / "config.pbtxt").read_text()
    assert read_entry(entry.directory) == entry


def test_the_same_adapter_is_made_once_and_a_changed_one_beside_it(base: ModelEntry, tmp_path: Path) -> None:
    """A form that is being served is never written to."""
    folder = adapter(tmp_path / "peft" / "loud")
    first = build(examine(folder, [base], 32), tmp_path / "cache")
    assert build(examine(folder, [base], 32), tmp_path / "cache").directory == first.directory
    adapter(folder, lora_alpha=8)
    second = build(examine(folder, [base], 32), tmp_path / "cache")
    assert second.directory != first.directory
    assert read_entry(first.directory) == first


def test_another_base_gives_another_entry(base: ModelEntry, tmp_path: Path) -> None:
    """The base's files are part of what an adapter's entry is made from."""
    folder = adapter(tmp_path / "peft" / "loud")
    first = build(examine(folder, [base], 32), tmp_path / "cache")
    (base.newest / "weights").write_text("new")
    assert build(examine(folder, [base], 32), tmp_path / "cache").directory != first.directory


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"peft_type": "IA3"}, "only LORA"),
        ({"peft_type": None}, "only LORA"),
        ({"task_type": "SEQ_CLS"}, "CAUSAL_LM"),
        ({"r": 33}, "--max-lora-rank"),
        ({"r": 0}, "whole number"),
        ({"r": True}, "whole number"),
        ({"r": "8"}, "whole number"),
        ({"lora_alpha": None}, "lora_alpha"),
        ({"lora_alpha": -1}, "lora_alpha"),
        ({"lora_alpha": 10**400}, "lora_alpha"),
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"rank_pattern": {"q_proj": 4}}, "rank_pattern"),
        ({"alpha_pattern": {"q_proj": 4}}, "alpha_pattern"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out"),
        ({"bias": "all"}, "biases"),
        ({"bias": ["none"]}, "biases"),
        ({"task_type": {}, "use_dora": [1]}, "use_dora"),
        ({"init_lora_weights": "pissa_niter_16"}, "pissa"),
        ({"init_lora_weights": "loftq"}, "loftq"),
        ({"base_model_name_or_path": 7}, "must be a text"),
        ({"base_model_name_or_path": "x" * 1000}, "must be a text"),
    ],
)
def test_a_config_that_cannot_be_applied_is_refused(
    base: ModelEntry, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    """By the name of what is wrong."""
    with pytest.raises(InvalidModelEntry, match=words):
        examine(adapter(tmp_path / "peft" / "loud", **changes), [base], 32)


LAYER = "model.layers.0.self_attn"


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (pair(rank=4), "rank 2"),
        (pair(wide=HIDDEN + 1), "another model"),
        (pair("model.layers.2.self_attn.q_proj"), "2 layers"),
        (pair(f"{LAYER}.k_proj"), "another model"),
        ({}, "no matrices"),
        ({f"base_model.model.{LAYER}.q_proj.lora_A.weight": (2, HIDDEN)}, "only one"),
        ({**pair(), "base_model.model.lm_head.weight": (2, 2)}, "not a matrix"),
        ({**pair(), "base_model.model.x.lora_embedding_A": (2, 2)}, "not a matrix"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(base: ModelEntry, tmp_path: Path, tensors: Shapes, words: str) -> None:
    """Before an engine sees them."""
    with pytest.raises(InvalidModelEntry, match=words):
        examine(adapter(tmp_path / "peft" / "loud", tensors=tensors), [base], 32)


def test_grouped_keys_and_the_feed_forward_fit(base: ModelEntry, tmp_path: Path) -> None:
    """Every projection has the size that the base's config gives it."""
    sizes = {"k_proj": (8, 4), "v_proj": (8, 4), "o_proj": (8, 8), "gate_proj": (8, 12), "down_proj": (12, 8)}
    tensors: dict[str, tuple[int, ...]] = {}
    for name, (inputs, outputs) in sizes.items():
        tensors[f"base_model.model.model.layers.1.{name}.lora_A.weight"] = (2, inputs)
        tensors[f"base_model.model.model.layers.1.{name}.lora_B.weight"] = (outputs, 2)
    assert examine(adapter(tmp_path / "peft" / "loud", tensors=tensors), [base], 32).base is base


@pytest.mark.parametrize("weights", ["adapter_model.bin", "adapter_model.pt"])
def test_pickled_weights_are_never_opened(base: ModelEntry, tmp_path: Path, weights: str) -> None:
    """The message says how to save them otherwise."""
    folder = adapter(tmp_path / "peft" / "loud")
    (folder / "adapter_model.safetensors").rename(folder / weights)
    with pytest.raises(InvalidModelEntry, match="safe_serialization"):
        examine(folder, [base], 32)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_missing_file_is_named(base: ModelEntry, tmp_path: Path, name: str) -> None:
    """As is one that is a link to nothing."""
    folder = adapter(tmp_path / "peft" / "loud")
    (folder / name).unlink()
    with pytest.raises(InvalidModelEntry, match=name):
        examine(folder, [base], 32)
    (folder / name).symlink_to(tmp_path / "nothing")
    with pytest.raises(InvalidModelEntry, match=name):
        examine(folder, [base], 32)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_link_out_of_the_folder_is_refused(base: ModelEntry, tmp_path: Path, name: str) -> None:
    """An adapter cannot make the server read another file."""
    folder = adapter(tmp_path / "peft" / "loud")
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(InvalidModelEntry, match="leads out"):
        examine(folder, [base], 32)


@pytest.mark.parametrize("name", ["Loud", "loud adapter", "..", "x" * 65])
def test_a_folder_whose_name_is_no_model_name_is_refused(base: ModelEntry, tmp_path: Path, name: str) -> None:
    """The message says what a name is made of."""
    with pytest.raises(InvalidModelEntry, match="name"):
        examine(tmp_path / "peft" / name, [base], 32)


@pytest.mark.parametrize("named", ["parrot", "acme/Parrot", "parrot/"])
def test_the_base_is_found_by_its_name(base: ModelEntry, tmp_path: Path, named: str) -> None:
    """Also when the trainer knew it by its address."""
    other = echo_chat(tmp_path / "store", "other")
    found = examine(adapter(tmp_path / "peft" / "loud", base_model_name_or_path=named), [other, base], 32)
    assert (found.base, found.warning) == (base, "")


def test_the_base_is_found_by_its_source(base: ModelEntry, tmp_path: Path) -> None:
    """The id in its `argosy.yaml`."""
    spec = base.directory / "argosy.yaml"
    spec.write_text(spec.read_text() + "source: {id: acme/speaker-1b}\n")
    known, other = read_entry(base.directory), echo_chat(tmp_path / "store", "other")
    folder = adapter(tmp_path / "peft" / "loud", base_model_name_or_path="acme/speaker-1b")
    assert examine(folder, [other, known], 32).base is known


def test_an_adapter_runs_as_its_base_does(base: ModelEntry, tmp_path: Path) -> None:
    """A profile that was chosen for the base is its adapters' too: device, and GPUs that share each layer."""
    spec = base.directory / "argosy.yaml"
    spec.write_text(spec.read_text() + "source: {id: a/b, device: gpu, profile: {id: x, name: y, tags: {tp: '2'}}}\n")
    known = read_entry(base.directory)
    source = build(examine(adapter(tmp_path / "loud"), [known], 32), tmp_path / "cache").spec.source
    assert (source["device"], source["profile"]["tags"]) == ("gpu", {"tp": "2"})
    assert "id" not in source


def test_the_only_language_model_is_taken_with_a_warning(base: ModelEntry, tmp_path: Path) -> None:
    """Embedding models do not count."""
    folder = adapter(tmp_path / "peft" / "loud", base_model_name_or_path="acme/unheard-of")
    found = examine(folder, [echo_tensors(tmp_path / "store"), base], 32)
    assert found.base is base
    assert "acme/unheard-of" in found.warning


def test_a_base_that_is_not_served_is_named(base: ModelEntry, tmp_path: Path) -> None:
    """With those that are."""
    folder = adapter(tmp_path / "peft" / "loud", base_model_name_or_path="acme/unheard-of")
    with pytest.raises(InvalidModelEntry, match=r"acme/unheard-of.*parrot, other"):
        examine(folder, [base, echo_chat(tmp_path / "store", "other")], 32)


def test_an_engine_that_takes_no_adapters_is_named(base: ModelEntry, tmp_path: Path) -> None:
    """Rather than serving the base under another name."""
    spec = base.directory / "argosy.yaml"
    spec.write_text(spec.read_text().replace("engine: echo", "engine: openvino"))
    with pytest.raises(InvalidModelEntry, match="'openvino' takes no adapters"):
        examine(adapter(tmp_path / "peft" / "loud"), [read_entry(base.directory)], 32)
