"""Model store entries of the echo engine, for every test that needs a model and not its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from argosy.core.tensors import DATATYPES
from argosy.store.entries import ModelEntry, read_entry

_TENSOR_CONFIG = """
backend: "argosy_echo"
max_batch_size: 8
input [ { name: "text" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "text" data_type: TYPE_STRING dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""

_CHAT_CONFIG = """
backend: "argosy_echo"
max_batch_size: 0
input [
  { name: "text_input" data_type: TYPE_STRING dims: [ 1 ] optional: true },
  { name: "input_ids" data_type: TYPE_INT32 dims: [ -1 ] optional: true },
  { name: "sampling_parameters" data_type: TYPE_STRING dims: [ 1 ] optional: true }
]
output [
  { name: "text_output" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "finish_reason" data_type: TYPE_STRING dims: [ 1 ] },
  { name: "num_input_tokens" data_type: TYPE_INT32 dims: [ 1 ] },
  { name: "num_output_tokens" data_type: TYPE_INT32 dims: [ 1 ] },
  { name: "logprobs" data_type: TYPE_STRING dims: [ 1 ] }
]
model_transaction_policy { decoupled: true }
instance_group [ { kind: KIND_CPU count: 1 } ]
"""

_NUMBERS_CONFIG = """
backend: "python"
max_batch_size: 0
input [ { name: "numbers" data_type: TYPE_FP32 dims: [ -1, 2 ] } ]
output [ { name: "numbers" data_type: TYPE_FP32 dims: [ -1, 2 ] } ]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""


def echo_tensors(
    store: Path,
    name: str = "echo",
    *,
    parameters: Mapping[str, str] | None = None,
    config: str = "dynamic_batching { }",
    max_tokens: int = 100_000,
) -> ModelEntry:
    """A model whose output `text` is its input `text`; see `argosy.engines.echo.options` for `parameters`."""
    spec = f"task: classify\nlabels: [one]\ntext: {{ max_tokens: {max_tokens} }}\n"
    return _entry(store, name, spec, _TENSOR_CONFIG + config, parameters)


def echo_chat(
    store: Path, name: str = "parrot", *, parameters: Mapping[str, str] | None = None, context_length: int = 1000
) -> ModelEntry:
    """A language model that repeats its prompt, one word a chunk."""
    spec = f"task: generate\ngenerate: {{ context_length: {context_length} }}\n"
    return _entry(store, name, spec, _CHAT_CONFIG, parameters)


def echo_anything(store: Path, name: str = "anything", *, parameters: Mapping[str, str] | None = None) -> ModelEntry:
    """A model that returns every input, one for each data type (`bool`, …, `bytes`) and an FP32 `matrix` [-1, 2].

    The output `fp32` has the labels `zero`, `one` and `two`.
    """
    dtypes = {kind: ("TYPE_STRING" if kind == "BYTES" else f"TYPE_{kind}", "-1") for kind in (*DATATYPES, "BF16")}
    tensors = {kind.lower(): given for kind, given in dtypes.items()} | {"matrix": ("TYPE_FP32", "-1, 2")}
    lines = []
    for tensor, (kind, dims) in tensors.items():
        shape = f'name: "{tensor}" data_type: {kind} dims: [ {dims} ]'
        labels = ' label_filename: "labels.txt"' if tensor == "fp32" else ""
        lines += [f"input [ {{ {shape} optional: true }} ]", f"output [ {{ {shape}{labels} }} ]"]
    config = "\n".join(('backend: "argosy_echo"', *lines, "instance_group [ { kind: KIND_CPU count: 1 } ]"))
    entry = _entry(store, name, "task: tensor\n", config, parameters)
    (entry.directory / "labels.txt").write_text("zero\none\ntwo\n", encoding="utf-8")
    return entry


def python_model(store: Path, name: str, code: str) -> ModelEntry:
    """A model of Triton's plain python backend, for faults that no engine of ours has."""
    entry = _entry(store, name, "task: tensor\n", _NUMBERS_CONFIG, None)
    (entry.newest / "model.py").write_text(code, encoding="utf-8")
    return entry


def _entry(store: Path, name: str, spec: str, config: str, parameters: Mapping[str, str] | None) -> ModelEntry:
    directory = store / name
    (directory / "1").mkdir(parents=True)
    for key, value in (parameters or {}).items():
        config += f'\nparameters {{ key: "{key}" value {{ string_value: "{value}" }} }}'
    (directory / "config.pbtxt").write_text(config, encoding="utf-8")
    (directory / "argosy.yaml").write_text(f"schema: 1\nname: {name}\nengine: echo\n{spec}", encoding="utf-8")
    return read_entry(directory)
