"""The smallest network that the library takes for a language model: one attention layer of zeros.

Its logits are all zero, so that a pipeline around it writes whatever a constraint allows, and nothing of it costs time.
The library turns the attention and its state into paged attention and its cache, and knows them by their form.
"""

from __future__ import annotations

import numpy as np
import openvino
from openvino import opset6, opset13
from openvino.op.util import Variable, VariableInfo

_WIDTH = 16


def silent_network(vocabulary: int) -> openvino.Model:
    """A network with `vocabulary` logits for each token."""
    ids = _input("input_ids", [-1, -1], openvino.Type.i64)
    mask = _input("attention_mask", [-1, -1], openvino.Type.i64)
    positions = _input("position_ids", [-1, -1], openvino.Type.i64)
    beams = _input("beam_idx", [-1], openvino.Type.i32)
    states = opset13.gather(_zeros(vocabulary, _WIDTH), ids, _number(0))
    batch = opset13.gather(opset13.shape_of(ids, "i64"), _numbers(0), _number(0))
    keys, keep_keys = _kept(_heads(states), "past_key_values.0.keypresent.0.key", batch, beams)
    values, keep_values = _kept(_heads(states), "past_key_values.0.valuepresent.0.value", batch, beams)
    visible = opset13.unsqueeze(opset13.convert(mask, "f32"), _numbers(1, 2))
    attention = opset13.scaled_dot_product_attention(_heads(states), keys, values, visible, causal=False)
    merged = opset13.reshape(
        opset13.transpose(attention, _numbers(0, 2, 1, 3)), _numbers(0, 0, _WIDTH), special_zero=True
    )
    places = opset13.convert(opset13.unsqueeze(positions, _number(-1)), "f32")
    # Positions must be read by something, or the library finds no input of that name.
    placed = opset13.add(merged, opset13.multiply(places, opset13.constant(np.float32(0))))
    logits = opset13.matmul(placed, _zeros(vocabulary, _WIDTH), transpose_a=False, transpose_b=True)
    logits.output(0).set_names({"logits"})
    return openvino.Model([opset13.result(logits)], [keep_keys, keep_values], [ids, mask, positions, beams], "silent")


def _input(name: str, shape: list[int], kind: openvino.Type) -> openvino.Node:
    node = opset13.parameter(shape, kind, name=name)
    node.output(0).set_names({name})
    return node


def _heads(states: openvino.Node) -> openvino.Node:
    """One head of [batch, heads, tokens, width]."""
    projected = opset13.matmul(states, _zeros(_WIDTH, _WIDTH), transpose_a=False, transpose_b=True)
    return opset13.transpose(
        opset13.reshape(projected, _numbers(0, 0, 1, _WIDTH), special_zero=True), _numbers(0, 2, 1, 3)
    )


def _kept(
    new: openvino.Node, name: str, batch: openvino.Node, beams: openvino.Node
) -> tuple[openvino.Node, openvino.Node]:
    """Everything so far, and what keeps it for the next time."""
    info = VariableInfo()
    info.data_shape = openvino.PartialShape([-1, 1, -1, _WIDTH])
    info.data_type = openvino.Type.f32
    info.variable_id = name
    variable = Variable(info)
    nothing = opset13.broadcast(opset13.constant(np.float32(0)), opset13.concat([batch, _numbers(1, 0, _WIDTH)], 0))
    past = opset13.gather(opset6.read_value(nothing, variable), beams, _number(0))
    whole = opset13.concat([past, new], 2)
    return whole, opset6.assign(whole, variable)


def _zeros(*shape: int) -> openvino.Node:
    return opset13.constant(np.zeros(shape, dtype=np.float32))


def _number(value: int) -> openvino.Node:
    return opset13.constant(np.int64(value))


def _numbers(*values: int) -> openvino.Node:
    return opset13.constant(np.array(values, dtype=np.int64))
