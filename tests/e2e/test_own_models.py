"""`argosy serve` with models that are not in a store: files and folders as people have them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from tests.e2e.running import Running, serve
from tests.suites.tiny_models import write_tiny_gguf
from tests.unit.server.artifacts.onnx_bytes import matmul

MODELS = Path(__file__).parents[2] / "models"


def test_a_gguf_an_encoder_folder_a_language_model_folder_and_an_onnx_file_are_served(tmp_path: Path) -> None:
    """Each becomes an entry in the cache, loads, proves itself by a canary, and answers."""
    write_tiny_gguf(tmp_path / "tiny.gguf")
    encoder = encoder_folder(tmp_path / "encoder")
    matmul(tmp_path / "linear.onnx")
    arguments = [
        str(tmp_path / "tiny.gguf"),
        f"mine={encoder}",
        f"sums={MODELS / 'abacus' / '1'}",
        str(tmp_path / "linear.onnx"),
        "all-minilm-l6-v2",
    ]
    with serve(tmp_path, *arguments, "--cache", str(tmp_path / "cache")) as service:
        service.wait_ready()
        names = {model["id"] for model in service.get("/v1/models").json()["data"]}
        assert names == {"tiny", "mine", "sums", "linear", "all-minilm-l6-v2"}
        check_recites(service)
        check_same_vectors(service)
        check_adds(service)
    assert not [path for path in (tmp_path / "cache").rglob("*") if "staging" in path.name and any(path.iterdir())]


def check_recites(service: Running) -> None:
    """The tiny model's text, nine tokens of it; characters of several bytes are spelled one byte a token."""
    body = {"model": "tiny", "prompt": "Once", "max_tokens": 9, "temperature": 0}
    choice = service.post("/v1/completions", body).json()["choices"][0]
    assert (choice["text"], choice["finish_reason"]) == (" river stoneé cloud garden日", "length")


def check_same_vectors(service: Running) -> None:
    """A Hugging Face encoder folder gives the vectors of the bundled entry made from the same files."""
    vectors = [
        service.post("/v1/embeddings", {"model": model, "input": "The ferry leaves at noon."}).json()["data"][0][
            "embedding"
        ]
        for model in ("mine", "all-minilm-l6-v2")
    ]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)


def check_adds(service: Running) -> None:
    body = {"model": "sums", "messages": [{"role": "user", "content": "What is 37 plus 45?"}], "temperature": 0}
    assert "82" in service.post("/v1/chat/completions", body).json()["choices"][0]["message"]["content"]


def encoder_folder(folder: Path) -> Path:
    """The bundled encoder in the layout of a Hugging Face folder with an OpenVINO export."""
    folder.mkdir()
    source = MODELS / "all-minilm-l6-v2" / "1"
    for name, target in (("model.xml", "openvino_model.xml"), ("model.bin", "openvino_model.bin")):
        shutil.copy(source / name, folder / target)
    shutil.copy(source / "tokenizer.json", folder / "tokenizer.json")
    (folder / "config.json").write_text(
        json.dumps({"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 384})
    )
    (folder / "modules.json").write_text(
        json.dumps(
            [
                {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
                {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
            ]
        )
    )
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 256, "do_lower_case": False}))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 384, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder
