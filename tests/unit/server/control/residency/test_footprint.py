from __future__ import annotations

from pathlib import Path

from argosy.core.models import GenerateSpec, ModelSpec, Task
from argosy.server.control.residency.footprint import estimate, weights
from argosy.store.entries import ModelEntry
from tests.suites.echo_models import echo_tensors

MIB = 1 << 20


def language_model(folder: Path, parameters: str = "") -> ModelEntry:
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(f'backend: "argosy_openvino_genai"\n{parameters}')
    (folder / "1" / "openvino_model.bin").write_bytes(b"\0" * (3 * MIB))
    (folder / "1" / "tokenizer.json").write_bytes(b"\0" * MIB)
    spec = ModelSpec("talker", Task.GENERATE, "openvino_genai", generate=GenerateSpec(context_length=64))
    return ModelEntry(spec, folder, (1,))


def kv_cache(gib: str) -> str:
    return f'parameters {{ key: "kv_cache_gib" value {{ string_value: "{gib}" }} }}'


def test_weights_are_the_weight_files_links_followed(tmp_path: Path) -> None:
    """A tokenizer is none; a link to another model's weights costs memory like a copy."""
    entry = language_model(tmp_path / "a")
    (entry.newest / "more.safetensors").symlink_to(entry.newest / "openvino_model.bin")
    assert weights(entry) == 6 * MIB
    (entry.newest / "openvino_model.bin").unlink()
    assert weights(entry) == 0


def test_weights_count_twice_where_the_engine_lays_them_out_anew(tmp_path: Path) -> None:
    """3 MiB more on disk are 6 MiB more in memory."""
    entry = language_model(tmp_path / "a")
    before = estimate(entry)
    (entry.newest / "second.bin").write_bytes(b"\0" * (3 * MIB))
    assert estimate(entry) - before == 6 * MIB


def test_all_of_the_kv_cache_counts(tmp_path: Path) -> None:
    """As configured, or as an operator says for all."""
    default = estimate(language_model(tmp_path / "a"))
    own = language_model(tmp_path / "b", kv_cache("4"))
    assert estimate(own) - default == 3 << 30
    assert estimate(own, kv_cache_gib=2) - default == 1 << 30
    assert estimate(language_model(tmp_path / "c", kv_cache("what?"))) == default


def test_every_instance_is_a_process_with_its_own_weights(tmp_path: Path) -> None:
    """As configured, or as an operator says for all."""
    one = echo_tensors(tmp_path, "one")
    three = echo_tensors(tmp_path, "three", config="instance_group [ { count: 2 } ]")
    assert estimate(three) == 3 * estimate(one)
    assert estimate(three, instances=2) == 2 * estimate(one)


def test_a_config_that_cannot_be_read_is_no_error_here(tmp_path: Path) -> None:
    """The load will say what is wrong with it."""
    entry = language_model(tmp_path / "a")
    usual = estimate(entry)
    (entry.directory / "config.pbtxt").write_text("backend: {")
    assert estimate(entry) == usual
