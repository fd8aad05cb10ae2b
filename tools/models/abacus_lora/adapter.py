"""Low-rank adapters of the linear layers of a checkpoint, written out: the arithmetic and PEFT's file layout.

A layer's output becomes `W x + (alpha / rank) B (A x)`, where only A and B learn. B begins at zero, so an untrained
adapter changes nothing.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from transformers import LlamaForCausalLM

PREFIX: Final = "base_model.model."


class Adapted(nn.Module):
    """A frozen linear layer with a low-rank change beside it."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base
        self.scale = alpha / rank
        self.down = nn.Parameter(torch.empty(rank, base.in_features))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        change = functional.linear(functional.linear(inputs, self.down), self.up)
        return self.base(inputs) + self.scale * change


def adapt(model: LlamaForCausalLM, targets: tuple[str, ...], rank: int, alpha: float) -> dict[str, Adapted]:
    """Freeze the model and put adapters beside its layers of these names; by full name of the layer."""
    model.requires_grad_(requires_grad=False)
    adapters = {}
    for name, layer in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if last in targets and isinstance(layer, nn.Linear):
            adapters[name] = Adapted(layer, rank, alpha)
            setattr(model.get_submodule(parent), last, adapters[name])
    return adapters


def save(adapters: dict[str, Adapted], folder: Path, base: str, targets: tuple[str, ...], alpha: float) -> None:
    """Write `adapter_config.json` and `adapter_model.safetensors` (float16) as PEFT lays them out."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, layer in adapters.items():
        tensors[f"{PREFIX}{name}.lora_A.weight"] = layer.down.detach().to(torch.float16).contiguous()
        tensors[f"{PREFIX}{name}.lora_B.weight"] = layer.up.detach().to(torch.float16).contiguous()
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    rank = next(iter(adapters.values())).down.shape[0]
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "target_modules": list(targets),
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "modules_to_save": None,
    }
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def merge(model: LlamaForCausalLM, folder: Path) -> None:
    """Add a saved adapter to the weights: `W + (alpha / rank) B A`, in float32."""
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    tensors = load_file(folder / "adapter_model.safetensors")
    scale = config["lora_alpha"] / config["r"]
    for key in sorted(tensors):
        if key.endswith(".lora_A.weight"):
            name = key.removesuffix(".lora_A.weight")
            layer = model.get_submodule(name.removeprefix(PREFIX))
            change = tensors[f"{name}.lora_B.weight"].float() @ tensors[key].float()
            layer.weight.data += scale * change
