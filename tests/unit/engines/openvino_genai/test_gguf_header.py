"""A GGUF file's metadata can be had without its weights."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest

from argosy.core.errors import InvalidModelEntry
from argosy.engines.openvino_genai.gguf_header import without_weights
from tests.suites.tiny_models import write_tiny_gguf


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    write_tiny_gguf(path)
    return path


def test_keeps_every_key_and_no_tensor(path: Path, tmp_path: Path) -> None:
    """The copy reads as a GGUF file with the same metadata."""
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(without_weights(path))
    whole, bare = gguf.GGUFReader(path), gguf.GGUFReader(copy)
    assert whole.tensors
    assert not bare.tensors
    ours = [key for key in whole.fields if not key.startswith("GGUF.")]
    assert ours == [key for key in bare.fields if not key.startswith("GGUF.")]
    assert all(whole.fields[key].contents() == bare.fields[key].contents() for key in ours)


def test_leaves_out_what_points_to_other_files(tmp_path: Path) -> None:
    """Keys of a model in several files are left out, values of every type are passed over."""
    path = tmp_path / "split.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint16("split.count", 2)
    for name, add in (("a", writer.add_uint8), ("b", writer.add_int16), ("c", writer.add_uint64)):
        add(name, 3)
    writer.add_bool("d", val=True)
    writer.add_float64("e", 1.5)
    writer.add_array("f", [1, 2, 3])
    writer.add_array("g", ["x", "é"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(without_weights(path))
    fields = gguf.GGUFReader(copy).fields
    assert "split.count" not in fields
    assert fields["g"].contents() == ["x", "é"]


@pytest.mark.parametrize("content", [b"", b"GGUF", b"nothing of the kind, but long enough to be read"])
def test_refuses_what_is_no_gguf_file(tmp_path: Path, content: bytes) -> None:
    """Another file is `InvalidModelEntry` that names it."""
    path = tmp_path / "other.gguf"
    path.write_bytes(content)
    with pytest.raises(InvalidModelEntry, match=r"other\.gguf"):
        without_weights(path)


@pytest.mark.parametrize("missing", [1, 100, 1000])
def test_refuses_a_file_that_ends_too_early(path: Path, missing: int) -> None:
    """Metadata that is cut off is refused and not guessed."""
    metadata = without_weights(path)
    path.write_bytes(path.read_bytes()[: len(metadata) - missing])
    with pytest.raises(InvalidModelEntry, match=r"model\.gguf"):
        without_weights(path)
