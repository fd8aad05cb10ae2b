"""A language model's checkpoint is looked at before any library opens it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.engines.language_checkpoint import read_checkpoint
from tests.suites.tiny_checkpoints import write_tiny_checkpoint
from tests.suites.tiny_models import TinyLanguageModel


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The `config.json` of a sound checkpoint."""
    write_tiny_checkpoint(tmp_path)
    return tmp_path / "config.json"


def changed(config: Path, **values: object) -> Path:
    found = {name: value for name, value in {**json.loads(config.read_text()), **values}.items() if value is not None}
    config.write_text(json.dumps(found))
    return config


def test_what_a_checkpoint_says_of_itself(config: Path) -> None:
    """Weights by name, the vocabulary, and what ends an answer."""
    vocabulary = TinyLanguageModel.make().vocabulary
    found = read_checkpoint(config)
    assert found.directory == config.parent
    assert "lm_head.weight" in found.tensors
    assert found.vocabulary == len(vocabulary.tokens)
    assert found.end_tokens == (vocabulary.eos_id,)
    assert found.quantization == ""
    assert read_checkpoint(changed(config, quantization_config={"quant_method": "fp8"})).quantization == "fp8"


def test_the_generation_configs_end_tokens_win(config: Path) -> None:
    """There may be several."""
    (config.parent / "generation_config.json").write_text(json.dumps({"eos_token_id": [3, 4]}))
    assert read_checkpoint(config).end_tokens == (3, 4)


def test_every_file_that_the_index_names_must_be_there(config: Path) -> None:
    """The message names the one that is not; one elsewhere is no file of the checkpoint."""
    index = config.parent / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}))
    with pytest.raises(InvalidModelEntry, match=r"model-2\.safetensors is missing"):
        read_checkpoint(config)
    index.write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    with pytest.raises(InvalidModelEntry, match="beside it"):
        read_checkpoint(config)


@pytest.mark.parametrize("without", ["architectures", "vocab_size"])
def test_what_is_no_language_model_is_refused(config: Path, without: str) -> None:
    """A config must name an architecture and a vocabulary."""
    with pytest.raises(InvalidModelEntry, match="not a language model's"):
        read_checkpoint(changed(config, **{without: None}))


def test_a_broken_file_is_named(config: Path) -> None:
    """Or a missing one."""
    (config.parent / "model.safetensors").write_bytes(b"noise")
    with pytest.raises(InvalidModelEntry, match=r"model\.safetensors"):
        read_checkpoint(config)
    config.write_text("{")
    with pytest.raises(InvalidModelEntry, match=r"config\.json cannot be read"):
        read_checkpoint(config)
    config.unlink()
    with pytest.raises(InvalidModelEntry, match=r"config\.json is missing"):
        read_checkpoint(config)
