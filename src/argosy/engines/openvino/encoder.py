"""Encoders: texts in; embeddings, similarities or class probabilities out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from argosy.core.errors import EngineError, InvalidModelEntry
from argosy.core.models import ModelSpec, TextSpec
from argosy.core.tensors import Tensor
from argosy.engines.contract import EngineOptions, TensorRequest, TensorResult
from argosy.engines.encoders.head import read_head
from argosy.engines.encoders.text_model import TextModel
from argosy.engines.encoders.tokens import TokenRow, Tokens
from argosy.engines.openvino import batching, graph
from argosy.engines.openvino.device import DeviceOptions, compile_network, read_network
from argosy.engines.openvino.execution import Executor
from argosy.engines.openvino.libraries import load

_WARM_UP_SECONDS = 1.5
_WARM_UP_LENGTHS = (*range(4, 33, 2), *range(36, 65, 4), 96, 128)


class Encoder:
    """Serves embed, rank and classify.

    One execution reads the texts of all its requests at once: equal texts are read once, the rest is sorted by length
    and runs in small batches on several streams. A single text runs on a second compilation that gives it every thread:
    a third less time than on one stream of several. Deployment options: `DeviceOptions`, and `warm_up` in seconds.
    """

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self._spec = spec
        self._options = options
        self._text = spec.text or TextSpec()
        self._streams = 1
        self._tokens: Tokens | None = None
        self._executor: Executor | None = None
        self._alone: Executor | None = None
        self._model: TextModel | None = None
        self._network_inputs: dict[str, np.dtype[Any]] = {}

    def start(self) -> None:
        """Load tokenizer, network and head, compile, and run the common shapes once."""
        device = DeviceOptions.of(self._spec, self._options)
        warm_up = _warm_up_seconds(self._options.parameters)
        openvino = load("openvino")
        directory = self._options.directory
        tokens = Tokens(directory / self._text.tokenizer, self._text.max_tokens, self._options.threads)
        core = openvino.Core()
        network = read_network(core, directory, self._spec.model)
        head = read_head(directory, self._spec)
        network = graph.finish(network, self._spec, head)
        self._network_inputs = {port.get_any_name(): port.get_element_type().to_dtype() for port in network.inputs}
        self._streams = device.streams
        self._tokens = tokens
        executor = Executor(compile_network(core, network, device, self._spec.name), ["answer"], device.streams)
        alone = executor
        if device.streams > 1:
            compiled = compile_network(core, network, replace(device, streams=1), self._spec.name)
            alone = Executor(compiled, ["answer"], 1)
        self._warm_up(executor, alone, warm_up)
        self._executor, self._alone = executor, alone
        self._model = TextModel(self._spec, tokens, head, self._run)

    def stop(self) -> None:
        """Drop the network and the tokenizer."""
        self._model = None
        self._executor = None
        self._alone = None
        self._tokens = None

    def metrics(self) -> Mapping[str, float]:
        """Nothing that Triton does not already count."""
        return {}

    def infer(self, requests: Sequence[TensorRequest]) -> list[TensorResult]:
        """See `TextModel.infer`."""
        if self._model is None:
            return [EngineError("The OpenVINO engine is not running.") for _ in requests]
        return self._model.infer(requests)

    def _run(self, rows: Sequence[TokenRow]) -> list[Tensor | None]:
        """The network's answer for each row, None where its execution failed."""
        executor = self._alone if len(rows) == 1 else self._executor
        assert executor is not None  # noqa: S101 - `start` sees to it
        groups = batching.plan([len(row.ids) for row in rows], self._streams)
        results = executor.run(self._batch([rows[index] for index in group]) for group in groups)
        answers: list[Tensor | None] = [None] * len(rows)
        for group, result in zip(groups, results, strict=True):
            if not isinstance(result, RuntimeError):
                for index, answer in zip(group, result["answer"], strict=True):
                    answers[index] = answer
        return answers

    def _batch(self, rows: Sequence[TokenRow]) -> dict[str, Tensor]:
        tokens = self._tokens
        assert tokens is not None  # noqa: S101 - `start` and `infer` see to it
        ids = batching.pad([row.ids for row in rows], tokens.longest, tokens.filler)
        lengths = np.array([len(row.ids) for row in rows])
        batch = {"input_ids": ids, "attention_mask": np.arange(ids.shape[1]) < lengths[:, None]}
        if "token_type_ids" in self._network_inputs:
            batch["token_type_ids"] = _type_ids(rows, ids.shape)
        return {name: batch[name].astype(dtype, copy=False) for name, dtype in self._network_inputs.items()}

    def _warm_up(self, executor: Executor, alone: Executor, seconds: float) -> None:
        """Run common shapes on every stream until the time is up; the shortest, and so most frequent, come first."""
        limit = time.monotonic() + seconds
        for length in _WARM_UP_LENGTHS:
            if length <= self._text.max_tokens and time.monotonic() < limit:
                alone.run([self._batch([TokenRow(np.zeros(length, dtype=np.int64))])])
        for row_count, length in self._warm_up_shapes():
            row = TokenRow(np.zeros(length, dtype=np.int64))
            executor.run([self._batch([row] * row_count)] * self._streams)
            if time.monotonic() > limit:
                return

    def _warm_up_shapes(self) -> Iterator[tuple[int, int]]:
        lengths = [length for length in _WARM_UP_LENGTHS if length <= self._text.max_tokens]
        for row_count in (1, batching.ROWS, *range(2, batching.ROWS)):
            yield from ((row_count, length) for length in lengths)


def _warm_up_seconds(parameters: Mapping[str, str]) -> float:
    text = parameters.get("warm_up", "")
    try:
        return float(text) if text else _WARM_UP_SECONDS
    except ValueError:
        raise InvalidModelEntry(f"The parameter 'warm_up' is {text!r}; write a number of seconds.") from None


def _type_ids(rows: Sequence[TokenRow], shape: tuple[int, ...]) -> Tensor:
    type_ids = np.zeros(shape, dtype=np.int64)
    for target, row in zip(type_ids, rows, strict=True):
        if row.type_ids is not None:
            target[: len(row.type_ids)] = row.type_ids
    return type_ids
