"""What is known of a model before it is run: its size and shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from argosy.core.models import Task

BITS: Mapping[str, float] = {
    "fp32": 32, "f32": 32, "bf16": 16, "fp16": 16, "f16": 16, "fp8": 8, "int8": 8, "q8_0": 8.5, "q6_k": 6.5625,
    "q4_k_m": 4.85, "q4_k_s": 4.58, "q4_1": 5, "q4_0": 4.5, "int4": 4.5, "nvfp4": 4.5, "mxfp4": 4.25,
}  # fmt: skip
"""Bits for one weight, scales included where numbers are kept in groups."""


class Form(StrEnum):
    """In which form a model's files are, and with it which engines can take them."""

    TRANSFORMERS = "transformers"  # safetensors with config.json
    ONNX = "onnx"
    IR = "openvino"
    GGUF = "gguf"
    ENTRY = "entry"  # a model store entry, built for one engine


@dataclass(frozen=True, slots=True)
class Facts:
    """One model.

    Attributes:
        parameters: number of weights; 0 when unknown.
        stored: how the files keep them, `bf16`, `fp16`, `fp32`, `int8`, …
        dtype: the numbers that its config names, which it was trained in; empty when it names none.
        weight_bytes: size of the weights in the files.
        context: longest input or context, tokens; 0 for models that read no text.
        kv_heads: key-value heads.
        head_size: numbers in a head.
        latent: numbers that multi-head latent attention keeps for a token and layer; 0 without it.
        quantization: how the files' weights were quantised (`awq`, `gptq`, `fp8`); empty when they were not.
        origin: what the weights are known by, part of the profiles' ids.
    """

    name: str
    task: Task
    form: Form
    parameters: int = 0
    stored: str = "fp32"
    dtype: str = ""
    weight_bytes: int = 0
    architecture: str = ""
    context: int = 0
    layers: int = 0
    hidden: int = 0
    intermediate: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_size: int = 0
    latent: int = 0
    vocabulary: int = 0
    quantization: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_language_model(self) -> bool:
        """Whether it writes text."""
        return self.task is Task.GENERATE

    @property
    def has_cache_shape(self) -> bool:
        """Whether the size of its KV cache can be told."""
        return bool(self.layers and (self.latent or (self.kv_heads and self.head_size)))

    def weights_in(self, precision: str) -> int:
        """Bytes of the weights kept in `precision`; those in the files when it is theirs, or nothing else is known."""
        if precision == self.stored or precision not in BITS or self.stored not in BITS:
            return self.weight_bytes
        count = self.parameters or self.weight_bytes * 8 / BITS[self.stored]
        return int(count * BITS[precision] / 8)
