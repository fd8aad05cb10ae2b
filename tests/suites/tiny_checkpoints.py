"""Makers of tiny Hugging Face checkpoints, with NumPy alone: the model of `tiny_models` as it would be published."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task
from tests.suites.tiny_adapters import write_safetensors
from tests.suites.tiny_models import CONTEXT_LENGTH, TinyLanguageModel

_OUTER = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_INNER = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def write_tiny_checkpoint(directory: Path, *, context_length: int = CONTEXT_LENGTH) -> None:
    """Write the tiny model as `config.json`, `model.safetensors` and its tokenizer's files."""
    model = TinyLanguageModel.make()
    shape, vocabulary = model.shape, model.vocabulary
    directory.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, NDArray[np.float32]] = {}
    for name, weight in model.weights():
        tensors[_published(name)] = np.ascontiguousarray(weight, dtype=np.float32)
    write_safetensors(directory / "model.safetensors", tensors)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.ffn,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "vocab_size": shape.vocabulary,
        "max_position_embeddings": context_length,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": vocabulary.bos_id,
        "eos_token_id": vocabulary.eos_id,
        "torch_dtype": "float32",
    }
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    model.tokenizer().save(str(directory / "tokenizer.json"))
    begin, end = vocabulary.tokens[vocabulary.bos_id], vocabulary.tokens[vocabulary.eos_id]
    described = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": begin, "eos_token": end}
    (directory / "tokenizer_config.json").write_text(json.dumps(described), encoding="utf-8")


def tiny_checkpoint_spec(*, context_length: int = CONTEXT_LENGTH, precision: str = "f32") -> ModelSpec:
    """The model entry that goes with it."""
    return ModelSpec(
        name="tiny",
        task=Task.GENERATE,
        engine="vllm",
        model="config.json",
        profile=ProfileSpec(precision=precision),
        generate=GenerateSpec(
            context_length=context_length, eos_token_ids=(TinyLanguageModel.make().vocabulary.eos_id,)
        ),
    )


def _published(name: str) -> str:
    """A weight's name in the checkpoint, from GGUF's."""
    if name in _OUTER:
        return _OUTER[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{_INNER[part]}.{kind}"
