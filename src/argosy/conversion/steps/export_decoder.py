"""A decoder language model as the stateful OpenVINO network that OpenVINO GenAI runs, and what transformers writes.

ONNX has no form for a key-value cache that lives inside the network, so language models go to OpenVINO IR directly. The
network is transformers' own code, traced: only the cache and the attention call are ours, and both are what OpenVINO's
paged-attention transformation looks for (a state read through `beam_idx`, grown by concatenation, and read by scaled
dot-product attention).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import torch
from openvino import opset15 as ops
from openvino._offline_transformations import apply_make_stateful_transformation
from torch.nn import functional
from transformers import AttentionInterface
from transformers.cache_utils import Cache

from argosy.conversion.steps.loading import load_model, load_tokenizer, reference_name, save_arrays

_ATTENTION = "argosy_traced"
_NETWORK = "openvino_model.xml"
_NEW_TOKENS = 32
_LONGEST_PROMPT = 256


def perform(request: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Write `network/openvino_model.xml` and `reference.safetensors`.

    The reference has, for each sample, the token ids of the prompt and its greedy continuation, the likeliest token
    after each of them, and the log-likelihood of the one that follows.

    Returns:
        `prompts` (text as the engine gets it), `answers` (the greedy continuations), `reference`, `judged`.
    """
    folder = Path(request["model"])
    model, tokenizer = load_model(folder, "AutoModelForCausalLM"), load_tokenizer(folder)
    answer = _reference(model, tokenizer, request["texts"], output)
    network = output / "network"
    network.mkdir()
    ov.save_model(stateful_network(model), network / _NETWORK, compress_to_fp16=False)
    return answer


@torch.inference_mode()
def _reference(model: Any, tokenizer: Any, texts: list[str], output: Path) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    prompts, answers = [], []
    save_arrays(output / "samples.safetensors", {"none": torch.zeros(1)})
    for index, text in enumerate(texts):
        prompt = _prompt(tokenizer, text)
        ids = tokenizer(prompt, add_special_tokens=prompt == text, return_tensors="pt")["input_ids"][
            :, -_LONGEST_PROMPT:
        ]
        whole = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=_NEW_TOKENS, do_sample=False, num_beams=1
        )
        scores = torch.log_softmax(model(whole).logits[0].double(), dim=-1)
        following = whole[0, 1:]
        arrays[f"{index}.tokens"] = whole[0]
        arrays[f"{index}.best"] = scores[:-1].argmax(dim=-1)
        arrays[f"{index}.log_likelihood"] = scores[:-1].gather(1, following[:, None])[:, 0]
        prompts.append({"ids": ids[0].tolist(), "new_tokens": whole.shape[1] - ids.shape[1]})
        answers.append(tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True))
    save_arrays(output / "reference.safetensors", arrays)
    return {"reference": reference_name(), "judged": len(texts), "prompts": prompts, "answers": answers}


def _prompt(tokenizer: Any, text: str) -> str:
    """The sample as a chat's first message where the model has a chat template, else as it is."""
    if not tokenizer.chat_template:
        return text
    rendered: str = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
    )
    return rendered


class _TracedCache(Cache):
    """Keys and values that come in as tensors and are told back, longer, after the forward pass."""

    def __init__(self, past: tuple[torch.Tensor, ...], beams: torch.Tensor) -> None:
        super().__init__(layers=[])
        self._past, self._beams = past, beams
        self.present: list[torch.Tensor] = []

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Grow one layer's keys and values."""
        keys, values = self._past[2 * layer_idx], self._past[2 * layer_idx + 1]
        keys = torch.cat((keys.index_select(0, self._beams), key_states), dim=2)
        values = torch.cat((values.index_select(0, self._beams), value_states), dim=2)
        self.present += [keys, values]
        return keys, values


