"""What is sent to a model: made from its task and its tensors, or read from a file of examples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from argosy.analysis.load.texts import Texts
from argosy.core.errors import InvalidRequest, InvalidSetting
from argosy.core.models import ModelSpec, Task
from argosy.core.tensors import DATATYPES, Tensor
from argosy.runtime.contract import InferRequest
from argosy.runtime.model_config import ModelConfig, ModelTensor

SAMPLING = "sampling_parameters"
_LARGEST_FILE = 256 << 20
_LONGEST_ANSWER = 64
_SHORTEST_ANSWER = 16
_TOKENS_PER_WORD = 2
"""Upper estimate for English, so that no text is over a model's limit."""
_POOL = 64
_IMAGE_SIDE = 224
_FREE_SIDE = 16


class Inputs(Protocol):
    """A supply of requests; the n-th is the same in every run."""

    def at(self, number: int) -> Mapping[str, Tensor]:
        """The input tensors of this number, batch dimension first where the model has one."""
        ...


def made_up(spec: ModelSpec, config: ModelConfig, rows: int = 1) -> Inputs:
    """Inputs for a model about which nothing else is known.

    Texts have natural lengths and are all different, so that no cache answers for the engine. Free dimensions of
    tensors are 16, those of images 224. A request has `rows` rows where the model has a batch dimension.
    """
    if spec.task is Task.GENERATE:
        return _Prompts(spec)
    if spec.text is not None and all(tensor.datatype == "BYTES" for tensor in _wanted(config)):
        return _Texts([tensor.name for tensor in _wanted(config)], spec.text.max_tokens, rows)
    return _Tensors(_wanted(config), rows if config.max_batch_size else 0)


