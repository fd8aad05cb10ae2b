"""Which files of a repository are taken."""

from __future__ import annotations

import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.cache.digests import Digest
from argosy.server.artifacts.fetch.hub import RemoteFile
from argosy.server.artifacts.fetch.selection import Choice, choose
from argosy.server.artifacts.reference import HubReference

PICKLES = ["pytorch_model.bin", "model.pt", "flax_model.msgpack", "rust_model.ot", "tf_model.h5", "x.pkl", "a.npz"]
CODE = ["run.py", "lib.so", "setup.sh"]


def chosen(paths: list[str], file: str = "") -> Choice:
    files = [RemoteFile(path, 10 if path.endswith("json") else 1000, Digest("git", "0" * 40)) for path in paths]
    return choose(HubReference("org/name", file=file), files)


def names(paths: list[str], file: str = "") -> set[str]:
    return {found.path for found in chosen([*paths, *(PICKLES if not file else []), *CODE], file).files}


def test_r6_a_network_with_its_tokenizer() -> None:
    """R6: of many formats one is taken, with its configs; no pickle, library or code."""
    paths = ["config.json", "tokenizer.json", "vocab.txt", "model.safetensors", "onnx/model.onnx",
             "onnx/model_O2.onnx", "onnx/model.onnx_data", "1_Pooling/config.json", "modules.json",
             "trainer_state.json", "LICENSE"]  # fmt: skip
    assert names(paths) == {"config.json", "tokenizer.json", "vocab.txt", "onnx/model.onnx", "onnx/model.onnx_data",
                            "1_Pooling/config.json", "modules.json", "LICENSE"}  # fmt: skip


def test_an_ir_comes_before_onnx() -> None:
    """The form that loads fastest is taken, both files of it."""
    paths = ["config.json", "onnx/model.onnx", "openvino/openvino_model.xml", "openvino/openvino_model.bin"]
    assert names(paths) == {"config.json", "openvino/openvino_model.xml", "openvino/openvino_model.bin"}


def test_an_openvino_language_model() -> None:
    """Its tokenizers are networks too, and configs here."""
    files = [f"openvino_{kind}.{end}" for kind in ("model", "tokenizer", "detokenizer") for end in ("xml", "bin")]
    assert names([*files, "config.json", "chat_template.jinja"]) == {*files, "config.json", "chat_template.jinja"}


def test_small_files_come_first() -> None:
    """A model that is refused for its config costs no download of weights."""
    assert [file.path for file in chosen(["model.onnx", "config.json"]).files] == ["config.json", "model.onnx"]


def test_a_saved_model() -> None:
    """Graph and variables; assets and Keras' notes stay behind."""
    paths = ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001", "assets/x.txt",
             "keras_metadata.pb"]  # fmt: skip
    assert names(paths) == {"saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"}


def test_weights_alone_are_for_conversion() -> None:
    """Safetensors with their index, and a mark that says so."""
    paths = [
        "config.json",
        "model-00001-of-00002.safetensors",
        "model.safetensors.index.json",
        "2_Dense/model.safetensors",
    ]
    choice = chosen(paths)
    assert choice.weights_only
    assert {file.path for file in choice.files} == set(paths)


def test_a_single_file_brings_its_other_half() -> None:
    """Weights kept beside a network come with it, nothing else does."""
    paths = ["a.onnx", "a.onnx_data", "b.onnx", "x.xml", "x.bin", "config.json", "q.gguf"]
    assert names(paths, "a.onnx") == {"a.onnx", "a.onnx_data"}
    assert names(paths, "x.xml") == {"x.xml", "x.bin"}
    assert names(paths, "q.gguf") == {"q.gguf"}


@pytest.mark.parametrize(
    ("paths", "file", "says"),
    [
        (["pytorch_model.bin", "config.json"], "", "pickle"),
        (["model.pt"], "", "pickle"),
        (["README.md"], "", "no model that runs here.*README"),
        (["a.gguf", "b.gguf"], "", r"name one: hf://org/name/a\.gguf"),
        (["a.onnx", "b.onnx"], "", r"name one: hf://org/name/a\.onnx"),
        (["modeling_x.py", "model.onnx"], "", "code of its own"),
        (["a.gguf"], "b.gguf", r"no file 'b\.gguf'.*a\.gguf"),
        (["model.pt"], "model.pt", "not a model file"),
        (["lib.so"], "lib.so", "not a model file"),
        (["run.py"], "run.py", "not a model file"),
        (["x.xml"], "x.xml", r"needs x\.bin"),
        (["../x_Pooling/config.json", "model.onnx"], "", "plain relative paths"),
        (["CONFIG.json", "config.json", "model.onnx"], "", "one file elsewhere"),
    ],
)
def test_r6_what_cannot_be_served_is_refused(paths: list[str], file: str, says: str) -> None:
    """R1, R6: before a byte is downloaded, with what to name instead."""
    with pytest.raises(InvalidModelEntry, match=says):
        chosen(paths, file)
