"""Facts of a folder in Hugging Face's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import Task
from argosy.server.artifacts.source import Source
from argosy.server.profiles.facts import Facts
from argosy.server.profiles.sources.transformers import read
from tests.suites.hosts import DATA

LLAMA = json.loads((DATA / "models" / "llama-8b" / "config.json").read_text())


def facts(folder: Path, **config: Any) -> Facts:
    """Of a folder with Llama's config, but for what is said."""
    (folder / "config.json").write_text(json.dumps({**LLAMA, **config}))
    return read(Source(folder), "model")


def test_parameters_are_those_the_model_really_has() -> None:
    """Llama 3.1 8B has 8,030,261,248; BERT base 109,482,240 with pooler, token types and biases, to 1 %."""
    llama = read(Source(DATA / "models" / "llama-8b"), "llama")
    assert llama.parameters == 8_030_261_248
    assert llama.weight_bytes == 2 * 8_030_261_248
    bert = read(Source(DATA / "models" / "bert-base"), "bert")
    assert bert.parameters == pytest.approx(109_482_240, rel=0.01)
    assert (bert.task, bert.stored) == (Task.EMBED, "fp32")


def test_weights_that_are_there_are_counted_by_their_bytes(tmp_path: Path) -> None:
    """The formula is for folders without them."""
    save_file({"w": np.zeros((1000, 10), dtype=np.float16)}, tmp_path / "model.safetensors")
    found = facts(tmp_path, dtype="float16")
    assert found.weight_bytes == (tmp_path / "model.safetensors").stat().st_size
    assert found.parameters == pytest.approx(10_000, rel=0.02)


def test_experts_are_all_counted(tmp_path: Path) -> None:
    """Mixtral 8x7B's shape has 46.7 billion."""
    found = facts(tmp_path, num_local_experts=8, vocab_size=32000)
    assert found.parameters == pytest.approx(46.7e9, rel=0.01)


@pytest.mark.parametrize(
    ("config", "stored", "quantization"),
    [
        ({"dtype": None, "torch_dtype": "torch.float16"}, "fp16", ""),
        ({"dtype": "float8_e4m3fn"}, "fp8", ""),
        ({"quantization_config": {"quant_method": "awq", "bits": 4}}, "int4", "awq"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 8}}, "int8", "gptq"),
        ({"quantization_config": {"quant_method": "fbgemm_fp8"}}, "fp8", "fbgemm_fp8"),
    ],
)
def test_how_weights_are_kept(tmp_path: Path, config: dict[str, Any], stored: str, quantization: str) -> None:
    """By the type of numbers or the method they were quantised by."""
    found = facts(tmp_path, **config)
    assert (found.stored, found.quantization) == (stored, quantization)


def test_a_model_of_text_and_images_is_known_by_its_text_part(tmp_path: Path) -> None:
    """Its shape stands in a section of its own."""
    text = {key: LLAMA[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")}
    config = {"architectures": ["LlavaForConditionalGeneration"], "text_config": {**text, "num_key_value_heads": 4}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = read(Source(tmp_path), "model")
    assert (found.task, found.layers, found.kv_heads, found.head_size) == (Task.GENERATE, 32, 4, 128)


def test_latent_attention_keeps_one_vector(tmp_path: Path) -> None:
    """DeepSeek V3's: 512 numbers and 64 for the position."""
    assert facts(tmp_path, kv_lora_rank=512, qk_rope_head_dim=64).latent == 576


@pytest.mark.parametrize(("labels", "task"), [({"0": "a"}, Task.RANK), ({"0": "a", "1": "b"}, Task.CLASSIFY)])
def test_a_classifier_of_one_label_is_a_cross_encoder(tmp_path: Path, labels: dict[str, str], task: Task) -> None:
    """As it is when such a folder is served."""
    assert facts(tmp_path, architectures=["BertForSequenceClassification"], id2label=labels).task is task


@pytest.mark.parametrize("config", ["[]", "", '{"hidden_size": -1}', '{"num_hidden_layers": 99999999999999}'])
def test_a_config_that_cannot_be_is_refused(tmp_path: Path, config: str) -> None:
    """Nothing is guessed from nonsense."""
    if config:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(InvalidModelEntry):
        read(Source(tmp_path), "model")
