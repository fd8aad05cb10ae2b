"""What `adapter_config.json` says, and which of it can be served.

Source: `LoraConfig` of PEFT, the file's writer. An option that changes the arithmetic beyond `W + scale * B A` is
refused by name: an adapter that is applied in part answers wrongly without anybody noticing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from argosy.core.errors import InvalidModelEntry
from argosy.server.artifacts.source import Source

CONFIG_FILE = "adapter_config.json"
_LONGEST_NAME = 512
_MUST_BE_UNSET = (
    "use_dora",
    "fan_in_fan_out",
    "lora_bias",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
    "layer_replication",
    "trainable_token_indices",
    "target_parameters",
    "use_qalora",
    "alora_invocation_tokens",
)
# These change the base model's own weights at the start of training; the adapter alone is then not enough.
_CHANGES_THE_BASE = ("pissa", "olora", "corda", "loftq")


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """The part of the file that serving needs.

    Attributes:
        base: the base model's name as the trainer knew it; may be empty.
        rank: of every matrix pair.
        alpha: the scale is `alpha / rank`.
    """

    base: str
    rank: int
    alpha: float


def read_config(source: Source, max_rank: int) -> AdapterConfig:
    """The config of the adapter in the folder.

    Raises:
        InvalidModelEntry: missing, broken, not plain LoRA, or of a higher rank than allowed.
    """
    if source.find(CONFIG_FILE) is None:
        raise InvalidModelEntry(f"{source.root} has no {CONFIG_FILE}; save the adapter with PEFT's save_pretrained.")
    config = source.json(CONFIG_FILE)
    if str(config.get("peft_type", "")).upper() != "LORA":
        raise _refused(source, f"peft_type is {str(config.get('peft_type'))[:32]!r}; only LORA adapters are served")
    if str(config.get("task_type") or "CAUSAL_LM") != "CAUSAL_LM":
        raise _refused(source, f"task_type is {str(config['task_type'])[:32]!r}; only CAUSAL_LM adapters are served")
    _check_plain(source, config)
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if type(rank) is not int or rank < 1:
        raise _refused(source, "r must be a whole number above 0")
    if rank > max_rank:
        raise _refused(source, f"its rank {rank} is above {max_rank}; allow more with --max-lora-rank")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha <= sys.float_info.max:
        raise _refused(source, "lora_alpha must be a number above 0")
    base = config.get("base_model_name_or_path") or ""
    if not isinstance(base, str) or len(base) > _LONGEST_NAME:
        raise _refused(source, "base_model_name_or_path must be a text")
    return AdapterConfig(base, rank, float(alpha))


def _check_plain(source: Source, config: Mapping[str, Any]) -> None:
    if (config.get("bias") or "none") != "none":
        raise _refused(source, "it trains biases, which are not applied here; train it with bias='none'")
    for name in _MUST_BE_UNSET:
        if config.get(name):
            raise _refused(source, f"it uses {name}, which is not applied here; train it without")
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(_CHANGES_THE_BASE):
        raise _refused(source, f"it was begun with {start[:32]}; convert it to plain LoRA with PEFT first")


def _refused(source: Source, why: str) -> InvalidModelEntry:
    return InvalidModelEntry(f"{source.root / CONFIG_FILE}: {why}.")
