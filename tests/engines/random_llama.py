"""Makers of small Llamas whose layers matter; transformers writes them, and says what the right answers are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import transformers

from argosy.core.models import GenerateSpec, ModelSpec, ProfileSpec, Task
from tests.suites.tiny_adapters import Matrices
from tests.suites.tiny_models import TinyLanguageModel

LAYERS, WIDTH, CONTEXT_LENGTH = 2, 256, 4096


def write_random_llama(directory: Path, seed: int = 3) -> None:
    """Write a Llama with random weights, large enough that each token depends on all before it."""
    torch.manual_seed(seed)
    vocabulary = TinyLanguageModel.make().vocabulary
    config = transformers.LlamaConfig(
        vocab_size=len(vocabulary.tokens),
        hidden_size=WIDTH,
        intermediate_size=512,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=CONTEXT_LENGTH,
        initializer_range=0.2,
        tie_word_embeddings=False,
        bos_token_id=vocabulary.bos_id,
        eos_token_id=vocabulary.eos_id,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(directory)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=TinyLanguageModel.make().tokenizer(), bos_token="<|begin|>", eos_token="<|end|>"
    )
    tokenizer.save_pretrained(directory)


def random_llama_spec(adapter: str | None = None) -> ModelSpec:
    """The model entry that goes with it."""
    return ModelSpec(
        name="random",
        task=Task.GENERATE,
        engine="vllm",
        model="config.json",
        profile=ProfileSpec(precision="f32"),
        generate=GenerateSpec(context_length=CONTEXT_LENGTH, adapter=adapter),
    )


def greedy(
    directory: Path, prompts: Sequence[Sequence[int]], count: int, adapter: Matrices | None = None, scale: float = 1
) -> list[list[int]]:
    """What transformers writes after each prompt; with an adapter, after it was added to the weights."""
    model = transformers.LlamaForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
    with torch.inference_mode():
        for name, (inner, outer) in (adapter or {}).items():
            weight = model.get_parameter(f"{name}.weight")
            weight.add_(scale * torch.from_numpy(outer) @ torch.from_numpy(inner))
        return [_continued(model, prompt, count) for prompt in prompts]


def _continued(model: transformers.LlamaForCausalLM, prompt: Sequence[int], count: int) -> list[int]:
    ids = torch.tensor([list(prompt)])
    whole = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=count, min_new_tokens=count, do_sample=False,
        pad_token_id=0,
    )  # fmt: skip
    tokens: list[int] = whole[0, ids.shape[1] :].tolist()
    return tokens
