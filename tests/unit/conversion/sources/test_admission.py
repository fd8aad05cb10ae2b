"""What may be converted, told from names, sizes and small files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from argosy.app.conversion import artifacts
from argosy.conversion.sources.admission import admit
from argosy.conversion.sources.kinds import Kind
from argosy.core.errors import InvalidModelEntry


def folder(path: Path, architecture: str = "BertModel", weights: str = "model.safetensors", **more: Any) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"architectures": [architecture], "model_type": "bert", **more}))
    (path / "tokenizer.json").write_text("{}")
    (path / weights).write_bytes(b"\0" * 16)
    return path


@pytest.mark.parametrize(
    ("architecture", "more", "kind"),
    [
        ("BertModel", {}, Kind.ENCODER),
        ("BertForMaskedLM", {}, Kind.ENCODER),
        ("BertForSequenceClassification", {"id2label": {"0": "score"}}, Kind.CROSS_ENCODER),
        ("BertForSequenceClassification", {"id2label": {"0": "a", "1": "b", "2": "c"}}, Kind.SEQUENCE_CLASSIFIER),
        ("BertForTokenClassification", {}, Kind.TOKEN_CLASSIFIER),
        ("LlamaForCausalLM", {}, Kind.DECODER),
        ("ResNetForImageClassification", {}, Kind.IMAGE_CLASSIFIER),
    ],
)
def test_the_architecture_says_what_a_model_is(
    tmp_path: Path, architecture: str, more: dict[str, Any], kind: Kind
) -> None:
    """And the number of labels tells a ranker from a classifier."""
    assert admit(folder(tmp_path / "m", architecture, **more), "", artifacts()).kind is kind


def test_only_the_models_own_files_are_taken(tmp_path: Path) -> None:
    """Scripts and other formats of the weights stay behind; the licence is read from the card."""
    source = folder(tmp_path / "m")
    (source / "modeling.py").write_text("raise SystemExit")
    (source / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    admitted = admit(source, "", artifacts())
    assert set(admitted.files) == {"config.json", "tokenizer.json", "model.safetensors"}
    assert admitted.license == "mit"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pkl"])
def test_weights_in_a_pickle_are_never_opened(tmp_path: Path, name: str) -> None:
    """The message says how to save them without."""
    with pytest.raises(InvalidModelEntry, match="safe_serialization"):
        admit(folder(tmp_path / "m", weights=name), "", artifacts())


def test_code_of_the_models_own_is_refused(tmp_path: Path) -> None:
    """`auto_map` names it."""
    source = folder(tmp_path / "m", auto_map={"AutoModel": "modeling.Mine"})
    with pytest.raises(InvalidModelEntry, match=r"auto_map|code"):
        admit(source, "", artifacts())


def test_weights_that_are_a_link_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    """It could be any file of this machine."""
    source = folder(tmp_path / "m")
    (tmp_path / "secret").write_bytes(b"x")
    (source / "model.safetensors").unlink()
    (source / "model.safetensors").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidModelEntry):
        admit(source, "", artifacts())


def test_c5_a_config_nested_ten_thousand_deep_is_refused(tmp_path: Path) -> None:
    """Before a parser recurses into it."""
    source = folder(tmp_path / "m")
    (source / "config.json").write_text("[" * 10_000 + "]" * 10_000)
    with pytest.raises(InvalidModelEntry):
        admit(source, "", artifacts())


@pytest.mark.parametrize("architecture", ["T5ForConditionalGeneration", "GPT2LMHeadModel", ""])
def test_an_architecture_that_is_not_converted_is_named(tmp_path: Path, architecture: str) -> None:
    """With the ones that are, and the way round."""
    with pytest.raises(InvalidModelEntry, match=r"LlamaForCausalLM.*Export the model to ONNX"):
        admit(folder(tmp_path / "m", architecture), "", artifacts())


def test_a_task_that_the_model_cannot_do_is_refused(tmp_path: Path) -> None:
    """An encoder does not write."""
    with pytest.raises(InvalidModelEntry, match="task 'generate'"):
        admit(folder(tmp_path / "m"), "generate", artifacts())


def test_a_text_model_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    """The message says how to write it."""
    source = folder(tmp_path / "m")
    (source / "tokenizer.json").unlink()
    with pytest.raises(InvalidModelEntry, match="save_pretrained"):
        admit(source, "", artifacts())
