from __future__ import annotations

from pathlib import Path

import pytest

from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task
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


def checkpoint(folder: Path, engine: str, profile: ProfileSpec, device: str = "cpu") -> ModelEntry:
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text(kv_cache("2"))
    (folder / "1" / "model.safetensors").write_bytes(b"\0" * (4 * MIB))
    text = GenerateSpec(context_length=64) if engine == "vllm" else None
    spec = ModelSpec("m", Task.EMBED, engine, source={"device": device}, profile=profile, generate=text)
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


@pytest.mark.parametrize("engine", ["torch", "vllm"])
@pytest.mark.parametrize(
    ("precision", "stored", "mebibytes"),
    [("f32", "fp32", 4), ("bf16", "fp32", 2), ("bf16", "bf16", 4), ("f16", "fp16", 4), ("f32", "bf16", 8)],
)
def test_a_checkpoint_is_kept_in_the_numbers_it_is_computed_in(
    tmp_path: Path, engine: str, precision: str, stored: str, mebibytes: int
) -> None:
    """4 MiB on disk are as many, half or twice as many in memory."""
    entry = checkpoint(tmp_path, engine, ProfileSpec(precision, stored))
    full = estimate(entry)
    (entry.newest / "model.safetensors").write_bytes(b"")
    assert full - estimate(entry) == mebibytes * MIB


def test_vllm_fills_its_cache_and_torch_has_none(tmp_path: Path) -> None:
    """The entry's own, or what an operator says for all."""
    text = checkpoint(tmp_path / "a", "vllm", ProfileSpec("bf16", "bf16"))
    assert estimate(text, kv_cache_gib=3) - estimate(text) == 1 << 30
    vectors = checkpoint(tmp_path / "b", "torch", ProfileSpec("f32", "fp32"))
    assert estimate(vectors, kv_cache_gib=3) == estimate(vectors)


def test_a_model_on_a_gpu_takes_its_process_of_the_machines_memory(tmp_path: Path) -> None:
    """Weights and cache are in the GPU's."""
    there = checkpoint(tmp_path / "a", "vllm", ProfileSpec("bf16", "bf16"), "gpu")
    here = checkpoint(tmp_path / "b", "vllm", ProfileSpec("bf16", "bf16"))
    assert estimate(here) - estimate(there) == (2 << 30) + 4 * MIB


@pytest.mark.parametrize(("device", "more"), [("cpu", 8), ("gpu", 0)])
def test_a_native_backend_has_no_process_of_its_own(tmp_path: Path, device: str, more: int) -> None:
    """Triton grows by a library and, on the processor, by the weights: less than any engine that is a process."""
    small = checkpoint(tmp_path / "small", "onnxruntime", ProfileSpec("f32", "fp32"), device)
    process = estimate(small) - more * MIB
    assert 0 < process < 60 * MIB
