"""A LoRA adapter changes the network as its file says, and one that does not fit is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13

from argosy.core.errors import InvalidModelEntry
from argosy.engines.openvino_genai.adapter import read_adapter
from argosy.engines.openvino_genai.engine import OpenVINOGenAIEngine
from tests.suites.engine_contract import run
from tests.suites.tiny_adapters import RANK, Matrices, random_matrices, write_adapter, write_safetensors
from tests.unit.engines.openvino_genai.abacus import abacus_engine, entry, question

SUM = "What is 12 + 30?"


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version folder with the bundled model's files."""
    directory = tmp_path / "1"
    directory.mkdir()
    for file in entry().newest.iterdir():
        (directory / file.name).symlink_to(file)
    return directory


@contextmanager
def started(version: Path, adapter: str | None) -> Iterator[OpenVINOGenAIEngine]:
    """An engine over a version folder."""
    engine = abacus_engine(adapter, version)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()


def likely(engine: OpenVINOGenAIEngine) -> list[tuple[bytes, float]]:
    """The tokens of a greedy answer, with their log-probabilities."""
    answer = run(engine, question(SUM, logprobs=True, max_tokens=16, ignore_eos=True))
    return [(token.token, token.logprob) for chunk in answer.chunks for token in chunk.logprobs]


def merge_by_hand(version: Path, matrices: Matrices, scale: float) -> None:
    """Put W + scale · B · A into the graph of a version folder, in place of W."""
    model = openvino.Core().read_model(version / "openvino_model.xml")
    merged = set()
    for node in model.get_ops():
        layer = next((name for name in matrices if f".{name}/" in node.get_friendly_name()), None)
        if node.get_type_name() != "MatMul" or layer is None:
            continue
        weight = node.input(1).get_source_output().get_node()
        while weight.get_type_name() != "Constant":
            weight = weight.input(0).get_source_output().get_node()
        down, up = matrices[layer]
        whole = weight.get_data().astype(np.float32) + np.float32(scale) * (up @ down)
        node.input(1).replace_source_output(opset13.constant(whole).output(0))
        merged.add(layer)
    assert merged == matrices.keys()
    for suffix in ("xml", "bin"):
        (version / f"openvino_model.{suffix}").unlink()
    openvino.save_model(model, version / "openvino_model.xml", compress_to_fp16=False)


@pytest.mark.parametrize(("alpha", "rslora", "scale"), [(RANK, False, 1.0), (2.0, False, 0.5), (1.5, True, 0.75)])
def test_adds_the_product_of_its_matrices(version: Path, alpha: float, rslora: bool, scale: float) -> None:
    """Answers and log-probabilities are those of a network whose weights are W + B·A·alpha/rank."""
    matrices = random_matrices()
    write_adapter(version / "lora", matrices, alpha=alpha, use_rslora=rslora)
    with started(version, None) as plain:
        before = likely(plain)
    with started(version, "lora") as adapted:
        told = likely(adapted)
    merge_by_hand(version, matrices, scale)
    with started(version, None) as merged:
        expected = likely(merged)
    assert [token for token, _ in told] == [token for token, _ in expected]
    assert [value for _, value in told] == pytest.approx([value for _, value in expected], abs=2e-3)
    assert [value for _, value in told] != pytest.approx([value for _, value in before], abs=2e-2)


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"peft_type": "IA3"}, "peft_type"),
        ({"r": 0}, "r"),
        ({"lora_alpha": "x"}, "lora_alpha"),
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"rank_pattern": {"q_proj": 8}}, "rank_pattern"),
        ({"alpha_pattern": {"q_proj": 8}}, "alpha_pattern"),
        ({"bias": "all"}, "biases"),
        ({"r": 8}, "rank 8"),
    ],
)
def test_refuses_what_it_cannot_apply(tmp_path: Path, config: dict[str, object], word: str) -> None:
    """A configuration that means more than two matrices a layer is `InvalidModelEntry` that names it."""
    write_adapter(tmp_path, random_matrices(), **config)
    with pytest.raises(InvalidModelEntry, match=word):
        read_adapter(tmp_path, entry().newest / "openvino_model.xml")


def test_refuses_an_adapter_of_another_model(tmp_path: Path) -> None:
    """A layer that the network does not have is named: too many layers, or other names."""
    graph = entry().newest / "openvino_model.xml"
    write_adapter(tmp_path, random_matrices(layers=5))
    with pytest.raises(InvalidModelEntry, match=r"layers\.4\.self_attn"):
        read_adapter(tmp_path, graph)
    write_adapter(tmp_path, {"model.layers.0.attention.wq": random_matrices()["model.layers.0.self_attn.q_proj"]})
    with pytest.raises(InvalidModelEntry, match="wq"):
        read_adapter(tmp_path, graph)


def test_refuses_an_adapter_of_another_width(version: Path) -> None:
    """Matrices of another width are refused when the engine starts, by the adapter's name."""
    write_adapter(version / "lora", random_matrices(width=128))
    engine = abacus_engine("lora", version)
    with pytest.raises(InvalidModelEntry, match=r"adapter_model\.safetensors"):
        engine.start()


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff" * 64])
def test_names_a_missing_or_broken_file(tmp_path: Path, name: str, content: bytes | None) -> None:
    """Each of the two files must be there and whole."""
    write_adapter(tmp_path, random_matrices())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidModelEntry, match=name):
        read_adapter(tmp_path, entry().newest / "openvino_model.xml")


def test_names_a_matrix_that_is_alone_or_none(tmp_path: Path) -> None:
    """Both matrices of a layer must be there, and nothing else; a file without any is no adapter."""
    graph = entry().newest / "openvino_model.xml"
    write_adapter(tmp_path, random_matrices())
    path = tmp_path / "adapter_model.safetensors"
    down = np.zeros((RANK, 256), dtype=np.float32)
    layer = "base_model.model.model.layers.0.self_attn.q_proj"
    cases = {"lacks": {f"{layer}.lora_A.weight": down}, "lora_embedding": {f"{layer}.lora_embedding_A": down}, "no": {}}
    for word, tensors in cases.items():
        write_safetensors(path, tensors)
        with pytest.raises(InvalidModelEntry, match=word):
            read_adapter(tmp_path, graph)


def test_needs_a_folder_of_openvinos(tmp_path: Path) -> None:
    """A GGUF file's layers have other names: its adapters are refused."""
    write_adapter(tmp_path, random_matrices())
    with pytest.raises(InvalidModelEntry, match="folder"):
        read_adapter(tmp_path, tmp_path / "model.gguf")


def test_other_keys_of_the_configuration_do_not_matter(tmp_path: Path) -> None:
    """PEFT writes many keys that change nothing here."""
    write_adapter(tmp_path, random_matrices(), alpha=8, task_type="CAUSAL_LM", inference_mode=True, loftq_config={})
    adapter = read_adapter(tmp_path, entry().newest / "openvino_model.xml")
    assert adapter.scale == 2.0
