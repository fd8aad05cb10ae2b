"""What MODEL may be."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from argosy.core.errors import ConfigurationError, InvalidModelEntry
from argosy.server.artifacts.places import bundled_store
from argosy.server.profiles.find import facts_of, find
from tests.suites.hosts import DATA
from tests.unit.server.artifacts.sources import LLAMA, gguf_file

STORE = bundled_store()


def names(model: str | Path) -> list[str]:
    return [profile.name for profile in find(str(model), (STORE,))]


def test_a_name_in_the_store_is_the_entry() -> None:
    """Which was built as one profile."""
    assert names("all-minilm-l6-v2") == ["openvino-bf16-int8"]
    assert facts_of("all-minilm-l6-v2", (STORE,)) is None


def test_a_folder_that_is_an_entry_is_that_entry() -> None:
    """Wherever it lies."""
    assert names(STORE / "abacus") == ["openvino_genai-f32-fp16"]


def test_a_network_runs_where_its_form_is_read(tmp_path: Path) -> None:
    """OpenVINO's own only there, ONNX in four engines."""
    assert names(STORE / "all-minilm-l6-v2" / "1" / "model.xml") == ["openvino-bf16", "openvino-f32"]
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08")
    engines = {profile.needs.engine for profile in find(str(tmp_path), ())}
    assert engines == {"tensorrt", "onnxruntime", "openvino"}


def test_a_converted_language_model_keeps_the_weights_of_its_files(tmp_path: Path) -> None:
    """Four bytes for each of its parameters are fp32, two fp16."""
    for file in ("config.json", "openvino_model.xml", "openvino_model.bin"):
        shutil.copy(STORE / "abacus" / "1" / file, tmp_path / file)
    assert names(tmp_path) == ["openvino_genai-fp16"]


def test_a_gguf_file_runs_as_it_was_quantised(tmp_path: Path) -> None:
    """Its shape is in its header."""
    file = gguf_file(tmp_path / "tiny.gguf")
    facts = facts_of(str(file), ())
    assert facts is not None
    assert (facts.context, facts.weight_bytes) == (LLAMA["llama.context_length"], file.stat().st_size)
    assert len(names(file)) == 1


@pytest.mark.parametrize("model", ["absent", "./absent", "org/name-that-is-nowhere"])
def test_an_unknown_model_is_told_what_there_is(model: str) -> None:
    """By the names in the store."""
    with pytest.raises(ConfigurationError, match="all-minilm-l6-v2"):
        find(model, (STORE,))


def test_a_folder_or_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """With what was looked for."""
    with pytest.raises(InvalidModelEntry, match="holds no model"):
        find(str(tmp_path), ())
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InvalidModelEntry, match=r"neither a \.gguf"):
        find(str(tmp_path / "notes.txt"), ())


def test_a_config_alone_is_enough() -> None:
    """To know what would run before a byte of weights is fetched."""
    facts = facts_of(str(DATA / "models" / "llama-8b"), ())
    assert facts is not None
    assert facts.parameters == 8_030_261_248
