"""Small real networks, written to disk by the tests that use them; they read `tests.suites.word_tokenizer`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
import openvino.opset15 as op
from safetensors.numpy import save_file

from tests.suites.word_tokenizer import CLS, SEP, WORDS

WIDTH = 6
SCORE_WEIGHTS = (1.0, -0.25, 3.0)

_random = np.random.default_rng(3)
TABLE = _random.normal(size=(len(WORDS), WIDTH)).astype(np.float32)
MIX = _random.normal(size=(WIDTH, WIDTH)).astype(np.float32)
WEIGHT = _random.normal(size=(3, WIDTH)).astype(np.float32)
BIAS = _random.normal(size=3).astype(np.float32)


def states(ids: list[int]) -> np.ndarray:
    """What the encoder network computes for one row: [length, WIDTH]."""
    return TABLE[ids] @ MIX


def write_encoder(path: Path, *, inputs: tuple[str, ...] = ("input_ids", "attention_mask", "token_type_ids")) -> None:
    """Token states [rows, length, WIDTH]: a table look-up and a matrix product."""
    parameters = [_input(name) for name in inputs]
    hidden = op.matmul(op.gather(op.constant(TABLE), parameters[0], op.constant(0)), op.constant(MIX), False, False)
    _save(hidden, "last_hidden_state", parameters, path)


def write_cross_encoder(path: Path, *, scores: int = 1) -> None:
    """Logits [rows, scores]: `pair_scores` of what stands in each row."""
    parameters = [_input(name) for name in ("input_ids", "attention_mask", "token_type_ids")]
    ids, mask, types = (op.convert(parameter, "f32") for parameter in parameters)
    product = op.multiply(op.multiply(ids, mask), types)
    first = op.reduce_sum(product, op.constant(np.array([1])), keep_dims=True)
    weights = op.constant(np.array([SCORE_WEIGHTS[:scores]], np.float32))
    _save(op.multiply(first, weights), "logits", parameters, path)


def pair_scores(query: str, passage: str, scores: int = 1) -> np.ndarray:
    """What the cross-encoder computes for a pair: the sum over tokens of (id x type id), times each score's weight.

    The order and the split of the pair matter; [SEP] closes both texts.
    """
    first = [CLS, *(WORDS.index(word) for word in query.split()), SEP]
    second = [*(WORDS.index(word) for word in passage.split()), SEP]
    total = sum(
        number * kind for number, kind in zip([*first, *second], [0] * len(first) + [1] * len(second), strict=True)
    )
    return total * np.array(SCORE_WEIGHTS[:scores], np.float32)


def write_position_blind_cross_encoder(path: Path) -> None:
    """One logit a row, the sum of the ids, of a network without `token_type_ids`."""
    parameters = [_input(name) for name in ("input_ids", "attention_mask")]
    ids, mask = (op.convert(parameter, "f32") for parameter in parameters)
    total = op.reduce_sum(op.multiply(ids, mask), op.constant(np.array([1])), keep_dims=True)
    _save(total, "logits", parameters, path)


def write_classifier(path: Path) -> None:
    """Logits [rows, 3] of the first token's states."""
    parameters = [_input(name) for name in ("input_ids", "attention_mask")]
    first = op.gather(op.gather(op.constant(TABLE), parameters[0], op.constant(0)), op.constant(0), op.constant(1))
    # The mask must reach the output, or OpenVINO would drop the input.
    mask = op.convert(op.reduce_min(parameters[1], op.constant(np.array([1])), keep_dims=True), "f32")
    logits = op.add(op.matmul(first, op.constant(WEIGHT), False, True), op.multiply(mask, op.constant(np.float32(0))))
    _save(logits, "logits", parameters, path)


def write_head(path: Path) -> None:
    """A linear head with three classes."""
    save_file({"weight": WEIGHT, "bias": BIAS}, path)


def write_sum(path: Path, *, rows: int = -1) -> None:
    """Task tensor: `total` = `left` FP32 [rows, 2] + `right` INT32 [rows, 2], and `double` = 2 x `left`."""
    left = op.parameter([rows, 2], np.float32, name="left")
    right = op.parameter([rows, 2], np.int32, name="right")
    left.output(0).set_names({"left"})
    right.output(0).set_names({"right"})
    total = op.add(left, op.convert(right, "f32"))
    total.output(0).set_names({"total"})
    double = op.multiply(left, op.constant(np.float32(2)))
    double.output(0).set_names({"double"})
    openvino.save_model(openvino.Model([op.result(total), op.result(double)], [left, right], "sum"), path)


def _input(name: str) -> openvino.Node:
    parameter = op.parameter([-1, -1], np.int64, name=name)
    parameter.output(0).set_names({name})
    return parameter


def _save(node: openvino.Node, name: str, parameters: list[openvino.Node], path: Path) -> None:
    node.output(0).set_names({name})
    openvino.save_model(openvino.Model([op.result(node)], parameters, name), path, compress_to_fp16=False)
