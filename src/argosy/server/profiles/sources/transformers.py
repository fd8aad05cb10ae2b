"""A folder in Hugging Face's form: `config.json` and safetensors.

Parameters are counted from the sizes of the weight files where they are there. From `config.json` alone they are
computed by the shape of a decoder with gated feed-forward parts (Llama and its kin):

    V·d·(1 or 2)  +  L · (2·d·H·h + 2·d·H_kv·h + 3·d·f·E + d·E)  +  (2·L + 1)·d

with vocabulary V (twice where input and output embeddings are not tied), hidden size d, layers L, heads H of size h,
feed-forward size f and experts E; encoders have two matrices of d·f in place of three, and no gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.core.models import Task
from argosy.server.artifacts.kinds.checkpoint import known_task
from argosy.server.artifacts.kinds.checkpoint_files import is_checkpoint, weight_files
from argosy.server.artifacts.readers.architectures import architectures
from argosy.server.artifacts.source import Source
from argosy.server.profiles.facts import BITS, Facts, Form

_DTYPES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float8_e4m3fn": "fp8"}
_SEVERAL = "ForConditionalGeneration"
_LARGEST = 1 << 40


def read(source: Source, name: str, weights: Iterable[Path] | None = None) -> Facts:
    """The facts of the model in a folder.

    Args:
        source: the folder.
        name: of the model.
        weights: its files where that is known already, as in an entry, which may link to them; None looks for them.

    Raises:
        InvalidModelEntry: `config.json` is missing, cannot be read, or says something impossible.
    """
    config = source.json("config.json")
    if not config:
        raise InvalidModelEntry(f"{source.root} has no config.json, so nothing is known of the model's shape.")
    nested = config.get("text_config")
    text = {**config, **nested} if isinstance(nested, dict) else config
    task = _task(source, config)
    stored, quantization = _stored(text)
    heads = _number(text, "num_attention_heads", "n_head", "num_heads")
    hidden = _number(text, "hidden_size", "n_embd", "dim", "d_model")
    facts = Facts(
        name=name,
        task=task,
        form=Form.TRANSFORMERS,
        stored=stored,
        dtype=_dtype(text),
        architecture=", ".join(architectures(config)),
        context=_number(text, "max_position_embeddings", "n_positions", "max_seq_len", "seq_length"),
        layers=_number(text, "num_hidden_layers", "n_layer", "n_layers", "num_layers"),
        hidden=hidden,
        intermediate=_number(text, "intermediate_size", "n_inner", "hidden_dim") or 4 * hidden,
        heads=heads,
        kv_heads=_number(text, "num_key_value_heads") or heads,
        head_size=_number(text, "head_dim") or (hidden // heads if heads else 0),
        latent=_number(text, "kv_lora_rank") + _number(text, "qk_rope_head_dim") if "kv_lora_rank" in text else 0,
        vocabulary=_number(text, "vocab_size"),
        quantization=quantization,
    )
    files = _weight_files(source) if weights is None else weights
    return _weigh(sum(path.stat().st_size for path in files), facts, text)


def parameters(facts: Facts, config: Mapping[str, Any]) -> int:
    """The number of weights by the formula above; 0 when the shape is not known."""
    d, layers = facts.hidden, facts.layers
    if not (d and layers and facts.heads):
        return 0
    matrices = 3 if facts.is_language_model else 2
    experts = _number(config, "num_local_experts", "num_experts", "n_routed_experts")
    width = (_number(config, "moe_intermediate_size") if experts else 0) or facts.intermediate
    attention = 2 * d * facts.heads * facts.head_size + 2 * d * facts.kv_heads * facts.head_size
    feed_forward = matrices * d * width * max(1, experts) + d * experts
    tied = config.get("tie_word_embeddings", not facts.is_language_model) is True or not facts.is_language_model
    embeddings = facts.vocabulary * d * (1 if tied else 2)
    return embeddings + layers * (attention + feed_forward) + (2 * layers + 1) * d


def _weigh(size: int, facts: Facts, config: Mapping[str, Any]) -> Facts:
    """The facts with the number of weights and their bytes; a size of 0 is worked out."""
    if size:
        # Quantised files hold scales and numbers of several sizes.
        count = parameters(facts, config) if facts.quantization else int(size * 8 / BITS[facts.stored])
    else:
        count = parameters(facts, config)
        size = int(count * BITS[facts.stored] / 8)
    origin = {"architecture": facts.architecture, "parameters": count, "bytes": size, "stored": facts.stored}
    return Facts(
        **{
            **{name: getattr(facts, name) for name in Facts.__slots__},
            "parameters": count,
            "weight_bytes": size,
            "origin": origin,
        }
    )


def _weight_files(source: Source) -> list[Path]:
    if is_checkpoint(source):
        return list(weight_files(source).values())
    return sorted(path for path in source.root.glob("*.safetensors") if path.is_file())


def _task(source: Source, config: Mapping[str, Any]) -> Task:
    if (task := known_task(source, config)) is not None:
        return task
    return Task.GENERATE if any(name.endswith(_SEVERAL) for name in architectures(config)) else Task.EMBED


def _stored(config: Mapping[str, Any]) -> tuple[str, str]:
    """How the files keep the weights, and by which method they were quantised, if any."""
    quantization = config.get("quantization_config")
    if isinstance(quantization, dict) and quantization:
        method = str(quantization.get("quant_method") or "unknown")
        bits = quantization.get("bits", quantization.get("w_bit"))
        return ("fp8" if "fp8" in method else "int8" if bits == 8 else "int4"), method
    return _dtype(config) or "fp32", ""


def _dtype(config: Mapping[str, Any]) -> str:
    dtype = str(config.get("dtype") or config.get("torch_dtype") or "")
    return _DTYPES.get(dtype.removeprefix("torch."), "")


def _number(config: Mapping[str, Any], *keys: str) -> int:
    """The whole number at the first key that has one, else 0.

    Raises:
        InvalidModelEntry: it is negative or beyond reason.
    """
    for key in keys:
        value = config.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            if not 0 <= value <= _LARGEST:
                raise InvalidModelEntry(f"config.json: {key!r} is {value}, which cannot be; download the file again.")
            return value
    return 0