class _OneStep(torch.nn.Module):
    """A forward pass with the cache as plain inputs and outputs."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.mask: torch.Tensor | None = None

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        beam_idx: torch.Tensor,
        *past: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Logits [batch, new, vocabulary], then keys and values of every layer."""
        new, seen = input_ids.shape[1], attention_mask.shape[1]
        visible = torch.arange(seen)[None, :] <= torch.arange(new)[:, None] + (seen - new)
        self.mask = visible[None, None] & attention_mask[:, None, None, :].bool()
        cache = _TracedCache(past, beam_idx)
        answer = self.model(input_ids=input_ids, position_ids=position_ids, past_key_values=cache, use_cache=True)
        return (answer.logits, *cache.present)

    def attend(
        self,
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,  # noqa: ARG002  transformers makes none for an attention it does not know
        scaling: float | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, None]:
        """Attention over everything visible, each group of queries sharing one key and value."""
        groups = int(getattr(module, "num_key_value_groups", 1))
        key, value = _repeated(key, groups), _repeated(value, groups)
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=self.mask, scale=scaling)
        return found.transpose(1, 2), None


def stateful_network(model: Any) -> ov.Model:
    """The model with its cache inside, as OpenVINO variables."""
    step = _OneStep(model)
    AttentionInterface.register(_ATTENTION, step.attend)
    model.config._attn_implementation = _ATTENTION  # noqa: SLF001 - the only place that forward looks at
    config = model.config
    layers, heads = config.num_hidden_layers, config.num_key_value_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    past = [torch.zeros(2, heads, 3, size) for _ in range(2 * layers)]
    example = (
        torch.ones(2, 5, dtype=torch.long),
        torch.ones(2, 8, dtype=torch.long),
        torch.arange(3, 8).repeat(2, 1),
        torch.arange(2, dtype=torch.int32),
        *past,
    )
    converted = ov.convert_model(step, example_input=example)
    cache = [f"{layer}.{part}" for layer in range(layers) for part in ("key", "value")]
    _name_ports(converted, cache, heads, size)
    pairs = {f"past_key_values.{name}": f"present.{name}" for name in cache}
    apply_make_stateful_transformation(converted, pairs)
    _start_empty(converted, heads, size)
    return converted


def _name_ports(converted: ov.Model, cache: list[str], heads: int, size: int) -> None:
    names = ["input_ids", "attention_mask", "position_ids", "beam_idx", *(f"past_key_values.{name}" for name in cache)]
    shapes = [ov.PartialShape([-1, -1])] * 3 + [ov.PartialShape([-1])]
    shapes += [ov.PartialShape([-1, heads, -1, size])] * len(cache)
    for port, name, shape in zip(converted.inputs, names, shapes, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_friendly_name(name)
        port.get_node().set_partial_shape(shape)
    for port, name in zip(converted.outputs, ["logits", *(f"present.{name}" for name in cache)], strict=True):
        port.get_tensor().set_names({name})
    converted.validate_nodes_and_infer_types()


def _start_empty(converted: ov.Model, heads: int, size: int) -> None:
    """Each variable begins without tokens, with as many rows as the request has."""
    shape_of = ops.shape_of(converted.input("input_ids"), output_type="i64")
    rows = ops.gather(shape_of, ops.constant([0]), ops.constant(0))
    shape = ops.concat([rows, ops.constant([heads]), ops.constant([0]), ops.constant([size])], axis=0)
    empty = ops.broadcast(ops.constant(0.0, dtype=np.float32), shape)
    for node in converted.get_ops():
        if node.get_type_name() == "ReadValue":
            node.set_arguments([empty.output(0)])
    converted.validate_nodes_and_infer_types()


def _repeated(states: torch.Tensor, groups: int) -> torch.Tensor:
    """[batch, heads, length, size] with every head `groups` times."""
    if groups == 1:
        return states
    batch, heads, length, size = states.shape
    wide = states[:, :, None, :, :].expand(batch, heads, groups, length, size)
    return wide.reshape(batch, heads * groups, length, size)
