"""Reading GGUF metadata, hostile files included."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import gguf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.readers.gguf_header import read_metadata
from tests.unit.server.artifacts.sources import LLAMA, gguf_file, gguf_string


def test_reads_what_the_reference_writer_wrote(tmp_path: Path) -> None:
    """Metadata written by the gguf package comes back."""
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(4096)
    writer.add_token_list(["<s>", "</s>", "zwölf"])
    writer.add_token_scores([0.0, 0.0, -1.0])
    writer.add_eos_token_id(1)
    writer.add_chat_template("{{ x }}")
    writer.add_bool("tokenizer.ggml.add_bos_token", True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    metadata = read_metadata(path)

    assert metadata.text("general.architecture") == "llama"
    assert metadata.number("llama.context_length") == 4096
    assert metadata.number("tokenizer.ggml.eos_token_id") == 1
    assert metadata.text("tokenizer.chat_template") == "{{ x }}"
    assert metadata.values["tokenizer.ggml.add_bos_token"] is True
    assert metadata.strings("tokenizer.ggml.tokens").get(2) == "zwölf"


def test_a_key_of_another_type_counts_as_absent(tmp_path: Path) -> None:
    """Asking for a number where a text stands gives None, and the other way an empty text."""
    metadata = read_metadata(gguf_file(tmp_path / "m.gguf", {"a": "text", "b": 1}))
    assert metadata.number("a") is None
    assert metadata.text("b") == ""
    assert metadata.strings("a").get(0) == ""


HEAD = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + gguf_string("k")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"PK\x03\x04" + bytes(64), "does not begin"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 62, 0), "tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 62), "metadata keys"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1 << 63), "longer than"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1000), "ends"),
        (HEAD + struct.pack("<IQ", 8, 1 << 40), "longer than"),
        (HEAD + struct.pack("<I", 77), "type 77"),
        (HEAD + struct.pack("<IIQ", 9, 4, 1 << 61), "elements"),
        (HEAD + struct.pack("<IIQ", 9, 4, 1000), "ends"),
        (HEAD + struct.pack("<IIQ", 9, 8, 4_000_000), "ends"),
        (HEAD + struct.pack("<IIQ", 9, 9, 1), "nests"),
        (HEAD + struct.pack("<I", 10), "ends"),
    ],
)
def test_a_hostile_header_is_refused_by_name(tmp_path: Path, data: bytes, says: str) -> None:
    """A count, length or type that cannot be right ends the reading with a message that names the file."""
    path = tmp_path / "evil.gguf"
    path.write_bytes(data)
    with pytest.raises(InvalidModelEntry, match=says) as caught:
        read_metadata(path)
    assert "evil.gguf" in caught.value.message


def test_a_key_twice_is_refused(tmp_path: Path) -> None:
    """Two values for one key would let two readers see two models."""
    path = tmp_path / "m.gguf"
    entry = gguf_string("k") + struct.pack("<II", 4, 1)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + entry + entry)
    with pytest.raises(InvalidModelEntry, match="twice"):
        read_metadata(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_file_never_escapes_the_error_tree(tmp_path: Path, data: st.DataObject) -> None:
    """Any bytes changed in a good file give metadata or InvalidModelEntry, nothing else."""
    path = gguf_file(tmp_path / "m.gguf", LLAMA)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(InvalidModelEntry):
        read_metadata(path).text("general.architecture")