def from_file(path: Path, spec: ModelSpec, config: ModelConfig) -> Inputs:
    """Inputs read from JSON lines, used in turn.

    A line is one row: an object with a text, number or nested list for each input, without the batch dimension. A
    plain text is the model's only text input. `sampling_parameters` may be an object.

    Raises:
        InvalidSetting: the file cannot be read, or a line is nothing that the model takes; the message names it.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InvalidSetting(f"{path} is larger than 256 MiB; some thousand lines are enough.")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"{path} cannot be read as UTF-8 text: {error}.") from error
    examples = [
        _example(line, f"{path}, line {number}", spec, config)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not examples:
        raise InvalidSetting(f"{path} has no lines; write one JSON object a line.")
    return _Examples(examples)


class _Texts:
    def __init__(self, names: Sequence[str], max_tokens: int, rows: int) -> None:
        self._names = names
        self._texts = Texts(longest=max_tokens // _TOKENS_PER_WORD)
        self._rows = rows

    def at(self, number: int) -> Mapping[str, Tensor]:
        first = number * self._rows * len(self._names)
        return {
            name: _column([self._texts.at(first + place * self._rows + row) for row in range(self._rows)])
            for place, name in enumerate(self._names)
        }


class _Prompts:
    """Prompts and answers of different lengths; greedy, and run to their length whatever the model would say."""

    def __init__(self, spec: ModelSpec) -> None:
        context = spec.generate.context_length if spec.generate else 256
        self._longest_answer = max(1, min(_LONGEST_ANSWER, context // 4))
        self._texts = Texts(longest=max(4, context // 4 // _TOKENS_PER_WORD), median=32)

    def at(self, number: int) -> Mapping[str, Tensor]:
        shortest = min(_SHORTEST_ANSWER, self._longest_answer)
        length = shortest + number * 11 % (self._longest_answer - shortest + 1)
        sampling = {"max_tokens": length, "temperature": 0.0, "ignore_eos": True}
        # The number in front keeps the prefix cache from answering for the engine.
        prompt = f"{number}. {self._texts.at(number)}"
        return {"text_input": _text(prompt), SAMPLING: _text(json.dumps(sampling))}


class _Tensors:
    def __init__(self, tensors: Sequence[ModelTensor], rows: int) -> None:
        chance = np.random.default_rng(0)
        self._pool = [{tensor.name: _random(tensor, rows, chance) for tensor in tensors} for _ in range(_POOL)]

    def at(self, number: int) -> Mapping[str, Tensor]:
        return self._pool[number % len(self._pool)]


class _Examples:
    def __init__(self, examples: Sequence[Mapping[str, Tensor]]) -> None:
        self._examples = examples

    def at(self, number: int) -> Mapping[str, Tensor]:
        return self._examples[number % len(self._examples)]


def _wanted(config: ModelConfig) -> list[ModelTensor]:
    """The inputs that a request must have; of optional ones the first, which is the text of an embedder."""
    required = [tensor for tensor in config.inputs if not tensor.optional]
    return required or list(config.inputs[:1])


def _random(tensor: ModelTensor, rows: int, chance: np.random.Generator) -> Tensor:
    shape = _sizes(tensor, rows)
    dtype = DATATYPES.get(tensor.datatype, np.dtype(np.uint16))
    if tensor.datatype == "BYTES":
        words = [
            Texts(longest=64).at(int(number)).encode() for number in chance.integers(0, 1 << 30, max(1, _n(shape)))
        ]
        return np.array(words, dtype=np.object_).reshape(shape)
    if dtype.kind == "b":
        return chance.integers(0, 2, shape).astype(dtype)
    if dtype.kind == "f":
        return chance.standard_normal(shape).astype(dtype)
    return chance.integers(0, 100, shape).astype(dtype)


def _n(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _sizes(tensor: ModelTensor, rows: int) -> tuple[int, ...]:
    inner = tensor.shape[1:] if rows else tensor.shape
    free = _IMAGE_SIDE if len(inner) >= 3 and 3 in inner else _FREE_SIDE
    sizes = tuple(free if size < 0 else size for size in inner)
    return (rows, *sizes) if rows else sizes


def _example(line: str, where: str, spec: ModelSpec, config: ModelConfig) -> Mapping[str, Tensor]:
    try:
        given: Any = json.loads(line)
    except ValueError as error:
        raise InvalidSetting(f"{where} is not JSON: {error}.") from error
    texts = [tensor.name for tensor in _wanted(config) if tensor.datatype == "BYTES"]
    if isinstance(given, str) and texts:
        given = {texts[0]: given}
    if not isinstance(given, dict):
        raise InvalidSetting(f"{where} must be an object with a value for each input.")
    ports = {tensor.name: tensor for tensor in config.inputs}
    if strangers := sorted(set(given) - set(ports)):
        raise InvalidSetting(f"{where}: the model has no input {strangers[0]!r}; it has {', '.join(ports)}.")
    tensors = {
        name: _given(value, ports[name], where, batched=bool(config.max_batch_size)) for name, value in given.items()
    }
    try:
        config.check(InferRequest(spec.name, tensors))
    except InvalidRequest as error:
        raise InvalidSetting(f"{where}: {error.message}") from error
    return tensors


def _given(value: Any, tensor: ModelTensor, where: str, *, batched: bool) -> Tensor:
    inner = tensor.shape[1:] if batched else tensor.shape
    if tensor.datatype == "BYTES":
        flat = [value] if not isinstance(value, list) else value
        texts = [item if isinstance(item, str) else json.dumps(item) for item in flat]
        array: Tensor = np.array([text.encode() for text in texts], dtype=np.object_)
    else:
        try:
            array = np.array(value, dtype=DATATYPES.get(tensor.datatype, np.dtype(np.uint16)))
        except (ValueError, TypeError, OverflowError) as error:
            raise InvalidSetting(f"{where}: {tensor.name!r} must be {tensor.datatype}: {error}.") from error
    if array.ndim == 0 and len(inner) == 1:
        array = array.reshape(1)
    return array[None] if batched else array


def _column(texts: Sequence[str]) -> Tensor:
    return np.array([[text.encode()] for text in texts], dtype=np.object_)


def _text(text: str) -> Tensor:
    return np.array([text.encode()], dtype=np.object_)
