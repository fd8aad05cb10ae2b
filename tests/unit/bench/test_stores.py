from pathlib import Path

import pytest

from argosy.core.models import Task
from argosy.store.entries import read_entry
from bench.stores import copy_without_batching, one_at_a_time, rename, write_echo

CONFIG = """name: "encoder"
backend: "argosy_openvino"
max_batch_size: 64
dynamic_batching {
  max_queue_delay_microseconds: 500
  default_queue_policy { max_queue_size: 10 }
}
input [{ name: "text" data_type: TYPE_STRING dims: [ 1 ] }]
instance_group [{ count: 1 kind: KIND_CPU }]
"""
SPEC = """schema: 1
name: encoder
task: embed
engine: openvino
text:
  dimensions: 384
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    entry = tmp_path / "encoder"
    (entry / "1").mkdir(parents=True)
    (entry / "1" / "model.xml").write_text("<net/>", encoding="utf-8")
    (entry / "config.pbtxt").write_text(CONFIG, encoding="utf-8")
    (entry / "argosy.yaml").write_text(SPEC, encoding="utf-8")
    return entry


def test_batching_is_taken_out_whole() -> None:
    """The block goes with everything nested in it, and one row at a time is left."""
    text = one_at_a_time(CONFIG)
    assert "dynamic_batching" not in text
    assert "max_queue_size" not in text
    assert "max_batch_size: 1\n" in text
    assert "input [{" in text
    assert "instance_group" in text


def test_a_model_without_batching_is_refused() -> None:
    """Turning off what was never on would compare a model with itself."""
    with pytest.raises(ValueError, match="no dynamic batching"):
        one_at_a_time('name: "a"\nmax_batch_size: 0\n')


def test_copy_reads_as_an_entry_of_its_own(source: Path, tmp_path: Path) -> None:
    """The copy has the new name in both files and the same model files."""
    copy_without_batching(source, tmp_path / "store", "unbatched")
    entry = read_entry(tmp_path / "store" / "unbatched")
    assert entry.name == "unbatched"
    assert (entry.newest / "model.xml").read_text(encoding="utf-8") == "<net/>"
    assert 'name: "unbatched"' in (entry.directory / "config.pbtxt").read_text(encoding="utf-8")


def test_rename_leaves_tensor_names_alone() -> None:
    """Only the entry's own line changes."""
    assert 'name: "text"' in rename(CONFIG, "encoder", "other")
    with pytest.raises(ValueError, match="found 0"):
        rename(CONFIG, "text", "other")


def test_echo_entry_is_a_language_model(tmp_path: Path) -> None:
    """The entry made for the gateway's overhead is read back as a generate model of the echo engine."""
    entry = read_entry(write_echo(tmp_path, "echo"))
    assert (entry.spec.engine, entry.spec.task) == ("echo", Task.GENERATE)
    assert "decoupled: true" in (entry.directory / "config.pbtxt").read_text(encoding="utf-8")


def test_echo_entry_has_a_chat_form_when_it_is_given_one(tmp_path: Path) -> None:
    """The template is a file of the entry, where the gateway reads it."""
    entry = read_entry(write_echo(tmp_path, "echo", chat_template="{{ messages }}"))
    assert entry.spec.generate is not None
    assert (entry.newest / str(entry.spec.generate.chat_template)).read_text(encoding="utf-8") == "{{ messages }}"
