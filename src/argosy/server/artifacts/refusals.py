"""What is never adopted, and what to do instead."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.readers.architectures import architectures
from argosy.server.artifacts.source import Source

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".npy", ".npz", ".joblib")
_OTHER_FORMATS = {
    ".keras": "tf2onnx",
    ".h5": "tf2onnx",
    ".tflite": "tf2onnx",
}
REMOTE_CODE = (
    "modeling_*.py",
    "configuration_*.py",
    "tokenization_*.py",
    "processing_*.py",
    "custom_*.py",
    "model.py",
)
CONFIGS = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")


def check_no_remote_code(source: Source) -> None:
    """Refuse a folder whose configs or files ask a loader to run code of the model's own.

    A Python file that no loader looks for (a training script kept for reference) is left alone: nothing opens it.

    Raises:
        InvalidModelEntry: the message names the file.
    """
    for config in CONFIGS:
        refuse_remote_code(str(source.root / config), source.json(config))
    for path in sorted(source.root.glob("*.py")):
        if any(fnmatch.fnmatchcase(path.name, pattern) for pattern in REMOTE_CODE):
            raise InvalidModelEntry(
                f"{path} is code that came with the model, which is never run. Use a model without it."
            )


def refuse_remote_code(where: str, config: Mapping[str, Any]) -> None:
    """Refuse a config that asks a loader to run code of the model's own.

    Raises:
        InvalidModelEntry: the message says where.
    """
    if "auto_map" in config:
        raise InvalidModelEntry(
            f"{where} has an auto_map: the model needs code of its own, which is never run. "
            "Use a model whose architecture is part of the transformers library."
        )


def refuse_file(path: Path) -> InvalidModelEntry:
    """Why the single file `path` cannot be served."""
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        return InvalidModelEntry(
            f"{path} is a format that can carry code (pickle) and is never opened. Convert the model where you trust "
            f"it and serve the result: {_export(path.parent)}"
        )
    if suffix == ".safetensors":
        return InvalidModelEntry(
            f"{path} holds weights without a network. Convert the model once and serve the result; run: "
            f"argosy convert {path.parent}"
        )
    if suffix in _OTHER_FORMATS:
        return InvalidModelEntry(
            f"{path} is not a format that runs here. Convert it to ONNX ({_OTHER_FORMATS[suffix]})."
        )
    return InvalidModelEntry(
        f"{path} is not a model file that runs here; known are .onnx, .xml (OpenVINO), .gguf and .plan (TensorRT)."
    )


def refuse_folder(source: Source) -> InvalidModelEntry:
    """Why the folder cannot be served."""
    root = source.root
    suffixes = {path.suffix.lower() for path in root.iterdir()}
    command = _export(root, source)
    if source.find("openvino_language_model.xml") or source.find("openvino_encoder_model.xml"):
        return InvalidModelEntry(
            f"{root} is a model of several networks (vision or encoder-decoder); they do not run here."
        )
    if ".safetensors" in suffixes:
        return InvalidModelEntry(
            f"{root} holds weights without a network. Convert it once and serve the result; run: argosy convert {root}"
        )
    if suffixes.intersection(PICKLES):
        return InvalidModelEntry(
            f"{root} holds only weights in a format that can carry code (pickle), which is never opened. Convert the "
            f"model where you trust it and serve the result: {command}"
        )
    if ".gguf" in suffixes:
        return InvalidModelEntry(f"{root} holds several .gguf files; name one of them.")
    return InvalidModelEntry(
        f"{root} holds no model. Expected argosy.yaml (a store entry), openvino_model.xml, model.onnx or a .gguf file."
    )


def _export(root: Path, source: Source | None = None) -> str:
    names = " ".join(architectures((source or Source(root)).json("config.json")))
    target = f"{root.name or 'model'}-openvino"
    if "ForCausalLM" in names:
        task = "text-generation-with-past --weight-format int8"
    elif "ForSequenceClassification" in names:
        task = "text-classification"
    else:
        task = "feature-extraction"
    return f"optimum-cli export openvino --model {root} --task {task} {target}"
