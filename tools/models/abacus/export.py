"""Turn the trained checkpoint into models/abacus: Hugging Face files and an OpenVINO model for OpenVINO GenAI.

    python tools/models/abacus/export.py

The conversion is written out here instead of calling optimum-intel: that package pins an older transformers and
needs torchvision, and a model of four plain layers needs neither.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Final

import numpy as np
import openvino as ov
import torch
import vocabulary as v
from openvino import opset15 as ops
from openvino._offline_transformations import apply_make_stateful_transformation
from openvino_tokenizers import convert_tokenizer
from torch import nn
from torch.nn import functional
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[2]
WORK: Final = ROOT / ".work" / "models" / "abacus"


class StepByStep(nn.Module):
    """The checkpoint's arithmetic with the key-value cache as plain inputs and outputs.

    Inputs and their names are what OpenVINO GenAI looks for: it replaces each attention that reads a cached
    key and value through `beam_idx` with paged attention.
    """

    def __init__(self, model: LlamaForCausalLM) -> None:
        super().__init__()
        self.llama = model
        self.heads = model.config.num_attention_heads
        self.size = model.config.hidden_size // self.heads
        theta = model.config.rope_parameters["rope_theta"]
        frequencies = theta ** (-torch.arange(0, self.size, 2, dtype=torch.float32) / self.size)
        self.register_buffer("frequencies", frequencies)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        beam_idx: torch.Tensor,
        *past: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        angles = position_ids[..., None].float() * self.frequencies
        cos = torch.cat((angles, angles), dim=-1).cos()[:, None]
        sin = torch.cat((angles, angles), dim=-1).sin()[:, None]
        new, seen = input_ids.shape[1], attention_mask.shape[1]
        visible = torch.arange(seen)[None, :] <= torch.arange(new)[:, None] + (seen - new)
        mask = visible[None, None] & attention_mask[:, None, None, :].bool()

        hidden = self.llama.model.embed_tokens(input_ids)
        present: list[torch.Tensor] = []
        for i, layer in enumerate(self.llama.model.layers):
            normed = layer.input_layernorm(hidden)
            query = self._turn(self._split(layer.self_attn.q_proj(normed)), cos, sin)
            key = self._turn(self._split(layer.self_attn.k_proj(normed)), cos, sin)
            value = self._split(layer.self_attn.v_proj(normed))
            key = torch.cat((past[2 * i].index_select(0, beam_idx), key), dim=2)
            value = torch.cat((past[2 * i + 1].index_select(0, beam_idx), value), dim=2)
            present += [key, value]
            attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
            attended = attended.transpose(1, 2).reshape(hidden.shape[0], new, self.heads * self.size)
            hidden = hidden + layer.self_attn.o_proj(attended)
            hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        return (self.llama.lm_head(self.llama.model.norm(hidden)), *present)

    def _split(self, flat: torch.Tensor) -> torch.Tensor:
        return flat.view(flat.shape[0], -1, self.heads, self.size).transpose(1, 2)

    def _turn(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        half = self.size // 2
        return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


def to_openvino(model: LlamaForCausalLM) -> ov.Model:
    """A stateful OpenVINO model: the cache is inside it, as variables."""
    step = StepByStep(model).eval()
    layers, size = model.config.num_hidden_layers, step.size
    past = [torch.zeros(2, step.heads, 3, size) for _ in range(2 * layers)]
    example = (
        torch.ones(2, 5, dtype=torch.long),
        torch.ones(2, 8, dtype=torch.long),
        torch.arange(3, 8).repeat(2, 1),
        torch.arange(2, dtype=torch.int32),
        *past,
    )
    converted = ov.convert_model(step, example_input=example)
    names = ["input_ids", "attention_mask", "position_ids", "beam_idx"]
    shapes = [ov.PartialShape([-1, -1])] * 3 + [ov.PartialShape([-1])]
    cache = [f"{i}.{part}" for i in range(layers) for part in ("key", "value")]
    names += [f"past_key_values.{name}" for name in cache]
    shapes += [ov.PartialShape([-1, step.heads, -1, size])] * len(cache)
    for port, name, shape in zip(converted.inputs, names, shapes, strict=True):
        port.get_tensor().set_names({name})
        port.get_node().set_friendly_name(name)
        port.get_node().set_partial_shape(shape)
    for port, name in zip(converted.outputs, ["logits", *(f"present.{name}" for name in cache)], strict=True):
        port.get_tensor().set_names({name})
    converted.validate_nodes_and_infer_types()
    apply_make_stateful_transformation(converted, {f"past_key_values.{n}": f"present.{n}" for n in cache})
    start_with_empty_cache(converted, step.heads, size)
    return converted


def start_with_empty_cache(model: ov.Model, heads: int, size: int) -> None:
    """Give each cache variable an empty first value with the batch size of the request."""
    batch = ops.gather(ops.shape_of(model.input("input_ids"), output_type="i64"), ops.constant([0]), ops.constant(0))
    shape = ops.concat([batch, ops.constant([heads]), ops.constant([0]), ops.constant([size])], axis=0)
    empty = ops.broadcast(ops.constant(0.0, dtype=np.float32), shape)
    for node in model.get_ops():
        if node.get_type_name() == "ReadValue":
            node.set_arguments([empty.output(0)])
    model.validate_nodes_and_infer_types()


def halve_large_constants(model: ov.Model) -> None:
    """Store the matrices as f16. Small constants stay f32: rounding the rotation frequencies would move positions."""
    for node in model.get_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.f32 or node.get_data().size < 4096:
            continue
        widened = ops.convert(ops.constant(node.get_data().astype(np.float16)), "f32")
        widened.set_friendly_name(node.get_friendly_name())
        readers = list(node.output(0).get_target_inputs())
        for reader in readers:
            reader.replace_source_output(widened.output(0))
    model.validate_nodes_and_infer_types()


def round_to_both_halves(model: LlamaForCausalLM) -> None:
    """Round every weight to a number that bf16 and f16 can both hold.

    The Hugging Face files are bf16, which every engine reads; OpenVINO gets the same numbers as f16. So the two
    are one model, and their greedy answers can be compared token by token.
    """
    for parameter in model.parameters():
        rounded = parameter.data.to(torch.bfloat16).to(torch.float16).to(torch.bfloat16).to(torch.float32)
        if not torch.equal(rounded.to(torch.float16).to(torch.float32), rounded):
            raise SystemExit("a weight does not fit into f16")
        parameter.data = rounded


def chat_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=v.build_tokenizer(),
        bos_token="<|bos|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        model_max_length=v.CONTEXT_LENGTH,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = (HERE / "chat_template.jinja").read_text(encoding="utf-8")
    return tokenizer


def name_class_for_older_readers(path: Path) -> None:
    """Transformers 5 writes a class name that transformers 4 does not know; both know this one."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def export(checkpoint: Path, target: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(checkpoint, dtype=torch.float32).eval()
    round_to_both_halves(model)
    tokenizer = chat_tokenizer()
    greedy = GenerationConfig(bos_token_id=v.BOS, eos_token_id=v.END, pad_token_id=v.PAD, do_sample=False)

    hugging_face, served = target / "hf", target / "1"
    for folder in (hugging_face, served):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        model.config.save_pretrained(folder)
        greedy.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        name_class_for_older_readers(folder / "tokenizer_config.json")
    converted = to_openvino(model)
    halve_large_constants(converted)
    ov.save_model(converted, served / "openvino_model.xml", compress_to_fp16=False)
    model.to(torch.bfloat16).save_pretrained(hugging_face)
    # After the weights: saving a model rewrites this file.
    greedy.save_pretrained(hugging_face)
    reader, writer = convert_tokenizer(
        tokenizer, with_detokenizer=True, add_special_tokens=False, skip_special_tokens=True
    )
    ov.save_model(reader, served / "openvino_tokenizer.xml")
    ov.save_model(writer, served / "openvino_detokenizer.xml")
    for path in sorted(target.rglob("*")):
        if path.is_file():
            print(f"{path.stat().st_size:>10,}  {path.relative_to(target)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=WORK / "checkpoint")
    parser.add_argument("--target", type=Path, default=ROOT / "models" / "abacus")
    args = parser.parse_args()
    export(args.checkpoint, args.target)


if __name__ == "__main__":
    main()
