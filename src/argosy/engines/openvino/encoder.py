"""Encoders: texts in; embeddings, similarities or class probabilities out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from argosy.core.errors import ArgosyError, EngineError, InvalidModelEntry
from argosy.core.models import ModelSpec, Task, TextSpec
from argosy.core.tensors import Tensor
from argosy.engines.contract import EngineOptions, TensorRequest, TensorResult
from argosy.engines.openvino import batching, graph, inputs
from argosy.engines.openvino.device import DeviceOptions, compile_network, read_network
from argosy.engines.openvino.execution import Executor
from argosy.engines.openvino.head import Head, read_head
from argosy.engines.openvino.inputs import Ask
from argosy.engines.openvino.libraries import load
from argosy.engines.openvino.tokens import Text, TokenRow, Tokens

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
_WARM_UP_SECONDS = 1.5
_WARM_UP_LENGTHS = (*range(4, 33, 2), *range(36, 65, 4), 96, 128)
_OUTPUT = {Task.EMBED: "embedding", Task.RANK: "logit", Task.CLASSIFY: "probabilities"}


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
        self._head: Head | None = None
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
        self._head = read_head(directory, self._spec)
        network = graph.finish(network, self._spec, self._head)
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

    def stop(self) -> None:
        """Drop the network and the tokenizer."""
        self._executor = None
        self._alone = None
        self._tokens = None

    def metrics(self) -> Mapping[str, float]:
        """Nothing that Triton does not already count."""
        return {}

    def infer(self, requests: Sequence[TensorRequest]) -> list[TensorResult]:
        """Read every distinct text of the requests once, and answer each request from what came out."""
        if self._executor is None or self._tokens is None:
            return [EngineError("The OpenVINO engine is not running.") for _ in requests]
        asks = [_attempt(self._read, request) for request in requests]
        table = _Table(self._tokens, [ask for ask in asks if isinstance(ask, Ask)])
        places = [ask if isinstance(ask, ArgosyError) else _attempt(table.place, ask) for ask in asks]
        executor = self._alone if len(table.rows) == 1 and self._alone is not None else self._executor
        answers = self._run(executor, table.rows)
        return [self._answer(ask, place, table, answers) for ask, place in zip(asks, places, strict=True)]

    def _read(self, request: TensorRequest) -> Ask:
        return inputs.read(request, self._spec.task, self._text, pairs=self._text.pair)

    def _run(self, executor: Executor, rows: Sequence[TokenRow]) -> list[Tensor | None]:
        """The network's answer for each row, None where its execution failed."""
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

    def _answer(
        self, ask: Ask | ArgosyError, place: list[int] | ArgosyError, table: _Table, answers: list[Tensor | None]
    ) -> TensorResult:
        if isinstance(ask, ArgosyError):
            return ask
        if isinstance(place, ArgosyError):
            return place
        chosen = [answers[index] for index in place]
        found = [answer for answer in chosen if answer is not None]
        if len(found) < len(chosen):
            return EngineError("OpenVINO failed to run this input. The server's log has the cause.")
        vectors = np.stack(found)
        tokens = np.array([len(table.rows[index].ids) for index in place], dtype=np.int32)[:, None]
        if self._text.pair:
            # Two logits are those against and for the passage; their difference is the log-odds that one would be.
            vectors = vectors[:, -1:] - vectors[:, :1] if vectors.shape[1] == 2 else vectors
        elif len(vectors) > ask.count:  # query and passage were read apart: the answer is their cosine
            vectors = (vectors[: ask.count] * vectors[ask.count :]).sum(axis=1, keepdims=True)
            tokens = tokens[: ask.count] + tokens[ask.count :]
        if self._head is not None:
            vectors = self._head.probabilities(vectors)
        return {_OUTPUT[self._spec.task]: vectors, "tokens": tokens}

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


class _Table:
    """The distinct rows of one execution."""

    def __init__(self, tokens: Tokens, asks: Sequence[Ask]) -> None:
        texts = {row: None for ask in asks for row in ask.rows if not isinstance(row, np.ndarray)}
        self._tokens = tokens
        self._encodings = dict(zip(texts, tokens.encode([*texts]), strict=True))
        self._indices: dict[Any, int] = {}
        self.rows: list[TokenRow] = []

    def place(self, ask: Ask) -> list[int]:
        """Where each row of the request is in `rows`.

        Raises:
            InvalidRequest: a row cannot be read.
            InputTooLong: a row is over the limit and may not be cut.
        """
        return [self._index(row, ask, param) for row, param in zip(ask.rows, ask.params, strict=True)]

    def _index(self, row: Text | Tensor, ask: Ask, param: str) -> int:
        key = (row.tobytes() if isinstance(row, np.ndarray) else row, ask.truncate)
        if key not in self._indices:
            if isinstance(row, np.ndarray):
                fitted = self._tokens.fit_ids(row, ask.truncate, param)
            else:
                fitted = self._tokens.fit(self._encodings[row], ask.truncate, param)
            self._indices[key] = len(self.rows)
            self.rows.append(fitted)
        return self._indices[key]


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


def _attempt(step: Callable[[_Given], _Made], given: _Given) -> _Made | ArgosyError:
    """What the step returns, or the error it raises: a mistake in one request stays there."""
    try:
        return step(given)
    except ArgosyError as error:
        return error
