"""Repositories for the test hub, made of the small real sources."""

from __future__ import annotations

from pathlib import Path

from tests.suites import checkpoints
from tests.suites.hub_server import HubServer, Repository
from tests.unit.server.artifacts.onnx_bytes import matmul
from tests.unit.server.artifacts.sources import encoder_folder, gguf_file

NOISE = {
    "pytorch_model.bin": b"a pickle",
    "model.safetensors": b"weights for somebody else",
    "onnx/model.onnx": b"a second network",
    "train.py": b"raise SystemExit",
    "README.md": b"# A card",
    "trainer_state.json": b"{}",
    "tf_model.h5": b"h5",
}


def folder_files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put_encoder(hub: HubServer, work: Path, name: str = "acme/Small-Encoder") -> Repository:
    """An encoder with an OpenVINO network among much that serving does not need."""
    files = folder_files(encoder_folder(work / "encoder-source"))
    hub.repositories[name] = Repository({**NOISE, **files, "LICENSE": b"Apache License 2.0"})
    return hub.repositories[name]


def put_checkpoint(hub: HubServer, work: Path, name: str = "acme/Plain") -> Repository:
    """An encoder's weights, in two forms, and no network."""
    files = folder_files(checkpoints.encoder(work / "checkpoint-source"))
    hub.repositories[name] = Repository({**files, "pytorch_model.bin": b"a pickle", "LICENSE": b"Apache License 2.0"})
    return hub.repositories[name]


def put_gguf(hub: HubServer, work: Path, name: str = "acme/tiny-GGUF", *, size: int = 0) -> Repository:
    """Two GGUF files; the first is filled up to `size` bytes."""
    work.mkdir(parents=True, exist_ok=True)
    data = gguf_file(work / "tiny.gguf").read_bytes()
    pattern = b"".join(number.to_bytes(4, "little") for number in range(1 << 14))
    filler = (pattern * (size // len(pattern) + 1))[: max(size - len(data), 0)]
    hub.repositories[name] = Repository({"tiny-Q8_0.gguf": data + filler, "tiny-F16.gguf": data, "config.json": b"{}"})
    return hub.repositories[name]


def put_onnx(hub: HubServer, work: Path, name: str = "acme/double") -> Repository:
    """An ONNX network with its weights beside it."""
    matmul(work / "onnx" / "model.onnx", location="model.onnx_data")
    hub.repositories[name] = Repository(folder_files(work / "onnx"))
    return hub.repositories[name]
