"""Append pooling and normalisation to an encoder network, so that one vector a text leaves it, not one a token."""

from __future__ import annotations

from typing import Any

import numpy as np

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import ModelSpec, Pooling, Task
from argosy.engines.encoders.head import Head
from argosy.engines.openvino.libraries import load

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""The inputs an encoder network may have; the first is required."""


def finish(network: Any, spec: ModelSpec, head: Head | None) -> Any:
    """A network with the one output that the entry's task answers with.

    The output is `embedding` [rows, d] for embed, for rank with a bi-encoder and for classify with a head, `logits`
    [rows, 1 or 2] for rank with a cross-encoder, `probabilities` [rows, labels] for a network that classifies by
    itself.

    Raises:
        InvalidModelEntry: the network's inputs or outputs do not fit the entry.
    """
    assert spec.text is not None  # noqa: S101 - `ModelSpec` guarantees it for these tasks
    _check_inputs(network, spec)
    op = load("openvino.opset15")
    states = _states(network, spec)
    pooled = _pool(op, states, network, spec.text.pooling)
    if spec.text.pair:
        return _with_output(network, _pair_logits(pooled, spec), "logits")
    if spec.task is Task.CLASSIFY and head is None:
        return _with_output(network, _class_probabilities(op, pooled, spec), "probabilities")
    if spec.task is Task.RANK and _width(pooled) == 1:
        raise InvalidModelEntry(
            f"{spec.model} returns 1 number a text, whose cosine would say nothing. If it reads query and passage "
            "together, say 'pair: true' under 'text' in argosy.yaml."
        )
    if spec.text.normalize or spec.task is Task.RANK:
        pooled = _normalize(op, pooled)
    if head is not None:
        _check_width(pooled, head.dimensions, f"the head {spec.head} takes", spec)
    _check_width(pooled, spec.text.dimensions, "argosy.yaml's text.dimensions says", spec)
    return _with_output(network, pooled, "embedding")


def _check_inputs(network: Any, spec: ModelSpec) -> None:
    names = {name for port in network.inputs for name in port.get_names()}
    unknown = [port.get_any_name() for port in network.inputs if not port.get_names() & set(INPUTS)]
    if "input_ids" not in names or unknown:
        raise InvalidModelEntry(
            f"{spec.model} takes the inputs {sorted(names)}; an encoder takes {', '.join(INPUTS)}. "
            "Export it with those names, or serve it with task 'tensor'."
        )


def _states(network: Any, spec: ModelSpec) -> Any:
    """The output to work on: token states [rows, length, d], or one vector a row [rows, d] when pooling is none."""
    assert spec.text is not None  # noqa: S101 - see `finish`
    rank = 2 if spec.text.pooling is Pooling.NONE else 3
    fitting = [port for port in network.outputs if port.get_partial_shape().rank == rank]
    if not fitting:
        raise InvalidModelEntry(
            f"{spec.model} has no output of {rank} dimensions, which pooling '{spec.text.pooling}' needs. "
            "Correct 'text.pooling' in argosy.yaml."
        )
    port = next((port for port in fitting if "last_hidden_state" in port.get_names()), fitting[0])
    return port.get_node().input_value(0)


def _pool(op: Any, states: Any, network: Any, pooling: Pooling) -> Any:
    """One vector a row.

    Written with multiplications and sums: OpenVINO runs what follows the last matrix product in f32, whatever the
    precision of the network, but would run a mean written as a matrix product in that precision.
    """
    if pooling is Pooling.NONE:
        return states
    first = op.constant(np.int64(0))
    if pooling is Pooling.CLS:
        return op.gather(states, first, op.constant(np.int64(1))).output(0)
    mask = op.convert(_mask(network), "f32")
    if pooling is Pooling.LAST:
        lengths = op.convert(op.reduce_sum(mask, op.constant(np.int64(1)), keep_dims=True), "i64")
        last = op.subtract(lengths, op.constant(np.int64(1)))
        rows = op.gather(states, last, op.constant(np.int64(1)), batch_dims=1)
        return op.squeeze(rows, op.constant(np.array([1]))).output(0)
    weights = op.unsqueeze(mask, op.constant(np.int64(2)))
    total = op.reduce_sum(op.multiply(states, weights), op.constant(np.int64(1)), keep_dims=False)
    count = op.reduce_sum(weights, op.constant(np.int64(1)), keep_dims=False)
    return op.divide(total, op.maximum(count, op.constant(np.float32(1e-9)))).output(0)


def _mask(network: Any) -> Any:
    for port in network.inputs:
        if "attention_mask" in port.get_names():
            return port
    raise InvalidModelEntry("The network has no input 'attention_mask', which mean and last pooling need.")


def _normalize(op: Any, vector: Any) -> Any:
    return op.normalize_l2(vector, op.constant(np.array([1])), 1e-12, "max").output(0)


def _class_probabilities(op: Any, logits: Any, spec: ModelSpec) -> Any:
    """What a network that ends in class logits says; a head of the entry's own is applied outside (see `head`)."""
    _check_width(logits, len(spec.labels), "argosy.yaml's labels make", spec)
    return op.softmax(logits, 1).output(0)


def _pair_logits(logits: Any, spec: ModelSpec) -> Any:
    """What a cross-encoder says of a pair: one logit, or one against and one for."""
    if _width(logits) not in {1, 2, None}:
        raise InvalidModelEntry(
            f"{spec.model} returns {_width(logits)} numbers a pair; a cross-encoder (text.pair in argosy.yaml) returns "
            "1, or 2 of which the second speaks for the passage."
        )
    return logits


def _check_width(vector: Any, wanted: int, who: str, spec: ModelSpec) -> None:
    width = _width(vector)
    if wanted and width is not None and width != wanted:
        raise InvalidModelEntry(f"{spec.model} returns {width} numbers a text where {who} {wanted}.")


def _width(vector: Any) -> int | None:
    dimension = vector.get_partial_shape()[-1]
    return int(dimension.get_length()) if dimension.is_static else None


def _with_output(network: Any, value: Any, name: str) -> Any:
    openvino, op = load("openvino"), load("openvino.opset15")
    value.get_tensor().set_names({name})
    return openvino.Model([op.result(value)], network.get_parameters(), network.get_friendly_name())
